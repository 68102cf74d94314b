"""A real Slurm with four nodes, and the command line on it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine, Result, wait_for

FOUR = ["n1", "n2", "n3", "n4"]
# The nodes share two cores with whatever else this machine does: one after the other, and what is
# less than 2.5 times as slow is the machine's doing.
SITE = '[cluster]\npartition = "main"\nparallel = 1\nfloor_percent = 150\n'
Control = Callable[..., None]


@pytest.fixture
def control() -> Iterator[Control]:
    """Slows nodes down and crashes them; afterwards all are as before."""
    script = os.environ["TEST_CLUSTER"]

    def call(*words: str) -> None:
        subprocess.run([script, *words], check=True, capture_output=True, timeout=120)

    yield call
    for node in FOUR:
        call("start", node)
        call("slow", node, "0")
    wait_for(lambda: node_states() == {"idle"}, "all nodes to be idle")


def node_states() -> set[str]:
    asked = ["sinfo", "--noheader", "--Node", "--format=%T"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(SITE)
    return tmp_path / "results of runs"


@pytest.fixture
def command(state: Path, results: Path) -> Iterator[CommandLine]:
    """The command line with a site's file; whatever a test leaves in Slurm is cancelled."""
    yield CommandLine(
        state=state,
        env={"LAB_RESULTS": str(results), "LAB_CLUSTER": str(results.parent / "cluster.toml")},
    )
    for run in results.glob("cluster-*"):
        subprocess.run(["scancel", f"--name={run.name}"], check=False, timeout=60)
        wait_for(lambda: not queue_of(run.name), "its jobs to end")  # noqa: B023 - called at once


def queue_of(run: str, form: str = "%i %T") -> str:
    asked = ["squeue", "--noheader", f"--name={run}", f"--format={form}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def nodes(result: Result) -> dict[str, Any]:
    document = json.loads(result.out)
    assert document["schema"] == "lab/cluster/1", result.err
    return {node["name"]: node for node in document["nodes"]}


def states(result: Result) -> dict[str, str]:
    return {name: node["state"] for name, node in nodes(result).items()}


def named(result: Result) -> list[str]:
    return [name for name, node in nodes(result).items() if node["verdict"] != "ok"]
