"""What became of a node: from what it left in its folder, and from what Slurm says of its job."""

from dataclasses import dataclass
from typing import Literal

from lab.cluster.contents import Content
from lab.cluster.slurm import WAITING, WORKING, Job
from lab.records.cluster import State

Phase = Literal["pending", "running", "done", "lost"]
_ENDS = {
    "NODE_FAIL": "the node failed",
    "BOOT_FAIL": "the node did not boot",
    "CANCELLED": "its job was cancelled",
    "TIMEOUT": "the time of its job was up",
    "PREEMPTED": "another job took its place",
    "OUT_OF_MEMORY": "its memory was used up",
    "DEADLINE": "its deadline came before it could start",
    "REVOKED": "another cluster took its job",
}
# The job came to its end, whatever exit code it had.
BY_ITSELF = {"COMPLETED", "FAILED"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What there is of a node's attempt.

    Args:
        wanted: whether it is still to be submitted.
        begun: whether its job wrote that it began.
        ended: whether its script came to its end.
        job: as Slurm shows it; None where it knows it no more.
        gone: whether its job has lost this node, and goes on without it.
        content: of its result, or of what it had kept when it was cut short.
        whole: whether that is its result.
        more_to_come: whether its job still has something to add to that.
        error: why it was not submitted, or why its file cannot be read.
        last_words: of its log.
    """

    begun: bool
    job: Job | None
    wanted: bool = False
    ended: bool = False
    gone: bool = False
    content: Content | None = None
    whole: bool = False
    more_to_come: bool = False
    error: str = ""
    last_words: str = ""


def phase_of(seen: Seen) -> Phase:
    """How far an attempt is, for the live view."""
    working = seen.job is not None and seen.job.state in WORKING
    if seen.whole and not (working and seen.more_to_come):
        return "done"
    if seen.wanted:
        return "pending"
    if seen.ended or seen.gone:
        return "lost"
    if working:
        return "running"
    if seen.job is not None and seen.job.state in WAITING:
        return "pending"
    return "lost"


def state_of(seen: Seen) -> tuple[State, list[str]]:
    """The state of a node, and why it is not `ok`; what other nodes measured is not looked at."""
    if seen.content is None and seen.error:
        return ("failed" if seen.begun else "never_started"), [seen.error]
    if seen.content is not None and seen.content.found:
        return _with_content(seen, seen.content)
    if seen.whole:
        assert seen.content is not None
        return "failed", list(seen.content.reasons)
    if not seen.begun:
        return "never_started", [_not_begun(seen)]
    if seen.gone:
        return "lost", ["the node failed, after it began and before it had a result"]
    if seen.ended and not _ended_from_outside(seen.job):
        return "failed", [seen.last_words or "it ended without a result and without a word"]
    if seen.job is not None and seen.job.state in WORKING:
        return "partial", ["it is still running, without a result so far"]
    words = f": {seen.last_words}" if seen.last_words and not _ended_from_outside(seen.job) else ""
    return "lost", [f"{end_of(seen.job)}, after it began and before it had a result{words}"]


def _ended_from_outside(job: Job | None) -> bool:
    return job is not None and job.state in _ENDS


def _with_content(seen: Seen, content: Content) -> tuple[State, list[str]]:
    if seen.whole:
        return ("partial", [content.cut]) if content.cut else ("ok", [])
    if seen.gone:
        return "partial", ["the node failed, before the run was complete"]
    if seen.ended and not _ended_from_outside(seen.job):
        return "partial", [seen.last_words or "it ended before the run was complete"]
    if seen.job is not None and seen.job.state in WORKING:
        return "partial", ["it is still running"]
    return "partial", [f"{end_of(seen.job)}, before the run was complete"]


def _not_begun(seen: Seen) -> str:
    job = seen.job
    if seen.wanted:
        return "it is not submitted yet"
    if seen.gone:
        return "the node failed before it began"
    if job is None:
        return "no job of it is known: it was not submitted, or it never began"
    if job.state in WAITING:
        return f"its job waits: {job.reason or 'Slurm gives no reason'}"
    if job.state in WORKING:
        return "its job is about to begin"
    if job.state in BY_ITSELF:
        words = f" ({seen.last_words})" if seen.last_words else ""
        return f"its job could not write to the run's folder: does the node see it?{words}"
    return f"{end_of(job)} before it began"


def end_of(job: Job | None) -> str:
    """How a job ended, as Slurm says it, in words."""
    if job is None:
        return "its job is gone, and Slurm does not say how it ended"
    return words_of_end(job.state)


def words_of_end(state: str) -> str:
    """What a job's last state in Slurm means."""
    return _ENDS.get(state) or f"its job ended ({state.lower()})"
