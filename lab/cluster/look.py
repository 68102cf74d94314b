"""Looks at a run: what its nodes left in its folder, beside what Slurm says of their jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.cluster.folder import Attempt, RunFolder
from lab.cluster.slurm import Job, read_accounts, read_jobs
from lab.cluster.states import Seen
from lab.errors import LabError


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The jobs of a run, by node and attempt.

    Args:
        known: by node and attempt.
        answered: whether Slurm answered; where it did not, no job may be taken for gone.
    """

    known: Mapping[tuple[str, int], Job] = field(default_factory=dict)
    answered: bool = True

    def of(self, attempt: Attempt) -> Job | None:
        """The job of an attempt; None where nobody knows it."""
        return self.known.get((attempt.entry.node, attempt.entry.attempt))


def look_at_jobs(run: RunFolder, *, thorough: bool = False) -> Jobs:
    """Ask Slurm for the jobs of a run.

    Args:
        run: the run.
        thorough: ask the database too for jobs that Slurm has forgotten, where there is one.
    """
    open_ones = [a for attempts in run.attempts().values() for a in attempts if not _settled(a)]
    if not open_ones:  # any machine that sees the folder can say what came of it
        return Jobs()
    seen = read_jobs(run.name)
    if seen is None:
        return Jobs(answered=False)
    numbers = {number: _key(a) for a in open_ones if (number := a.entry.job or a.begun())}
    # The comment says the attempt also where the client was killed before it heard the number.
    known = {numbers.get(job.id, (job.node, job.attempt)): job for job in seen}
    if thorough:
        forgotten = [number for number, key in numbers.items() if key not in known]
        for number, state in read_accounts(forgotten).items():
            if number in forgotten:
                node, which = numbers[number]
                known[node, which] = Job(id=number, state=state, node=node, attempt=which)
    return Jobs(known=known)


def _key(attempt: Attempt) -> tuple[str, int]:
    return attempt.entry.node, attempt.entry.attempt


def _settled(attempt: Attempt) -> bool:
    """Whether no job has to be asked for: its result is there, or it was never taken."""
    return attempt.done or bool(attempt.entry.error)


def look_at(attempt: Attempt, jobs: Jobs, *, read: bool) -> Seen:
    """What there is of an attempt.

    Args:
        attempt: of a node.
        jobs: of its run.
        read: read its result and its log too, which takes time.
    """
    done = attempt.done
    seen = Seen(
        begun=bool(attempt.begun()), job=jobs.of(attempt), whole=done, error=attempt.entry.error
    )
    if not read:
        return seen
    content, error = None, attempt.entry.error
    try:
        content = attempt.content()
    except LabError as damaged:
        error = f"{damaged.what} {damaged.why}"
    return Seen(
        begun=seen.begun or done, job=seen.job, content=content, whole=done, error=error,
        last_words="" if done else attempt.last_words(),
    )  # fmt: skip


def main_attempt(attempts: list[Attempt]) -> Attempt | None:
    """The attempt that stands for a node: the last that is done, else the last that had found
    something when it was cut short, else the last of all."""
    own = [attempt for attempt in attempts if attempt.entry.purpose != "recheck"]
    for good in (lambda a: a.done, lambda a: len(own) > 1 and _has_found(a)):
        if found := [attempt for attempt in own if good(attempt)]:
            return found[-1]
    return own[-1] if own else None


def _has_found(attempt: Attempt) -> bool:
    try:
        content = attempt.content()
    except LabError:
        return False
    return content is not None and content.found


def recheck_of(attempts: list[Attempt]) -> Attempt | None:
    """The second run of a node that was slow in the one that stands for it."""
    main = main_attempt(attempts)
    later = [
        a for a in attempts
        if a.entry.purpose == "recheck" and main and a.entry.attempt > main.entry.attempt
    ]  # fmt: skip
    return later[-1] if later else None


def last_attempts(run: RunFolder) -> list[Attempt]:
    """The newest attempt of every node that has one."""
    return [attempts[-1] for attempts in run.attempts().values() if attempts]
