"""What is submitted, in which jobs, and what is left for later."""

import errno
import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cluster import folder, submit
from lab.cluster.submit import groups_of, submit_wanted
from lab.errors import LabError
from lab.records.cluster import Limits
from tests.cluster.samples import Run

EIGHT = tuple(f"n{number}" for number in range(1, 9))


class Sbatch:
    """Takes jobs until it is full; remembers what each was for, and after which it comes."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str]] = []
        self.room = 1000
        self.refusal = "no such account"

    def __call__(self, argv: list[str]) -> tuple[str, str]:
        if len(self.jobs) >= self.room:
            return "", self.refusal
        text = " ".join(argv)
        nodes, after = re.search(r"--nodelist=(\S+)", text), re.search(r"afterany:(\S+)", text)
        assert nodes is not None
        self.jobs.append((nodes[1], after[1] if after else ""))
        return str(len(self.jobs)), ""


@pytest.fixture
def sbatch(monkeypatch: pytest.MonkeyPatch) -> Sbatch:
    made = Sbatch()
    monkeypatch.setattr(submit, "submit", made)
    return made


Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def call(**values: object) -> Run:
        run = Run(tmp_path / "run", *EIGHT, **values)  # type: ignore[arg-type]
        run.folder.want(EIGHT, "first")
        return run

    return call


def submitted(run: Run, limits: Limits, queued: int = 0) -> int:
    return submit_wanted(run.folder, limits, queued, lambda *_: None)


def test_without_limits_each_node_has_its_job_at_once(make: Make, sbatch: Sbatch) -> None:
    assert submitted(make(), Limits()) == 8
    assert sbatch.jobs == [(node, "") for node in EIGHT]


def test_parallel_jobs_are_rows_that_need_nobody(make: Make, sbatch: Sbatch) -> None:
    submitted(make(), Limits(parallel=3))
    assert [after for _, after in sbatch.jobs] == ["", "", "", "1", "2", "3", "4", "5"]


def test_chunk_is_a_job_for_several_nodes(make: Make, sbatch: Sbatch) -> None:
    run = make()
    submitted(run, Limits(chunk=3))
    assert [nodes for nodes, _ in sbatch.jobs] == ["n[1-3]", "n[4-6]", "n[7-8]"]
    entries = {name: a[0].entry for name, a in run.folder.attempts().items()}
    assert (entries["n2"].job, entries["n2"].group) == ("1", "n1/1")
    assert (entries["n8"].job, entries["n8"].group) == ("3", "n7/1")


def test_chunk_is_no_larger_than_what_may_be_at_work(make: Make, sbatch: Sbatch) -> None:
    submitted(make(), Limits(chunk=64, parallel=4))
    assert sbatch.jobs == [("n[1-4]", ""), ("n[5-8]", "1")]


def test_job_asks_the_same_of_all_its_nodes(make: Make, sbatch: Sbatch) -> None:
    gpus = {"n2": 4, "n5": 4, "n8": 8}
    submitted(make(gpus=gpus), Limits(chunk=64))
    assert [nodes for nodes, _ in sbatch.jobs] == ["n[1,3-4,6-7]", "n[2,5]", "n8"]


def test_no_more_jobs_than_asked_for_are_in_the_queue(make: Make, sbatch: Sbatch) -> None:
    run = make()
    assert submitted(run, Limits(max_submit=3)) == 3
    assert submitted(run, Limits(max_submit=3), queued=3) == 0
    assert submitted(run, Limits(max_submit=3), queued=1) == 2
    assert [nodes for nodes, _ in sbatch.jobs] == list(EIGHT[:5])
    assert len(run.folder.wanted()) == 3
    assert {after for _, after in sbatch.jobs} == {""}


def test_what_a_killed_command_left_keeps_to_the_limit_too(make: Make, sbatch: Sbatch) -> None:
    run = make()
    assert submitted(run, Limits(parallel=2, max_submit=4), queued=1) == 1


def test_what_a_killed_command_left_is_submitted_by_the_next(make: Make, sbatch: Sbatch) -> None:
    run = make()
    sbatch.room = 3
    submitted(run, Limits())
    sbatch.room = 1000
    assert run.folder.wanted() == []  # what Slurm refused is not tried for ever
    run.folder.want(EIGHT[3:], "retry")
    assert submitted(run, Limits(), queued=3) == 5


def test_attempt_that_another_command_claimed_is_left_out(make: Make, sbatch: Sbatch) -> None:
    run = make()
    wanted = run.folder.wanted()
    run.folder.claim(wanted[0], "n1/1")
    submitted(run, Limits(chunk=4))
    assert [nodes for nodes, _ in sbatch.jobs] == ["n[2-5]", "n[6-8]"]


def test_site_that_takes_no_more_jobs_gets_the_rest_later(make: Make, sbatch: Sbatch) -> None:
    """As sbatch of Slurm 22.05 says it."""
    run = make()
    sbatch.room = 3
    sbatch.refusal = (
        "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's"
        " size and/or time limits)"
    )
    assert submitted(run, Limits()) == 3
    assert [a.entry.node for a in run.folder.wanted()] == list(EIGHT[3:])
    sbatch.room = 1000
    assert submitted(run, Limits(), queued=3) == 5
    assert run.folder.wanted() == []


def test_site_that_is_full_of_others_jobs_gets_the_rest_later(make: Make, sbatch: Sbatch) -> None:
    run = make()
    submitted(run, Limits(max_submit=3))
    sbatch.room, sbatch.refusal = 3, "(job submit limit, user's size and/or time limits)"
    assert submitted(run, Limits()) == 0  # its own jobs have ended
    assert [a.entry.node for a in run.folder.wanted()] == list(EIGHT[3:])


def test_answer_that_did_not_come_is_no_refusal(make: Make, sbatch: Sbatch) -> None:
    """The controller may have taken the job: it is looked for by its comment."""
    run = make()
    sbatch.room = 7
    sbatch.refusal = "Batch job submission failed: Socket timed out on send/recv operation"
    submitted(run, Limits())
    (last,) = run.folder.attempts()["n8"]
    assert (last.wanted, last.entry.error, last.entry.job) == (False, "", "")


def test_ctrl_c_waits_until_a_job_is_noted(
    make: Make, sbatch: Sbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(argv: list[str]) -> tuple[str, str]:
        os.kill(os.getpid(), signal.SIGINT)
        return sbatch(argv)

    run = make()
    monkeypatch.setattr(submit, "submit", interrupted)
    with ThreadPoolExecutor(1) as other:  # which may be given the signal
        other.submit(int).result()
        with pytest.raises(KeyboardInterrupt):
            submitted(run, Limits(chunk=4))
    assert {a[0].entry.job for n, a in run.folder.attempts().items() if n in EIGHT[:4]} == {"1"}
    assert [a.entry.node for a in run.folder.wanted()] == list(EIGHT[4:])


def test_folder_of_another_user_is_an_error_that_says_so(
    make: Make, sbatch: Sbatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    run = make()
    monkeypatch.setattr(folder, "append_line", refuse)
    with pytest.raises(LabError, match="Nothing can be written to the folder of the run"):
        submitted(run, Limits())


def test_refusal_of_all_is_an_error_with_its_reason(make: Make, sbatch: Sbatch) -> None:
    sbatch.room = 0
    with pytest.raises(LabError) as refused:
        submitted(make(), Limits(chunk=8))
    assert refused.value.why == "no such account"


def test_limit_that_lets_no_job_in_says_what_may_help(make: Make, sbatch: Sbatch) -> None:
    sbatch.room, sbatch.refusal = 0, "(job submit limit, user's size and/or time limits)"
    with pytest.raises(LabError) as refused:
        submitted(make(), Limits())
    assert "--max-submit" in refused.value.next_step


@given(
    st.dictionaries(st.integers(0, 300).map(str), st.integers(0, 2), max_size=60),
    st.integers(1, 70), st.none() | st.integers(1, 70),
)  # fmt: skip
def test_every_node_is_in_one_job_of_its_like(
    gpus: dict[str, int], chunk: int, parallel: int | None
) -> None:
    limits = Limits(chunk=chunk, parallel=parallel)
    groups = list(groups_of(gpus, gpus, limits))
    assert sorted(node for group in groups for node in group) == sorted(gpus)
    for group in groups:
        assert 1 <= len(group) <= limits.nodes_of_job <= chunk
        assert len({gpus[node] for node in group}) == 1
    if parallel:
        assert limits.rows is not None
        assert limits.rows * limits.nodes_of_job <= parallel
