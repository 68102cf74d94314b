"""On a real Slurm with four nodes: who is slow is named, who is lost too, and nothing else is
lost."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cluster.batch import PROGRESS
from tests.cluster.conftest import FOUR, Control, named, node_states, nodes, states
from tests.conftest import CommandLine, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.host]

CASE = ("--only", "matmul", "--size", "256", "--dtype", "float32", "--threads", "1", "--quick")
BENCH = ("bench", "--device", "cpu", *CASE)
SHORT = (*BENCH, "--budget", "8", "--no-network")


def begun(folder: Path, node: str) -> Callable[[], bool]:
    return lambda: (folder / "nodes" / node / "1" / "begun").exists()


def submitted(command: CommandLine, results: Path, *words: str) -> Path:
    """A run that was submitted and left alone; the folder that it has."""
    done = command(*SHORT, *words, "--no-wait")
    assert done.code == 0, done.err
    folder = results / done.out.strip()
    assert folder.is_dir()
    return folder


def test_where_none_is_slow_nobody_is_named(
    command: CommandLine, control: Control, tmp_path: Path
) -> None:
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
        last = json.loads((Path(document["folder"]) / node["file"]).with_name(PROGRESS).read_text())
        assert last["cases"] in ({"matmul": [0, 1]}, {"matmul": [1, 1]})
    assert json.loads((Path(document["folder"]) / "cluster.json").read_text()) == document
    # Beside itself nothing changed; its page leads to the four nodes' own.
    itself, page = document["folder"], tmp_path / "nodes.html"
    again = command("bench", "--collect", itself, "--reference", itself, "--report", str(page))
    assert again.code == 0, again.err
    assert "slower: none" in again.out
    for node in FOUR:
        assert f'<a href="nodes_files/{node}.html">{node}</a>' in page.read_text()
        assert (tmp_path / "nodes_files" / f"{node}.html").read_text().startswith("<!DOCTYPE html>")


def test_node_that_is_slow_is_named_and_no_other(command: CommandLine, control: Control) -> None:
    control("slow", "n2", "20")
    done = command(*BENCH, "--budget", "16", "--nodes", "4", "--no-network", "--json")
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
    wait_for(lambda: node_states() == {"idle"}, "the node to be back")
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


def test_what_slurm_refuses_is_an_error_with_its_reason(command: CommandLine) -> None:
    done = command(*SHORT, "--nodes", "2", "--time", "1-0", "--constraint", "nothing")
    assert done.code == 2
    done = command(*SHORT, "--nodes", "n1", "--constraint", "nothing")
    assert done.code == 2
    assert "Slurm took none of the jobs." in done.err
    assert "Traceback" not in done.err
