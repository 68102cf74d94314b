"""Submits the jobs of a run: what is wanted, as far as it may be in the queue at once.

Any command that follows the run goes on with it: an attempt belongs to the one that makes its
folder.
"""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

from lab.cluster.attempt import Attempt, Entry
from lab.cluster.folder import RunFolder
from lab.cluster.slurm import submit
from lab.errors import LabError
from lab.records.cluster import Limits

Step = Callable[[int, int, str], None]

# What sbatch says where a site lets a person have no more jobs. It says the same of a job that is
# too large or too long, which one that is like those before is not.
_FULL = "submit limit"
# The controller may have taken the job all the same: then it is found by its comment.
_UNSURE = ("timed out", "no answer within")


def submit_wanted(run: RunFolder, limits: Limits, queued: int, step: Step) -> int:
    """Submit what may be in the queue now; returns how many jobs Slurm took.

    With `parallel`, and where all fit into the queue, there are rows of jobs, in each of which a
    job waits for the end of the one before it, however that comes: Slurm itself goes on when the
    client is gone. Where not all fit, whoever follows the run submits the next when one has ended.

    Args:
        run: the run.
        limits: on its jobs.
        queued: how many of its jobs are in the queue or at work.
        step: takes progress, in nodes.

    Raises:
        LabError: Slurm took none of them, and none is in the queue.
    """
    attempts = [a for each in run.attempts().values() for a in each]
    wanted = {a.entry.node: a for a in attempts if a.wanted}
    began = any(a.entry.job for a in attempts)  # the site has taken jobs of this run before
    groups = list(groups_of(wanted, run.submitted.gpus, limits))
    most = [limit for limit in (limits.rows, limits.max_submit) if limit is not None]
    # All at once, in rows, is for a queue that has none of them yet.
    in_rows = not queued and len(groups) <= (limits.max_submit or len(groups))
    if most and not in_rows:
        groups = groups[: max(min(most) - queued, 0)]
    rows = limits.rows or len(groups)
    after, refusals, taken, done = [""] * rows, "", 0, 0
    for group in groups:
        row = taken % rows
        with _whole():
            entries = _claimed(run, [wanted[node] for node in group])
            if not entries:  # another command that follows this run was quicker
                continue
            job, refusal = submit(run.submission(entries, after[row] if in_rows else ""))
            refusal = "" if any(words in refusal for words in _UNSURE) else refusal
            full = not job and _FULL in refusal and bool(taken or queued or began)
            for entry in entries:
                if full:
                    run.release(entry)
                else:
                    run.note(_known(entry, job, refusal))
        if full:
            break
        done += len(entries)
        if job:
            after[row] = job
            taken += 1
        refusals = refusals or refusal
        step(done, len(wanted), f"submitting, {taken} of {len(groups)} jobs taken")
    if refusals and not taken and not queued:
        raise _refused(refusals)
    return taken


@contextmanager
def _whole() -> Iterator[None]:
    """Let Ctrl-C wait until a job is submitted and noted down, or neither.

    Blocked, which sbatch inherits; and kept, since another thread, such as that of the progress
    bar, may take it in this one's place.
    """
    kept: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: kept.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if kept:
        raise KeyboardInterrupt


def groups_of(
    nodes: Iterable[str], gpus: Mapping[str, int], limits: Limits
) -> Iterator[Sequence[str]]:
    """The nodes of each job: those that are asked for the same."""
    for _, same in groupby(sorted(nodes, key=lambda n: gpus.get(n, 0)), lambda n: gpus.get(n, 0)):
        alike = list(same)
        for begin in range(0, len(alike), limits.nodes_of_job):
            yield alike[begin : begin + limits.nodes_of_job]


def _claimed(run: RunFolder, group: Sequence[Attempt]) -> list[Entry]:
    """Those of a job's attempts that nobody else made theirs; the first of them names the job."""
    entries: list[Entry] = []
    for attempt in group:
        first = entries[0] if entries else attempt.entry
        entry = run.claim(attempt, f"{first.node}/{first.attempt}")
        entries += [entry] if entry is not None else []
    return entries


def _known(entry: Entry, job: str, refusal: str) -> Entry:
    from msgspec.structs import replace

    return replace(entry, job=job, error=refusal and f"Slurm did not take its job: {refusal}")


def _refused(why: str) -> LabError:
    next_step = "look at what was asked for: --partition, --account, --time, --constraint"
    if _FULL in why:
        next_step += "; where so many jobs are too many: --max-submit, --chunk"
    return LabError("Slurm took none of the jobs.", why=why, next_step=next_step)
