"""What is made of the GPUs' verdicts of many nodes."""

from pathlib import Path
from typing import Any

import pytest

from lab.cluster.look import Jobs
from lab.cluster.merge import merge
from lab.cluster.slurm import Job
from lab.records.cluster import ClusterReport
from lab.records.doctor import Finding
from lab.records.gpu import Gpu, GpuReport, Wheel
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run

FOUR = ("n1", "n2", "n3", "n4")


def gpu(index: int = 0, verdict: str = "ok", seen: str = "", **values: Any) -> Gpu:
    reasons = [Finding(name="x", status="warn", seen=seen, why="w", next="n")] if seen else []
    return Gpu(
        index=index, uuid=f"GPU-{index}", name="H100", verdict=verdict,  # type: ignore[arg-type]
        reasons=reasons, **{"power_limit_w": 700.0, "vbios_version": "96.1", **values},
    )  # fmt: skip


def told(*gpus: Gpu, driver: str = "580.65.06", verdict: str = "ok") -> GpuReport:
    return GpuReport(
        read_utc="2026-11-27T10:00:00+00:00", place="host", host="n", driver_version=driver,
        verdict=verdict, gpus=list(gpus), wheel=Wheel(cuda_version="13.0", architectures=[]),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", *FOUR, kind="gpu")


def found(run: Run, **states: str) -> ClusterReport:
    known = {(node, 1): Job(id="1", state=state) for node, state in states.items()}
    return merge(run.folder, Jobs(known=known))


def test_nodes_with_a_sick_gpu_come_first_and_say_which(run: Run) -> None:
    run.done("n1", told(gpu(0), gpu(1)))
    run.done("n2", told(gpu(0), gpu(1, "warn", "a link is narrow"), verdict="warn"))
    run.done("n3", told(gpu(0), gpu(1, "fail", "the GPU is lost"), verdict="fail"))
    run.done("n4", told(gpu(0), gpu(1)))
    report = found(run)
    assert [(node.name, node.verdict) for node in report.nodes] == [
        ("n3", "fail"), ("n2", "warn"), ("n1", "ok"), ("n4", "ok"),
    ]  # fmt: skip
    assert report.nodes[0].reasons == ["GPU 1 fail: the GPU is lost"]
    assert [g.index for g in report.nodes[0].gpus] == [1, 0]
    text = cluster_text(report, width=100)
    assert "4 of 4 nodes ok; not well: n3" in text
    assert "n3 fail: GPU 1 fail: the GPU is lost" in text
    assert "2 H100" in text


def test_node_without_a_gpu_comes_first_with_its_reason(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, told(gpu()))
    folder = run.begun("n4")
    (folder / "log.txt").write_text(
        "No GPU can be read on this machine.\n  why:  there is no NVIDIA driver\n  next: x\n"
    )
    (folder / "ended").touch()
    first = found(run, n4="FAILED").nodes[0]
    assert (first.name, first.state, first.verdict) == ("n4", "failed", "unknown")
    assert first.reasons == ["No GPU can be read on this machine. there is no NVIDIA driver"]


def test_driver_that_knows_no_gpu_is_no_good_node(run: Run) -> None:
    run.done("n1", told())
    node = next(node for node in found(run).nodes if node.name == "n1")
    assert (node.state, node.reasons) == ("failed", ["the driver knows no GPU"])


@pytest.mark.parametrize(
    ("other", "field", "value"),
    [
        (told(gpu(0), gpu(1), driver="570.1"), "gpu.driver", "570.1"),
        (told(gpu(0), gpu(1, vbios_version="95.0")), "gpu.vbios_version",
         "1 with 95.0, 1 with 96.1"),
        (told(gpu(0, power_limit_w=350.0), gpu(1, power_limit_w=350.0)), "gpu.power_limit_w",
         "350"),
        (told(gpu(0, ecc_enabled=False), gpu(1, ecc_enabled=False)), "gpu.ecc_enabled", "off"),
        (told(gpu(0)), "gpu.count", "1"),
    ],
)  # fmt: skip
def test_node_that_is_set_up_otherwise_is_odd(
    run: Run, other: GpuReport, field: str, value: str
) -> None:
    for node in FOUR[:3]:
        run.done(node, told(gpu(0), gpu(1)))
    run.done("n4", other)
    odd = [(odd.node, odd.field, odd.value) for odd in found(run).odd_ones_out]
    assert odd == [("n4", field, value)]
