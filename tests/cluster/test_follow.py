"""Following a run, with a Slurm that is made up and a clock that is turned by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.cluster import follow, look, submit
from lab.cluster.batch import BEGUN, ENDED, RESULT
from lab.cluster.follow import Follower
from lab.cluster.look import Jobs, last_attempts, look_at_jobs
from lab.cluster.merge import merge
from lab.cluster.network_folder import network_of, plan_network
from lab.cluster.slurm import Job, SlurmNode
from lab.errors import LabError
from lab.records.cluster import Limits
from lab.records.save import save, to_json
from tests.cluster.samples import Run, case, report
from tests.cluster.test_network_merge import ORDER


class Slurm:
    """What Slurm says at each look; the last answer stays."""

    def __init__(self, *answers: dict[str, str] | None) -> None:
        self.answers = list(answers)
        self.down: set[str] = set()
        self.cancelled: list[str] = []
        self.now = 0.0
        self.reason = "Priority"
        self.held: frozenset[str] = frozenset()
        self.submitted: list[str] = []

    def jobs(self, name: str) -> list[Job] | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            return None
        return [
            Job(id=node, state="CANCELLED" if node in self.cancelled else state,
                comment=f"{node}/1", reason=self.reason if state == "PENDING" else "",
                held=self.held)
            for node, state in answer.items()
        ]  # fmt: skip

    def nodes(self) -> list[SlurmNode]:
        return [SlurmNode(name=name, state="drained", reason="disk") for name in self.down]

    def submit(self, argv: list[str]) -> tuple[str, str]:
        self.submitted.append(next(word for word in argv if word.startswith("--nodelist=")))
        return str(100 + len(self.submitted)), ""

    def cancel(self, ids: list[str]) -> None:
        self.cancelled += ids

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 10_000, "it waits for ever"


Follow = Callable[[Slurm], tuple[list[str], list[str]]]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("runs") / "run", "n1", "n2")


FollowRun = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture
def follow_run(monkeypatch: pytest.MonkeyPatch) -> FollowRun:
    """Follow a run until it ends; returns the lines of the live view and what was said."""

    def call(
        run: Run, slurm: Slurm, seen: Callable[[str], None] = lambda text: None
    ) -> tuple[list[str], list[str]]:
        monkeypatch.setattr(look, "read_jobs", slurm.jobs)
        monkeypatch.setattr(look, "read_accounts", lambda ids: {})
        monkeypatch.setattr(follow, "read_nodes", slurm.nodes)
        monkeypatch.setattr(follow, "cancel", slurm.cancel)
        monkeypatch.setattr(submit, "submit", slurm.submit)
        steps: list[str] = []
        said: list[str] = []

        def step(done: int, total: int, text: str) -> None:
            steps.append(f"{done}/{total}: {text}")
            seen(steps[-1])

        Follower(
            run=run.folder, step=step, say=said.append, sleep=slurm.sleep, clock=lambda: slurm.now
        ).wait()
        return steps, said

    return call


@pytest.fixture
def wait(run: Run, follow_run: FollowRun) -> Follow:
    return lambda slurm: follow_run(run, slurm)


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


def test_job_over_many_nodes_is_taken_back_where_one_of_them_is_down(
    run: Run, wait: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_network(run.folder, ORDER, "#!/bin/sh\n")
    folder = network_of(run.folder, ("n1", "n2"))
    assert folder is not None
    folder.want_one(after=0)
    slurm = Slurm({}, {"network": "PENDING"})
    slurm.down = {"n2"}
    monkeypatch.setattr(run, "folder", folder)
    _, said = wait(slurm)
    assert slurm.submitted == ["--nodelist=n[1-2]"]  # once: without n2 it would be another one
    assert slurm.cancelled == ["network"]
    assert said == ["n2 is down or drained: its job network is taken back"]
    (only,) = folder.tries
    assert only.entry.error == "the node is drained: disk"


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


@pytest.fixture
def chunk(tmp_path: Path) -> Run:
    """Three nodes in one job, whose number and group are those of n1."""
    run = Run(tmp_path / "chunk", "n1", "n2", "n3", limits=Limits(chunk=3))
    run.folder.want(["n1", "n2", "n3"], "first")
    for wanted in run.folder.wanted():
        entry = run.folder.claim(wanted, "n1/1")
        assert entry is not None
        run.folder.note(replace(entry, job="n1"))
    return run


def leave(run: Run, node: str, *, done: bool) -> None:
    folder = run.folder.path / "nodes" / node / "1"
    (folder / BEGUN).write_text("n1\n")
    if done:
        save(to_json(report(case()), compact=True), folder / RESULT)
        (folder / ENDED).touch()


def test_job_whose_first_node_failed_is_ended_once_its_others_are_done(
    chunk: Run, follow_run: FollowRun
) -> None:
    """Slurm leaves it RUNNING until somebody cancels it."""
    leave(chunk, "n1", done=False)
    for node in ("n2", "n3"):
        leave(chunk, node, done=True)
    slurm = Slurm({"n1": "RUNNING"})
    slurm.held = frozenset({"n2", "n3"})
    steps, said = follow_run(chunk, slurm)
    assert steps[-1] == "3/3: 0 pending, 0 running, 2 done, 1 lost"
    assert slurm.cancelled == ["n1"]
    assert said == ["job n1 lost n1 and does not end: it is cancelled"]


def test_end_of_a_job_is_remembered_when_slurm_has_forgotten_it(
    chunk: Run, follow_run: FollowRun
) -> None:
    for node in ("n1", "n2", "n3"):
        leave(chunk, node, done=node == "n3")
    slurm = Slurm(*[{"n1": "RUNNING"}] * 8, {"n1": "TIMEOUT"})
    slurm.held = frozenset({"n1", "n3"})
    follow_run(chunk, slurm)
    slurm.answers = [None]  # it is not asked any more, also on a machine without it
    assert look_at_jobs(chunk.folder) == Jobs()
    later = {node.name: node.reasons for node in merge(chunk.folder, Jobs()).nodes}
    assert later["n1"] == ["the time of its job was up, after it began and before it had a result"]
    assert later["n2"] == ["the node failed, after it began and before it had a result"]


def test_job_that_ends_by_itself_without_a_node_is_left_alone(
    chunk: Run, follow_run: FollowRun
) -> None:
    for node in ("n1", "n2", "n3"):
        leave(chunk, node, done=node != "n2")
    slurm = Slurm(*[{"n1": "RUNNING"}] * 8, {"n1": "COMPLETED"})
    slurm.held = frozenset({"n1", "n3"})
    _, said = follow_run(chunk, slurm)
    assert (said, slurm.cancelled) == ([], [])


def test_job_that_has_lost_a_node_goes_on_for_its_others(chunk: Run, follow_run: FollowRun) -> None:
    for node in ("n1", "n2", "n3"):
        leave(chunk, node, done=node == "n3")
    slurm = Slurm(*[{"n1": "RUNNING"}] * 50, {"n1": "COMPLETED"})
    slurm.held = frozenset({"n2", "n3"})
    steps, _ = follow_run(chunk, slurm)
    assert slurm.cancelled == []
    assert "1/3: 0 pending, 2 running, 1 done, 0 lost" in steps
    assert "2/3: 0 pending, 1 running, 1 done, 1 lost" in steps


def test_chunk_that_waits_for_a_drained_node_is_made_anew_without_it(
    chunk: Run, follow_run: FollowRun
) -> None:
    slurm = Slurm({"n1": "PENDING"})
    slurm.down = {"n2"}
    steps: list[str] = []

    def settle(text: str) -> None:
        """The new job does its work as soon as it is there."""
        steps.append(text)
        if slurm.submitted:
            for node in ("n1", "n3"):
                if not (chunk.folder.path / "nodes" / node / "2" / RESULT).exists():
                    save(to_json(report(case())), chunk.folder.path / "nodes" / node / "2" / RESULT)

    _, said = follow_run(chunk, slurm, settle)
    assert slurm.cancelled == ["n1"]
    assert said[0] == "n2 is down or drained: its job n1 is taken back"
    assert slurm.submitted == ["--nodelist=n[1,3]"]
    assert chunk.folder.attempts()["n2"][-1].entry.error == "the node is drained: disk"
    assert steps[-1] == "3/3: 0 pending, 0 running, 2 done, 1 lost"


def test_chunk_whose_nodes_are_down_together_is_made_anew_once(
    chunk: Run, follow_run: FollowRun
) -> None:
    slurm = Slurm({"n1": "PENDING"})
    slurm.down = {"n1", "n2"}

    def settle(text: str) -> None:
        if slurm.submitted:
            save(to_json(report(case())), chunk.folder.path / "nodes" / "n3" / "2" / RESULT)

    steps, said = follow_run(chunk, slurm, settle)
    assert said[0] == "n[1-2] are down or drained: its job n1 is taken back"
    assert slurm.submitted == ["--nodelist=n3"]
    assert steps[-1] == "3/3: 0 pending, 0 running, 1 done, 2 lost"


def test_queue_that_stays_full_is_tried_now_and_then(tmp_path: Path, follow_run: FollowRun) -> None:
    """Each try leaves lines in the run's folder."""
    run = Run(tmp_path / "run", "n1", "n2")
    run.done("n1", report(case()))
    run.folder.want(["n2"], "first")
    tries: list[float] = []

    class Full(Slurm):
        def submit(self, argv: list[str]) -> tuple[str, str]:
            tries.append(self.now)
            if self.now < 600:
                return "", "(job submit limit, user's size and/or time limits)"
            save(to_json(report(case())), run.folder.path / "nodes" / "n2" / "1" / RESULT)
            return "9", ""

    run.submitted("n1")  # the site has taken jobs of this run
    steps, _ = follow_run(run, Full({}))
    assert steps[-1].startswith("2/2")
    assert 3 <= len(tries) <= 12


def test_follower_submits_the_next_as_jobs_end(tmp_path: Path, follow_run: FollowRun) -> None:
    run = Run(tmp_path / "run", "n1", "n2", "n3", limits=Limits(max_submit=1))
    run.folder.want(["n1", "n2", "n3"], "first")
    slurm = Slurm({})
    most: list[int] = []

    def settle(text: str) -> None:
        open_ones = [a for a in last_attempts(run.folder) if not a.wanted and not a.done]
        most.append(len(open_ones))
        for attempt in open_ones:
            save(to_json(report(case())), attempt.folder / RESULT)

    steps, _ = follow_run(run, slurm, settle)
    assert slurm.submitted == ["--nodelist=n1", "--nodelist=n2", "--nodelist=n3"]
    assert max(most) == 1
    assert steps[-1] == "3/3: 0 pending, 0 running, 3 done, 0 lost"


def test_run_of_which_slurm_takes_no_more_comes_to_its_end(
    tmp_path: Path, follow_run: FollowRun
) -> None:
    run = Run(tmp_path / "run", "n1", limits=Limits(max_submit=1))
    run.folder.want(["n1"], "first")

    class Refusing(Slurm):
        def submit(self, argv: list[str]) -> tuple[str, str]:
            return "", "no such account"

    steps, said = follow_run(run, Refusing({}))
    assert said == ["Slurm took none of the jobs. no such account"]
    assert steps == ["1/1: 0 pending, 0 running, 0 done, 1 lost"]


def test_gpus_that_a_job_left_unread_are_waited_for_and_then_settled(
    run: Run, wait: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job with its results that was killed before its last reading: nobody asks for it again."""
    folder = run.begun("n1")
    (folder / "cuda-0").mkdir()
    save(to_json(report(case())), folder / "cuda-0" / RESULT)
    run.done("n2", report(case()))
    slurm = Slurm({"n1": "RUNNING"}, *[None] * 10, {"n1": "TIMEOUT"})
    steps, _ = wait(slurm)
    assert slurm.now >= 10 + 2 * 10  # that Slurm does not answer says nothing of the job
    assert steps[-1] == "2/2: 0 pending, 0 running, 2 done, 0 lost"
    monkeypatch.setattr(look, "read_jobs", lambda name: pytest.fail("Slurm was asked"))
    look_at_jobs(run.folder)
    (node, _) = merge(run.folder, Jobs()).nodes
    assert node.state == "ok"
