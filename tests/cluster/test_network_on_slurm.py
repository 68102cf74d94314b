"""Between the nodes of a real Slurm: figures, and who it was where a rank or a node is lost."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.cluster.batch import BatchRequest
from lab.cluster.network_batch import network_script
from lab.cluster.network_folder import plan_network
from lab.cluster_network import RANK_WORDS
from lab.records.network import NetworkOrder
from tests.cluster.conftest import FOUR, Control
from tests.cluster.samples import Run, case, report
from tests.conftest import ROOT, CommandLine, Result, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.host]

# The nodes share two cores: what is less than ten times as slow is the machine's doing.
_FLOOR = 900.0


@pytest.fixture
def run(state: Path, tmp_path: Path) -> Iterator[Callable[[float], Path]]:
    """A run whose nodes are measured already, and whose network is still to be; as a client that
    was killed leaves it."""
    found: list[str] = []

    def make(budget_s: float) -> Path:
        made = Run(tmp_path / "run of four", *FOUR, floor_percent=_FLOOR)
        for node in FOUR:
            made.done(node, report(case()))
        found.append(made.folder.name)
        order = NetworkOrder(
            device="cpu", sizes_bytes=[1 << 10, 1 << 20], pair_bytes=1 << 18, budget_s=budget_s,
            seed=1,
        )  # fmt: skip
        request = BatchRequest(
            name=made.folder.name, folder=made.folder.path, clone=ROOT, state=state,
            words=(*RANK_WORDS, "--engine", "host", "--device", "cpu"), partition="main",
        )  # fmt: skip
        plan_network(made.folder, order, network_script(request, order.patience_s))
        return made.folder.path

    yield make
    for name in found:
        subprocess.run(["scancel", f"--name={name}"], check=False, timeout=60)


def network(result: Result) -> dict[str, Any]:
    document = json.loads(result.out)
    assert document["schema"] == "lab/cluster/1", result.err
    found: dict[str, Any] = document["network"]
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {rank["node"]: rank["state"] for rank in found["ranks"]}


def measuring(folder: Path, node: str) -> Callable[[], bool]:
    """Whether it has measured one collective, and is at another one."""
    steps = folder / "network" / "1" / f"{node}-0.jsonl"
    begins = ('"step":"all_', '"step":"send_')
    return lambda: steps.exists() and sum(map(steps.read_text().count, begins)) > 1


def process_of(node: str) -> int:
    """The rank of a node, as this machine numbers it."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            variables = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"lab.network.rank" in words and f"SLURMD_NODENAME={node}".encode() in variables:
            return int(path.name)
    raise AssertionError(f"no rank on {node}")


def collect(inv: CommandLine, folder: Path, *, retry: bool = False) -> Result:
    return inv("bench", "--retry" if retry else "--collect", str(folder), "--json")


def test_rank_that_is_killed_is_named_and_a_retry_measures_everything_once_more(
    state: Path, run: Callable[[float], Path]
) -> None:
    inv, folder = CommandLine(state=state), run(300.0)
    shown = inv("bench", "--collect", str(folder), "--no-wait", "--json")
    assert network(shown)["state"] == "never_started"
    assert shown.code == 3
    # Whoever collects submits it, where nobody has.
    client = inv.begin("bench", "--collect", str(folder), "--json")
    wait_for(measuring(folder, "n3"), "the ranks to measure", timeout_s=180)
    os.kill(process_of("n3"), signal.SIGKILL)
    said = client.communicate(timeout=120)[0]
    assert client.returncode == 3, said
    found = json.loads((folder / "cluster.json").read_text())["network"]
    assert states(found) == {"n1": "cut_off", "n2": "cut_off", "n3": "lost", "n4": "cut_off"}
    (reason,) = found["reasons"]
    assert reason.startswith("n3: its process ended without a word, at ")
    assert found["collectives"]
    shorten(folder)
    whole = network(collect(inv, folder, retry=True))
    assert len(whole["jobs"]) == 2
    check_figures(whole)
    own = json.loads((folder / whole["ranks"][2]["file"]).read_text())
    assert (own["schema"], own["node"], own["rank"]) == ("lab/network-rank/1", "n3", 2)
    # What is complete is not submitted again.
    again = collect(inv, folder)
    assert (again.code, network(again)) == (0, whole)


def check_figures(found: dict[str, Any]) -> None:
    assert (found["state"], found["reasons"], found["backend"]) == ("ok", [], "gloo")
    assert states(found) == dict.fromkeys(FOUR, "ok")
    factors = {"all_reduce": 1.5, "all_gather": 0.75, "send_recv": 1.0}
    assert len(found["collectives"]) == 6
    for each in found["collectives"]:
        assert each["algorithm_bytes_per_s"] == pytest.approx(each["size_bytes"] / each["time_s"])
        ratio = each["bus_bytes_per_s"] / each["algorithm_bytes_per_s"]
        assert ratio == pytest.approx(factors[each["name"]])
    assert len(found["pairs"]) == 6
    for pair in found["pairs"]:
        assert pair["latency_s"] > 0
        assert pair["bytes_per_s"] == pytest.approx((1 << 18) / pair["time_s"])


def shorten(folder: Path) -> None:
    """Give the next attempt little time."""
    path = folder / "network" / "order.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "budget_s": 2.0}))


def test_node_that_crashes_is_named(
    state: Path, run: Callable[[float], Path], control: Control
) -> None:
    inv, folder = CommandLine(state=state), run(300.0)
    client = inv.begin("bench", "--collect", str(folder), "--json")
    wait_for(measuring(folder, "n2"), "the ranks to measure", timeout_s=180)
    control("crash", "n2")
    said = client.communicate(timeout=180)[0]
    assert client.returncode == 3, said
    found = json.loads((folder / "cluster.json").read_text())["network"]
    assert found["state"] == "lost"
    assert [each.partition(":")[0] for each in found["reasons"]] == ["n2"]


def test_all_reduce_takes_as_long_as_in_a_plain_loop(state: Path, tmp_path: Path) -> None:
    """Both in one run of the benchmark, in turns; chance makes a size differ, but not twice."""
    twice = differing(state, tmp_path / "first")
    if twice:
        twice &= differing(state, tmp_path / "second")
    assert not twice


def differing(state: Path, folder: Path) -> set[str]:
    """The sizes at which the two differ by more than the noise of the run."""
    folder.mkdir()
    script = ROOT / "benchmarks" / "collectives.py"
    words = f"python '{script}' . --largest {1 << 20} --rounds 12 --seconds 3"
    done = subprocess.run(
        ["srun", "--nodes=4", "--ntasks-per-node=1", "--cpu-bind=none", "--time=5", "./inv",
         "shell", "--engine", "host", "--device", "cpu", "--work", str(folder), "--command", words],
        cwd=ROOT, env={**os.environ, "LAB_STATE": str(state)}, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[2:]]
    sizes = {" ".join(words.split()[:2]): verdict for words, verdict in lines}
    assert list(sizes) == ["1 KiB", "64 KiB", "1 MiB"], done.stderr
    return {size for size, verdict in sizes.items() if verdict == "DIFFERS"}
