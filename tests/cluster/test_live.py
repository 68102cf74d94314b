"""How far the nodes of a run are, by the file that each writes while it runs."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.cluster.batch import PROGRESS
from lab.cluster.live import progress_of, read_progress
from lab.cluster.look import last_attempts
from lab.records.progress import NodeProgress
from lab.render.bench.progress import PROGRESS_VARIABLE, Progress
from tests.cluster.samples import Run


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_node_writes_how_far_it_is_at_most_every_three_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, clock = Run(tmp_path / "run", "n1", "n2"), Clock()
    monkeypatch.setenv(PROGRESS_VARIABLE, str(run.begun("n1") / PROGRESS))
    (attempt,) = last_attempts(run.folder)
    with Progress(io.StringIO(), clock=clock) as progress:
        assert read_progress(attempt) is None
        progress.step(1, 40, "preparing matmul", {"matmul": (0, 4)})
        first = read_progress(attempt)
        assert first == NodeProgress(
            done=1, total=40, now="preparing matmul", cases={"matmul": (0, 4)}
        )
        clock.now = 2.9
        progress.step(3, 40, "round 1: matmul", {"matmul": (1, 4)})
        assert read_progress(attempt) == first
        clock.now = 3.0
        progress.step(4, 40, "round 2: matmul", {"matmul": (2, 4)})
        assert read_progress(attempt) != first


def test_disk_that_is_full_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "not there" / "progress.json"))
    with Progress(io.StringIO(), clock=Clock()) as progress:
        progress.step(1, 40, "preparing matmul")


def test_only_running_nodes_are_looked_at(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "n1", "n2", "n3", "n4")
    for node in run.folder.submitted.nodes:
        path = run.begun(node) / PROGRESS
        path.write_text('{"schema": "lab/progress/1", "done": 3, "total": 4, "now": "x"}')
    seen = progress_of(
        last_attempts(run.folder), {"n1": "done", "n2": "running", "n3": "pending", "n4": "lost"}
    )
    assert (seen.done, seen.running, seen.pending, seen.lost) == (["n1"], ["n2"], ["n3"], ["n4"])
    assert list(seen.at) == ["n2"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.binary(max_size=60))
def test_damaged_file_says_nothing(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    run = Run(tmp_path_factory.mktemp("x") / "run", "n1")
    (run.begun("n1") / PROGRESS).write_bytes(content)
    (attempt,) = last_attempts(run.folder)
    assert read_progress(attempt) is None
