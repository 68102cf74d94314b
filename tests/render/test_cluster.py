"""The nodes of a cluster as text."""

from pathlib import Path

import pytest

from lab.cluster.look import Jobs
from lab.cluster.merge import merge
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run, case, environment, report

FOUR = ("n1", "n2", "n3", "n4")
NONE = Jobs()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", *FOUR)


def test_text_names_the_slow_the_missing_and_the_odd(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case()))
    run.done("n4", report(case(5e-3), where=environment(cpus=0.2)))
    run.done("n4", report(case(5e-3)), purpose="recheck")
    text = cluster_text(merge(run.folder, NONE), width=100)
    assert "4 of 4 nodes ok; slow: n4" in text
    assert "n4 straggler: matmul 256 takes 5.00 times as long" in text
    assert "likely cause: a limit on its processors" in text
    assert "n4 differs: cgroup.cpus is 0.2, of most none" in text


def test_text_of_nodes_without_figures_can_be_written(run: Run) -> None:
    text = cluster_text(merge(run.folder, NONE), width=40)
    assert "0 of 4 nodes ok" in text
    assert "n1 never_started: " in text
