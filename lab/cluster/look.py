"""Looks at a run: what its nodes left in its folder, beside what Slurm says of their jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lab.cluster.attempt import Attempt
from lab.cluster.folder import RunFolder
from lab.cluster.slurm import WAITING, WORKING, Job, read_accounts, read_jobs
from lab.cluster.states import Seen
from lab.errors import LabError


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The jobs of a run, by node and attempt.

    Args:
        known: by node and attempt.
        queued: how many jobs of it are in the queue, or at work.
        answered: whether Slurm answered; where it did not, no job may be taken for gone.
    """

    known: Mapping[tuple[str, int], Job] = field(default_factory=dict)
    queued: int = 0
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
    queued = sum(job.state in WAITING | WORKING for job in seen)
    numbers = {job.id: job for job in seen}
    # The comment says what it is for also where the client was killed before it heard its number.
    groups = {job.comment: job for job in seen if job.comment}
    known, forgotten = {}, {}
    for attempt in open_ones:
        number = attempt.entry.job or attempt.begun()
        job = numbers.get(number) or groups.get(attempt.entry.group)
        if job is not None:
            known[_key(attempt)] = job
        elif number:
            forgotten[_key(attempt)] = number
    if thorough:
        ended = read_accounts(sorted(set(forgotten.values())))
        known |= {
            key: ended[number] for key, number in forgotten.items() if number in ended
        }  # fmt: skip
    return Jobs(known=known, queued=queued)


def _key(attempt: Attempt) -> tuple[str, int]:
    return attempt.entry.node, attempt.entry.attempt


def _settled(attempt: Attempt) -> bool:
    """Whether no job has to be asked for: its result is there, it was never taken, or its end is
    known."""
    if attempt.entry.error or attempt.entry.end:
        return True
    return attempt.done and not attempt.more_to_come


def look_at(attempt: Attempt, jobs: Jobs, *, read: bool) -> Seen:
    """What there is of an attempt.

    Args:
        attempt: of a node.
        jobs: of its run.
        read: read its result and its log too, which takes time.
    """
    done, entry = attempt.done, attempt.entry
    job = jobs.of(attempt) or (Job(id=entry.job, state=entry.end) if entry.end else None)
    more = done and attempt.more_to_come
    seen = Seen(
        wanted=attempt.wanted, begun=done or bool(attempt.begun()),
        ended=(done and not more) or attempt.ended, job=job,
        gone=job is not None and job.lacks(*attempt.nodes), whole=done, more_to_come=more,
        error=entry.error,
    )  # fmt: skip
    if not read:
        return seen
    content, error = None, attempt.entry.error
    try:
        content = attempt.content()
    except LabError as damaged:
        error = f"{damaged.what} {damaged.why}"
    return replace(
        seen, content=content, error=error,
        last_words="" if done else attempt.last_words(),
    )  # fmt: skip


def last_attempts(run: RunFolder) -> list[Attempt]:
    """The newest attempt of every node that has one."""
    return [attempts[-1] for attempts in run.attempts().values() if attempts]
