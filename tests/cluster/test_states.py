"""What became of a node, from its files and from Slurm; never from an exit code."""

import pytest

from lab.cluster.contents import READERS
from lab.cluster.slurm import Job, parse_jobs
from lab.cluster.states import Seen, phase_of, state_of
from tests.cluster.samples import case, report

_bench = READERS["bench"].content
FIGURES = _bench(report(case()))
EMPTY = _bench(report(case(None, reason="the time was used up before it was measured")))


def job(state: str, reason: str = "") -> Job:
    return Job(id="7", state=state, node="n1", attempt=1, reason=reason)


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (Seen(begun=True, job=job("COMPLETED"), content=FIGURES, whole=True), "ok", ""),
        # Slurm's own word does not matter where the result is there.
        (Seen(begun=True, job=job("FAILED"), content=FIGURES, whole=True), "ok", ""),
        (Seen(begun=True, job=job("NODE_FAIL"), content=FIGURES, whole=True), "ok", ""),
        (Seen(begun=True, job=None, content=FIGURES, whole=True), "ok", ""),
        (Seen(begun=True, job=job("NODE_FAIL"), content=FIGURES), "partial", "the node failed"),
        (Seen(begun=True, job=job("TIMEOUT"), content=FIGURES), "partial", "time of its job"),
        (Seen(begun=True, job=job("RUNNING"), content=FIGURES), "partial", "still running"),
        (Seen(begun=True, job=job("RUNNING")), "partial", "still running"),
        (Seen(begun=True, job=job("COMPLETED"), content=EMPTY, whole=True), "failed", "used up"),
        (Seen(begun=True, job=job("COMPLETED"), last_words="no torch"), "failed", "no torch"),
        (Seen(begun=True, job=job("FAILED"), last_words="no torch"), "failed", "no torch"),
        (Seen(begun=True, job=job("COMPLETED"), error="damaged"), "failed", "damaged"),
        (Seen(begun=True, job=job("NODE_FAIL")), "lost", "the node failed"),
        (Seen(begun=True, job=job("CANCELLED")), "lost", "was cancelled"),
        (Seen(begun=True, job=job("OUT_OF_MEMORY")), "lost", "memory"),
        (Seen(begun=True, job=job("NEW_WORD")), "lost", "new_word"),
        (Seen(begun=True, job=None), "lost", "gone"),
        (Seen(begun=False, job=job("PENDING", "Priority")), "never_started", "waits: Priority"),
        (Seen(begun=False, job=job("CANCELLED")), "never_started", "cancelled before it began"),
        (Seen(begun=False, job=job("NODE_FAIL")), "never_started", "failed before it began"),
        (Seen(begun=False, job=job("FAILED")), "never_started", "does the node see it?"),
        (Seen(begun=False, job=None), "never_started", "no job"),
        (Seen(begun=False, job=None, error="Slurm did not take it"), "never_started", "not take"),
    ],
)  # fmt: skip
def test_state_follows_from_what_there_is(seen: Seen, state: str, words: str) -> None:
    found, reasons = state_of(seen)
    assert found == state
    assert words in " ".join(reasons)
    assert bool(reasons) == (state != "ok")


@pytest.mark.parametrize(
    ("seen", "phase"),
    [
        (Seen(begun=True, job=job("RUNNING"), whole=True), "done"),
        (Seen(begun=True, job=job("RUNNING")), "running"),
        (Seen(begun=True, job=job("COMPLETING")), "running"),
        (Seen(begun=False, job=job("PENDING")), "pending"),
        (Seen(begun=False, job=job("CANCELLED")), "lost"),
        (Seen(begun=True, job=job("COMPLETED")), "lost"),
        (Seen(begun=True, job=None), "lost"),
    ],
)
def test_phase_is_what_the_live_view_counts(seen: Seen, phase: str) -> None:
    assert phase_of(seen) == phase


def test_jobs_are_read_from_squeue() -> None:
    """As `squeue --states=all --format=%i|%T|%n|%k|%r` of Slurm 22.05 prints them."""
    text = "12|PENDING|n2|1|Dependency\n11|NODE_FAIL|n1|2|NodeDown\n10|COMPLETED|n3|(null)|None\n"
    assert parse_jobs(text) == [
        Job(id="12", state="PENDING", node="n2", attempt=1, reason="Dependency"),
        Job(id="11", state="NODE_FAIL", node="n1", attempt=2, reason="NodeDown"),
        Job(id="10", state="COMPLETED", node="n3", attempt=0, reason=""),
    ]
