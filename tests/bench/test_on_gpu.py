"""The CUDA path on a real GPU: events, NVML, and a figure that launches alone cannot make."""

import json
from pathlib import Path

import pytest

from lab.bench.case import Workload
from lab.bench.timer import DeviceTimer, TorchDevice
from tests.conftest import CommandLine

pytestmark = pytest.mark.gpu


def test_events_and_the_wall_clock_agree_on_a_real_device() -> None:
    import torch

    a, b = torch.randn(2, 4096, 4096, device="cuda")
    out = torch.empty_like(a)
    timer = DeviceTimer(TorchDevice("cuda"))
    workload = Workload(run=lambda: torch.mm(a, b, out=out))
    samples = [timer.sample(workload, 20) for _ in range(10)][2:]
    assert [s.disturbance for s in samples] == [None] * 8
    for sample in samples:
        assert sample.wall_s == pytest.approx(sample.duration_s, rel=0.1)


def test_work_on_another_stream_gives_no_figure() -> None:
    import torch

    a, b = torch.randn(2, 4096, 4096, device="cuda")
    out, other = torch.empty_like(a), torch.cuda.Stream()

    def run() -> None:
        with torch.cuda.stream(other):
            torch.mm(a, b, out=out)

    timer = DeviceTimer(TorchDevice("cuda"))
    timer.sample(Workload(run=run), 20)
    assert timer.sample(Workload(run=run), 20).disturbance == "clocks_disagree"


def test_quick_run_has_peaks_telemetry_and_no_figure_above_the_peak(
    state: Path, tmp_path: Path
) -> None:
    command = CommandLine(state=state, env={"LAB_RESULTS": str(tmp_path / "results")})
    done = command("bench", "--quick", "--device", "cuda", "--engine", "host", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    gpu = document["environment"]["gpu"]
    assert gpu["uuid"].startswith("GPU-")
    assert gpu["driver"]
    measured = [case for case in document["cases"] if case["samples_s"]]
    assert {"matmul", "memory", "transfer", "seed"} <= {case["name"] for case in measured}
    for case in measured:
        assert case["device"].startswith("cuda")
        assert case["percent_of_peak"] is None or case["percent_of_peak"] < 105, case["name"]
        if case["name"] == "matmul":
            assert case["telemetry"][0]["sm_clock_hz_median"] > 1e8
