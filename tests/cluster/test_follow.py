"""Following a run, with a Slurm that is made up and a clock that is turned by hand."""

from collections.abc import Callable

import pytest

from lab.cluster import follow, look
from lab.cluster.follow import Follower
from lab.cluster.slurm import Job, SlurmNode
from lab.errors import LabError
from tests.cluster.samples import Run, case, report


class Slurm:
    """What Slurm says at each look; the last answer stays."""

    def __init__(self, *answers: dict[str, str] | None) -> None:
        self.answers = list(answers)
        self.down: set[str] = set()
        self.cancelled: list[str] = []
        self.now = 0.0
        self.reason = "Priority"

    def jobs(self, name: str) -> list[Job] | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            return None
        return [
            Job(id=node, state="CANCELLED" if node in self.cancelled else state, node=node,
                attempt=1, reason=self.reason if state == "PENDING" else "")
            for node, state in answer.items()
        ]  # fmt: skip

    def nodes(self) -> list[SlurmNode]:
        return [SlurmNode(name=name, state="drained") for name in self.down]

    def cancel(self, ids: list[str]) -> None:
        self.cancelled += ids

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 10_000, "it waits for ever"


Follow = Callable[[Slurm], tuple[list[str], list[str]]]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("runs") / "run", "n1", "n2")


@pytest.fixture
def wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follow until it ends; returns the lines of the live view and what was said."""

    def call(slurm: Slurm) -> tuple[list[str], list[str]]:
        monkeypatch.setattr(look, "read_jobs", slurm.jobs)
        monkeypatch.setattr(look, "read_accounts", lambda ids: {})
        monkeypatch.setattr(follow, "read_nodes", slurm.nodes)
        monkeypatch.setattr(follow, "cancel", slurm.cancel)
        steps: list[str] = []
        said: list[str] = []
        Follower(
            run=run.folder, step=lambda done, total, text: steps.append(f"{done}/{total}: {text}"),
            say=said.append, sleep=slurm.sleep, clock=lambda: slurm.now,
        ).wait()  # fmt: skip
        return steps, said

    return call


def test_run_is_followed_until_every_node_is_settled(run: Run, wait: Follow) -> None:
    run.submitted("n1")
    run.done("n2", report(case()))
    steps, said = wait(
        Slurm({"n1": "PENDING"}, {"n1": "RUNNING"}, {"n1": "COMPLETING"}, {"n1": "NODE_FAIL"})
    )
    assert steps[0] == "1/2: 1 pending, 0 running, 1 done, 0 lost"
    assert steps[1] == "1/2: 0 pending, 1 running, 1 done, 0 lost"
    assert steps[-1] == "2/2: 0 pending, 0 running, 1 done, 1 lost"
    assert said == []


def test_file_that_comes_later_than_the_end_of_its_job_is_waited_for(
    run: Run, wait: Follow
) -> None:
    run.begun("n1")
    run.done("n2", report(case()))
    slurm = Slurm({"n1": "COMPLETED"})
    wait(slurm)
    assert 10 <= slurm.now < 30


def test_slurm_that_does_not_answer_makes_nobody_lost(run: Run, wait: Follow) -> None:
    run.begun("n1")
    run.done("n2", report(case()))
    steps, said = wait(Slurm({"n1": "RUNNING"}, *[None] * 100, {"n1": "RUNNING"}, {"n1": "FAILED"}))
    assert all("0 lost" in step for step in steps[:102])
    assert said == ["Slurm does not answer; waiting for it", "Slurm answers again"]


def test_job_that_waits_for_a_node_that_is_down_is_taken_back(run: Run, wait: Follow) -> None:
    run.submitted("n1")
    run.done("n2", report(case()))
    slurm = Slurm({"n1": "PENDING"})
    slurm.down = {"n1", "n2", "n7"}
    _, said = wait(slurm)
    assert slurm.cancelled[:1] == ["n1"]
    assert said[0] == "n1 is down or drained: its job n1 is taken back"
    assert slurm.now < 120


def test_reason_that_not_every_queue_has_is_said_once(run: Run, wait: Follow) -> None:
    run.submitted("n1")
    run.done("n2", report(case()))
    slurm = Slurm(*[{"n1": "PENDING"}] * 5, {"n1": "CANCELLED"})
    slurm.reason = "PartitionTimeLimit"
    assert wait(slurm)[1] == ["the job of n1 waits: PartitionTimeLimit"]


def test_job_of_a_node_that_is_up_may_wait(run: Run, wait: Follow) -> None:
    run.submitted("n1")
    run.done("n2", report(case()))
    slurm = Slurm(*[{"n1": "PENDING"}] * 1000, {"n1": "CANCELLED"})
    wait(slurm)
    assert slurm.cancelled == []


def test_run_without_an_open_job_needs_no_slurm(
    run: Run, wait: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.done("n1", report(case()))
    run.submitted("n2", error="Slurm did not take its job: x")

    class Absent(Slurm):
        def jobs(self, name: str) -> list[Job] | None:
            raise LabError("There is no Slurm.", why="x", next_step="y")

    assert wait(Absent(None))[0] == ["2/2: 0 pending, 0 running, 1 done, 1 lost"]
