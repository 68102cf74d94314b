"""Faults of a real Slurm: the others' results are complete, and what is missing is named.

Each node reads the GPUs of a simulated driver, which costs the machine that the four share next to
nothing; a driver that answers late holds a node's script for as long as a fault needs.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Control, nodes, queue_of, states
from tests.conftest import CommandLine, wait_for
from tests.nvml import scenarios

pytestmark = [pytest.mark.cluster, pytest.mark.host, pytest.mark.driver]

GPU = ("gpu", "--deadline", "100")
# On a node's own disk, where every node can have another one.
SCENARIO = "/dev/shm/nvml-scenario.json"


# What one node computes otherwise than the others: the derivative of a sum.
WRONG_ON_N2 = """
import socket
import torch
from lab.autograd import check_inputs

@check_inputs((3,))
def total(x):
    return x.sum()

def gradient(x):
    return torch.full_like(x, -1.0 if socket.gethostname() == "n2" else 1.0)

pair = (total, gradient)
"""


def late(seconds: float, count: int = 1) -> dict[str, Any]:
    """A driver that answers late, and then that all is well."""
    return scenarios.healthy(count) | {"calls": {"nvmlInit": {"latency_ms": 1000 * seconds}}}


Put = Callable[..., None]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Puts a machine behind the driver of each node."""

    def call(**machines: dict[str, Any]) -> None:
        for node, machine in machines.items():
            (tmp_path / f"{node}.json").write_text(json.dumps(machine))
        copy = f'cp "{tmp_path}/$SLURMD_NODENAME.json" {SCENARIO}'
        subprocess.run(
            ["srun", f"--nodelist={','.join(machines)}", f"--nodes={len(machines)}", "--quiet",
             "sh", "-c", copy],
            check=True, timeout=120,
        )  # fmt: skip

    return call


@pytest.fixture
def gpu(command: CommandLine, nvml_library: Path, results: Path) -> CommandLine:
    """The command line, whose jobs see the simulated driver, as many at once as there are."""
    (results.parent / "cluster.toml").write_text('[cluster]\npartition = "main"\n')
    driver = {"LD_LIBRARY_PATH": str(nvml_library.parent), "NVML_SCENARIO": SCENARIO}
    command.env.update(driver)
    return command


def begun(folder: Path, *names: str) -> Callable[[], bool]:
    return lambda: all((folder / "nodes" / node / "1" / "begun").exists() for node in names)


def only_run(results: Path) -> Path:
    (folder,) = results.glob("cluster-*")
    return folder


def test_sick_gpu_is_named_with_its_node_and_no_other(
    gpu: CommandLine, put: Put, control: Control
) -> None:
    sick, odd = scenarios.healthy(2), scenarios.healthy(2)
    sick["gpus"][1]["RemappedRows"] = {"corrected": 0, "uncorrected": 5, "pending": 0, "failure": 1}
    odd["gpus"][0]["VbiosVersion"] = odd["gpus"][1]["VbiosVersion"] = "95.00"
    put(n1=scenarios.healthy(2), n2=scenarios.healthy(2), n3=sick, n4=odd)
    done = gpu(*GPU, "--nodes", "all", "--json")
    assert done.code == 3
    document = json.loads(done.out)
    assert document["kind"] == "gpu"
    assert [(n["name"], n["state"], n["verdict"]) for n in document["nodes"]] == [
        ("n3", "ok", "fail"), ("n1", "ok", "ok"), ("n2", "ok", "ok"), ("n4", "ok", "ok"),
    ]  # fmt: skip
    worst = document["nodes"][0]
    assert [(g["index"], g["verdict"]) for g in worst["gpus"]] == [(1, "fail"), (0, "ok")]
    assert worst["reasons"][0].startswith("GPU 1 fail: a defective row")
    assert {(odd["node"], odd["field"]) for odd in document["odd_ones_out"]} == {
        ("n4", "gpu.vbios_version")
    }


def test_node_whose_arithmetic_is_wrong_is_named(
    gpu: CommandLine, control: Control, tmp_path: Path
) -> None:
    (tmp_path / "loss.py").write_text(WRONG_ON_N2)
    done = gpu(
        "autograd", "--nodes", "n[1-2]", "--chunk", "2", "--device", "cpu", "--language", "en",
        "--target", f"{tmp_path}/loss.py:pair", "--json",
    )  # fmt: skip
    assert states(done) == {"n1": "ok", "n2": "ok"}, done.err
    right, wrong = nodes(done).values()
    assert (right["verdict"], right["checks"], right["findings"]) == ("ok", 1, [])
    assert wrong["verdict"] == "wrong"
    (finding,) = wrong["findings"]
    assert (finding["causes"], finding["elsewhere"]) == (["wrong_sign"], 0)
    assert done.code == 3


def test_chunk_whose_batch_host_crashes_and_of_which_a_node_was_drained(
    gpu: CommandLine, put: Put, control: Control, results: Path
) -> None:
    """Slurm leaves the job RUNNING, with the nodes that it still has."""
    put(n1=late(8), n2=late(8), n3=late(8))
    update = ["scontrol", "update", "nodename=n4"]
    subprocess.run([*update, "state=drain", "reason=bad disk"], check=True, timeout=60)
    try:
        submitted = gpu(*GPU, "--nodes", "all", "--chunk", "4", "--no-wait")
        folder = results / submitted.out.strip()
        wait_for(begun(folder, "n1", "n2", "n3"), "the job of three nodes")
        control("crash", "n1")
        done = gpu("gpu", "--collect", folder.name, "--json")
    finally:
        subprocess.run([*update, "state=resume"], check=True, timeout=60)
    assert states(done) == {
        "n1": "lost", "n2": "ok", "n3": "ok", "n4": "never_started"
    }, done.err  # fmt: skip
    assert nodes(done)["n1"]["reasons"] == ["the node failed, after it began and before it had a"
                                            " result"]  # fmt: skip
    assert nodes(done)["n4"]["reasons"] == ["the node is drained: bad disk"]
    assert nodes(done)["n2"]["jobs"] == nodes(done)["n1"]["jobs"]
    assert done.code == 3
    assert "lost n1 and does not end: it is cancelled" in done.err
    wait_for(lambda: not queue_of(folder.name), "the job to be gone")


def test_few_jobs_in_the_queue_and_a_killed_client_and_jobs_that_are_ended(
    gpu: CommandLine, put: Put, control: Control, results: Path
) -> None:
    """One is cancelled and the time of one is up while nobody follows; whoever collects later
    submits the rest."""
    put(n1=late(60), n2=late(60), n3=scenarios.healthy(1), n4=scenarios.healthy(1))
    process = gpu.begin(*GPU, "--nodes", "n[1-4]", "--max-submit", "2")
    wait_for(lambda: [*results.glob("cluster-*/nodes/n2/1/begun")], "the second job")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    folder = only_run(results)
    first, second = (
        (folder / "nodes" / node / "1" / "begun").read_text().strip() for node in ("n1", "n2")
    )
    assert sorted(queue_of(folder.name, "%i").split()) == sorted([first, second])
    meanwhile = gpu("gpu", "--collect", folder.name, "--no-wait", "--json")
    assert json.loads(meanwhile.out)["complete"] is False
    assert nodes(meanwhile)["n3"]["reasons"] == ["it is not submitted yet"]
    subprocess.run(["scancel", first], check=True, timeout=60)
    subprocess.run(["scontrol", "update", f"jobid={second}", "endtime=now"], check=True, timeout=60)
    done = gpu("gpu", "--collect", folder.name, "--json")
    assert states(done) == {"n1": "lost", "n2": "lost", "n3": "ok", "n4": "ok"}
    assert "its job was cancelled" in nodes(done)["n1"]["reasons"][0]
    assert "the time of its job was up" in nodes(done)["n2"]["reasons"][0]
    assert done.code == 3
