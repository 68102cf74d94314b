"""Nodes with several GPUs: the slowest of them is the node's figure, and is named with a cause."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lab.cluster.look import Jobs, look_at
from lab.cluster.merge import merge
from lab.cluster.slurm import Job
from lab.cluster.states import phase_of
from lab.records.bench import BenchReport, Environment, GpuFacts, Telemetry
from lab.records.cluster import ClusterReport, Node
from lab.records.doctor import Finding
from lab.records.gpu import Gpu, GpuReport, Wheel
from lab.records.save import save, to_json
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run, case, report

FOUR = ("n1", "n2", "n3", "n4")
BUSY = Telemetry(
    samples=9, sm_clock_hz_median=1.755e9, power_w_median=650.0, temperature_c_max=62.0,
    throttle_reasons=["sw_power_cap"], pcie_generation=5, pcie_width=16,
)  # fmt: skip


def measured(
    time_s: float | None = 1e-3, *, index: int = 0, limit_w: float = 700.0, name: str = "matmul",
    seen: Telemetry = BUSY,
) -> BenchReport:  # fmt: skip
    """A run of `bench` on one GPU."""
    facts = GpuFacts(name="H100", uuid=f"GPU-{index}", driver="580.65.06", power_limit_w=limit_w)
    own = replace(case(time_s, name=name, clock_hz=None), device="cuda", telemetry=[seen, seen])
    return report(own, where=Environment(host="n", engine="host", gpu=facts))


def read(**findings: str) -> GpuReport:
    """What NVML says of two GPUs in the end, of which the second has something."""
    reasons = [
        Finding(name=name, status="fail", seen=seen, why="w", next="n")
        for name, seen in findings.items()
    ]
    gpus = [Gpu(index=0, uuid="GPU-0"), Gpu(index=1, uuid="GPU-1", reasons=reasons)]
    return GpuReport(
        read_utc="2026-11-27T10:00:00+00:00", place="host", host="n", verdict="ok", gpus=gpus,
        driver_version="580.65.06", wheel=Wheel(cuda_version="13.0", architectures=[]),
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", *FOUR)


def done(run: Run, node: str, *gpus: BenchReport | None, last: GpuReport | None = None,
         **values: Any) -> None:  # fmt: skip
    """A node whose script measured each of its GPUs; None is one that ended without a result."""
    folder = run.begun(node, **values)
    for number, own in enumerate(gpus):
        (folder / f"cuda-{number}").mkdir()
        if own is not None:
            save(to_json(own, compact=True), folder / f"cuda-{number}" / "result.json")
    if last is not None:
        save(to_json(last), folder / "gpu.json")
    (folder / "ended").touch()


def slow_node(run: Run, second: BenchReport, last: GpuReport | None = None) -> Node:
    """Three nodes that are well, and one whose second GPU is this one, in two runs."""
    for node in FOUR[:3]:
        done(run, node, measured(name=second.cases[0].name), measured(name=second.cases[0].name))
    for purpose in ("first", "recheck"):
        first = measured(name=second.cases[0].name)
        done(run, "n4", first, second, last=last, purpose=purpose)
    found = merge(run.folder, Jobs())
    assert [node.verdict for node in found.nodes[:3]] == ["ok"] * 3
    return found.nodes[3]


def test_slowest_gpu_of_a_node_is_its_figure_and_is_named(run: Run) -> None:
    node = slow_node(run, measured(1.3e-3, index=1))
    assert (node.state, node.verdict) == ("ok", "straggler")
    assert (node.cases[0].device, node.cases[0].time_s) == ("cuda:1", pytest.approx(1.3e-3))
    assert node.reasons[0] == "matmul 256 on cuda:1 takes 1.30 times as long as on the others"
    assert (node.file, node.further_files) == (
        "nodes/n4/1/cuda-0/result.json", ["nodes/n4/1/cuda-1/result.json"],
    )  # fmt: skip


def slow(name: str = "matmul", **seen: Any) -> BenchReport:
    """A GPU that takes twice as long, of which NVML says this."""
    return measured(2e-3, index=1, name=name, seen=replace(BUSY, **seen))


@pytest.mark.parametrize(
    ("second", "cause", "words"),
    [
        (slow(), "unexplained", "nothing else"),
        (slow(sm_clock_hz_median=1.2e9), "clock", "1200 MHz, the others' at 1755 MHz"),
        (slow(sm_clock_hz_median=9e8, temperature_c_max=91.0,
              throttle_reasons=["hw_thermal_slowdown"]),
         "temperature", "at 91 °C, the others at 62 °C"),
        (slow(throttle_reasons=["hw_power_brake_slowdown"]), "power", "hw_power_brake_slowdown"),
        (slow(pcie_width=8), "link", "8 lanes, the others' 16"),
        (measured(2e-3, index=1, limit_w=350.0), "power", "350 W, the others' 700 W"),
        (slow("transfer", pcie_generation=1, sm_clock_hz_median=1e9), "link", "1 as its"),
        # Others are capped as well: that is no cause.
        (slow(throttle_reasons=["sw_power_cap"]), "unexplained", "nothing else"),
    ],
)  # fmt: skip
def test_cause_is_what_nvml_said_while_it_was_slow(
    run: Run, second: BenchReport, cause: str, words: str
) -> None:
    node = slow_node(run, second)
    assert node.cause == cause
    assert words in node.reasons[-1]


def test_what_holds_all_nodes_back_is_no_cause_for_one(run: Run) -> None:
    hot = replace(BUSY, throttle_reasons=["sw_thermal_slowdown"])
    for node in FOUR[:3]:
        done(run, node, measured(seen=hot), measured(index=1, seen=hot))
    for purpose in ("first", "recheck"):
        done(run, "n4", measured(seen=hot), measured(2e-3, index=1, seen=hot), purpose=purpose)
    assert merge(run.folder, Jobs()).nodes[3].cause == "unexplained"


@pytest.mark.parametrize(
    ("finding", "cause"),
    [("ecc_uncorrected", "ecc"), ("remapped_rows", "ecc"), ("pcie_link", "link"),
     ("nvlink", "link"), ("fan", "temperature"), ("hw_power_brake_slowdown", "power")],
)  # fmt: skip
def test_cause_is_what_inv_gpu_finds_on_that_gpu(run: Run, finding: str, cause: str) -> None:
    node = slow_node(run, measured(2e-3, index=1), read(**{finding: "something is wrong"}))
    assert node.cause == cause
    assert node.reasons[-1] == "cuda:1: something is wrong"


def test_finding_on_another_gpu_is_no_cause(run: Run) -> None:
    for node in FOUR[:3]:
        done(run, node, measured(), measured(index=1))
    for purpose in ("first", "recheck"):
        last = read(ecc_uncorrected="2 errors")
        done(run, "n4", measured(2e-3), measured(index=1), last=last, purpose=purpose)
    assert merge(run.folder, Jobs()).nodes[3].cause == "unexplained"


def found(run: Run) -> ClusterReport:
    return merge(run.folder, Jobs())


def test_gpu_without_a_result_makes_its_node_partial(run: Run) -> None:
    for node in FOUR[:3]:
        done(run, node, measured(), measured(index=1))
    done(run, "n4", measured(), None)
    node = found(run).nodes[3]
    assert (node.state, node.verdict) == ("partial", "ok")
    assert node.reasons == ["cuda:1 has no result"]


def test_case_that_one_gpu_lacks_makes_its_node_partial(run: Run) -> None:
    for node in FOUR[:3]:
        done(run, node, measured(), measured(index=1))
    done(run, "n4", measured(), measured(None, index=1))
    node = found(run).nodes[3]
    assert (node.state, node.cases[0].device) == ("partial", "cuda:0")
    assert node.reasons[0].startswith("matmul on cuda:1 has no figure")


def test_node_is_not_done_before_all_of_its_gpus_are(run: Run) -> None:
    folder = run.begun("n1")
    for part in ("cuda-0", "cuda-1"):
        (folder / part).mkdir()
    (attempt,) = run.folder.attempts()["n1"]
    assert not attempt.done
    save(to_json(measured()), folder / "cuda-0" / "result.json")
    assert not attempt.done
    save(to_json(measured()), folder / "cuda-1" / "result.json")
    assert attempt.done


def test_node_is_at_work_until_its_gpus_are_read(run: Run) -> None:
    """What says why one is slow comes last."""
    done(run, "n1", measured(), measured(index=1))
    (attempt,) = run.folder.attempts()["n1"]
    (attempt.folder / "ended").unlink()

    def phase(state: str) -> str:
        jobs = Jobs(known={("n1", 1): Job(id="1", state=state)})
        return phase_of(look_at(attempt, jobs, read=False))

    assert (phase("RUNNING"), phase("TIMEOUT"), attempt.more_to_come) == ("running", "done", True)
    save(to_json(read()), attempt.folder / "gpu.json")
    assert (phase("RUNNING"), attempt.more_to_come) == ("done", False)


def test_gpu_that_is_set_up_otherwise_makes_its_node_odd(run: Run) -> None:
    for node in FOUR[:3]:
        done(run, node, measured(), measured(index=1))
    done(run, "n4", measured(), measured(index=1, limit_w=350.0))
    odd = found(run).odd_ones_out
    assert [(o.node, o.field, o.value, o.usual) for o in odd] == [
        ("n4", "gpu.power_limit_w", "1 with 350, 1 with 700", "700")
    ]
    assert "n4 differs: gpu.power_limit_w" in cluster_text(found(run), width=100)


def test_node_of_which_nvml_was_not_asked_is_not_odd_for_that(run: Run) -> None:
    for node in FOUR[:3]:
        done(run, node, measured(), measured(index=1), last=read())
    done(run, "n4", measured(), measured(index=1))
    assert found(run).odd_ones_out == []
