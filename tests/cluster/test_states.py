"""What became of a node, from its files and from Slurm; never from an exit code."""

from dataclasses import replace

import pytest

from lab.cluster.contents import READERS
from lab.cluster.slurm import Job, count_gpus, parse_accounts, parse_jobs
from lab.cluster.states import Seen, phase_of, state_of
from tests.cluster.samples import case, report

_bench = READERS["bench"].content
FIGURES = _bench({"": report(case())}, None)
EMPTY = _bench({"": report(case(None, reason="the time was used up before"))}, None)


def job(state: str, reason: str = "") -> Job:
    return Job(id="7", state=state, reason=reason)


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
        (Seen(begun=True, ended=True, job=job("FAILED"), last_words="no torch"), "failed", "no to"),
        (Seen(begun=True, ended=True, job=job("RUNNING"), last_words="no to"), "failed", "no to"),
        (Seen(begun=True, ended=True, job=job("CANCELLED"), last_words="x"), "lost", "cancelled"),
        # Nothing but a signal keeps a script from its end.
        (Seen(begun=True, job=job("COMPLETED"), last_words="srun: error: n1: task 0: Killed"),
         "lost", "had a result: srun: error: n1: task 0: Killed"),
        (Seen(begun=True, gone=True, job=job("COMPLETED")), "lost", "the node failed"),
        (Seen(begun=True, gone=True, job=job("RUNNING")), "lost", "the node failed"),
        (Seen(begun=True, gone=True, job=job("RUNNING"), content=FIGURES), "partial", "the node f"),
        (Seen(begun=True, ended=True, job=job("FAILED"), content=FIGURES, last_words="disk"),
         "partial", "disk"),
        (Seen(begun=False, gone=True, job=job("RUNNING")), "never_started", "the node failed"),
        (Seen(begun=False, wanted=True, job=None), "never_started", "not submitted yet"),
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
        (Seen(begun=True, ended=True, job=job("RUNNING")), "lost"),
        (Seen(begun=True, gone=True, job=job("RUNNING")), "lost"),
        (Seen(begun=False, wanted=True, job=None), "pending"),
    ],
)
def test_phase_is_what_the_live_view_counts(seen: Seen, phase: str) -> None:
    assert phase_of(seen) == phase


def test_jobs_are_read_from_squeue() -> None:
    """As `squeue --states=all --format=%i|%T|%k|%N|%r` of Slurm 22.05 prints them."""
    text = "12|PENDING|n2/1||Dependency\n11|RUNNING|n1/2|n[2-4]|None\n10|COMPLETED|(null)|n3|None\n"
    pending, running, completed = parse_jobs(text)
    assert pending == Job(id="12", state="PENDING", comment="n2/1", reason="Dependency")
    assert running.held == {"n2", "n3", "n4"}
    assert (running.lacks("n1"), running.lacks("n2"), pending.lacks("n2")) == (True, False, False)
    completing = replace(running, state="COMPLETING")  # its list has those that are not free yet
    assert completing.lacks("n1") is False
    assert completed == Job(id="10", state="COMPLETED", held=frozenset({"n3"}))


def test_accounts_of_a_job_that_lost_a_node_say_how_it_ended() -> None:
    """As `sacct --allocations --parsable2` of Slurm 22.05 prints them."""
    found = parse_accounts(
        "7|RESIZING|n[1-3]\n7|CANCELLED by 0|n[2-3]\n8|PENDING|None assigned\n9|NODE_FAIL|n4\n"
    )
    assert found["7"] == Job(id="7", state="CANCELLED", held=frozenset({"n2", "n3"}))
    assert found["8"].held == frozenset()
    assert found["9"].lacks("n4") is False


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(null)", 0), ("gpu:2", 2), ("gpu:a100:4(S:0-1)", 4), ("gpu:h100:4,gpu:a30:2", 6),
        ("mps:100,gpu:1(S:0)", 1), ("craynetwork:4", 0), ("", 0),
    ],
)  # fmt: skip
def test_gpus_are_counted_as_sinfo_lists_them(text: str, count: int) -> None:
    assert count_gpus(text) == count
