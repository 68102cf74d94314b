"""On a real Slurm with four nodes: who is slow is named, who is lost too, and nothing else is
lost."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine, Result, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.host]

FOUR = ["n1", "n2", "n3", "n4"]
CASE = ("--only", "matmul", "--size", "256", "--dtype", "float32", "--threads", "1", "--quick")
BENCH = ("bench", "--device", "cpu", *CASE)
SHORT = (*BENCH, "--budget", "8")
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
    wait_for(lambda: _states() == {"idle"}, "all nodes to be idle")


def _states() -> set[str]:
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
        wait_for(lambda: not _queue(run.name), "its jobs to end")  # noqa: B023 - called at once


def _queue(run: str) -> str:
    asked = ["squeue", "--noheader", f"--name={run}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def nodes(result: Result) -> dict[str, Any]:
    document = json.loads(result.out)
    assert document["schema"] == "lab/cluster/1", result.err
    return {node["name"]: node for node in document["nodes"]}


def states(result: Result) -> dict[str, str]:
    return {name: node["state"] for name, node in nodes(result).items()}


def named(result: Result) -> list[str]:
    return [name for name, node in nodes(result).items() if node["verdict"] != "ok"]


def begun(folder: Path, node: str) -> Callable[[], bool]:
    return lambda: (folder / "nodes" / node / "1" / "begun").exists()


def submitted(command: CommandLine, results: Path, *words: str) -> Path:
    """A run that was submitted and left alone; the folder that it has."""
    done = command(*SHORT, *words, "--no-wait")
    assert done.code == 0, done.err
    folder = results / done.out.strip()
    assert folder.is_dir()
    return folder


def test_where_none_is_slow_nobody_is_named(command: CommandLine, control: Control) -> None:
    done = command(*SHORT, "--nodes", "all", "--json")
    assert states(done) == dict.fromkeys(FOUR, "ok")
    assert named(done) == []
    assert done.code == 0
    document = json.loads(done.out)
    assert document["complete"] is True
    assert document["cases"][0]["nodes"] == 4
    for node in document["nodes"]:
        own = json.loads((Path(document["folder"]) / node["file"]).read_text())
        assert own["schema"] == "lab/bench/1"
        assert own["environment"]["host"] == node["name"]
    assert json.loads((Path(document["folder"]) / "cluster.json").read_text()) == document


def test_node_that_is_slow_is_named_and_no_other(command: CommandLine, control: Control) -> None:
    control("slow", "n2", "20")
    done = command(*BENCH, "--budget", "16", "--nodes", "4", "--json")
    assert states(done) == dict.fromkeys(FOUR, "ok")
    assert named(done) == ["n2"]
    assert done.code == 3
    slow = nodes(done)["n2"]
    assert slow["verdict"] == "straggler"
    assert slow["cause"] in ("cpu_limit", "cpu_contention")
    assert slow["recheck_file"]
    assert slow["cases"][0]["ratio"] > 2.5
    odd = {(odd["node"], odd["field"]) for odd in json.loads(done.out)["odd_ones_out"]}
    assert ("n2", "cgroup.cpus") in odd
    assert {node for node, _ in odd} == {"n2"}


def test_node_that_crashes_costs_its_own_figures_and_can_be_run_again(
    command: CommandLine, control: Control, results: Path
) -> None:
    folder = submitted(command, results, "--nodes", "n[1-4]", "--parallel", "2")
    wait_for(begun(folder, "n1"), "the job of n1")
    control("crash", "n1")
    done = command("bench", "--collect", folder.name, "--json")
    assert states(done) == {"n1": "lost", "n2": "ok", "n3": "ok", "n4": "ok"}
    assert "the node failed" in nodes(done)["n1"]["reasons"][0]
    assert nodes(done)["n1"]["verdict"] == "unknown"
    assert done.code == 3
    control("start", "n1")
    wait_for(lambda: _states() == {"idle"}, "the node to be back")
    again = command("bench", "--retry", str(folder), "--json")
    assert states(again) == dict.fromkeys(FOUR, "ok")
    assert len(nodes(again)["n1"]["jobs"]) == 2
    assert len(nodes(again)["n2"]["jobs"]) == 1


def test_ctrl_c_leaves_the_jobs_and_cancelled_ones_are_named(
    command: CommandLine, control: Control, results: Path
) -> None:
    process = command.begin(*SHORT, "--nodes", "n[1-4]")
    wait_for(lambda: [*results.glob("cluster-*/nodes/n1/1/begun")], "the job of n1")
    (folder,) = results.glob("cluster-*")
    wait_for(lambda: len(_jobs(folder)) == 4, "all jobs to be submitted")
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 2
    assert f"./inv bench --collect {folder.name}" in said
    assert "Traceback" not in said
    jobs = _jobs(folder)
    subprocess.run(["scancel", jobs["n1"], jobs["n3"]], check=True, timeout=60)
    done = command("bench", "--collect", folder.name, "--json")
    assert states(done) == {"n1": "lost", "n2": "ok", "n3": "never_started", "n4": "ok"}
    assert "cancelled" in nodes(done)["n1"]["reasons"][0]
    assert "cancelled" in nodes(done)["n3"]["reasons"][0]
    assert done.code == 3


def _jobs(folder: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (folder / "jobs.jsonl").read_text().split("\n") if line]
    return {line["node"]: line["job"] for line in lines if line["job"]}


def test_run_whose_client_is_killed_is_collected_later(
    command: CommandLine, control: Control, results: Path
) -> None:
    process = command.begin(*SHORT, "--nodes", "3")
    wait_for(lambda: [*results.glob("cluster-*/nodes/n1/1/begun")], "the job of n1")
    (folder,) = results.glob("cluster-*")
    wait_for(lambda: len(_jobs(folder)) == 3, "all jobs to be submitted")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    meanwhile = command("bench", "--collect", folder.name, "--no-wait", "--json")
    assert json.loads(meanwhile.out)["complete"] is False
    assert "waits" in nodes(meanwhile)["n3"]["reasons"][0]
    done = command("bench", "--collect", folder.name, "--json")
    assert states(done) == dict.fromkeys(FOUR[:3], "ok")
    assert done.code == 0, done.out


def test_node_that_was_drained_before_is_named_and_nobody_waits_for_it(
    command: CommandLine, control: Control
) -> None:
    update = ["scontrol", "update", "nodename=n4"]
    subprocess.run([*update, "state=drain", "reason=bad disk"], check=True, timeout=60)
    try:
        done = command(*SHORT, "--nodes", "n[3-4]", "--json")
    finally:
        subprocess.run([*update, "state=resume"], check=True, timeout=60)
    assert states(done) == {"n3": "ok", "n4": "never_started"}
    assert "bad disk" in nodes(done)["n4"]["reasons"][0]
    assert done.code == 3


def test_what_slurm_refuses_is_an_error_with_its_reason(command: CommandLine) -> None:
    done = command(*SHORT, "--nodes", "2", "--time", "1-0", "--constraint", "nothing")
    assert done.code == 2
    done = command(*SHORT, "--nodes", "n1", "--constraint", "nothing")
    assert done.code == 2
    assert "Slurm took none of the jobs." in done.err
    assert "Traceback" not in done.err
