"""`inv gpu` as a user calls it, on the simulated driver."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab.records.gpu import GpuReport
from tests.conftest import CommandLine, MakeDriver, Result, wait_for
from tests.nvml import scenarios
from tests.nvml.cdi import skip_beside_others
from tests.nvml.library import build

pytestmark = pytest.mark.driver

Gpu = Callable[..., Result]


@pytest.fixture
def gpu(inv: CommandLine, make_driver: MakeDriver) -> Gpu:
    """Calls `inv gpu` on a scenario."""

    def call(scenario: dict[str, Any], *words: str, library: Path | None = None,
             **env: str) -> Result:  # fmt: skip
        driver = make_driver(scenario, library) if library else make_driver(scenario)
        return inv("gpu", *words, **driver.variables, **env)

    return call


def report(result: Result) -> GpuReport:
    return msgspec.json.decode(result.out, type=GpuReport, strict=True)


@pytest.mark.parametrize("name", sorted(scenarios.well()))
def test_machine_that_is_well_gives_no_alarm(gpu: Gpu, name: str) -> None:
    scenario = scenarios.well()[name]
    result = gpu(scenario, "--json")
    assert (result.code, "next:" in result.err) == (0, False)
    found = report(result)
    assert (found.verdict, found.notes) == ("ok", [])
    assert [(g.verdict, g.reasons) for g in found.gpus] == [("ok", [])] * len(scenario["gpus"])


def test_sick_machine_has_each_fault_named_with_its_remedy(gpu: Gpu) -> None:
    result = gpu(scenarios.sick(), "--json")
    assert result.code == 3
    found = {g.index: [r.name for r in g.reasons] for g in report(result).gpus}
    assert found == {
        0: ["lost"], 1: ["hw_thermal_slowdown"], 2: ["pcie_link"], 3: ["remapped_rows"],
        4: ["ecc_uncorrected"], 5: ["nvlink"], 6: ["hw_power_brake_slowdown"],
        7: ["odd_power_limit_w"],
    }  # fmt: skip
    assert all(r.why and r.next for g in report(result).gpus for r in g.reasons)


def test_sick_machine_is_told_in_words(gpu: Gpu) -> None:
    result = gpu(scenarios.sick())
    assert result.code == 3
    for words in (
        "GPU 0 fail: the GPU is lost", "XID 79", "GPU 1 fail: the hardware halves its clock",
        "GPU 2 fail: PCIe generation 1 x8 under load", "GPU 3 fail: a defective row",
        "GPU 4 fail: 2 uncorrected ECC errors", "GPU 5 fail: NVLink 3, 4, 5 of 18 are down",
        "GPU 6 fail: the power brake", "GPU 7 warn: power limit of 350 W",
    ):  # fmt: skip
        assert words in result.out, words
    assert result.out.count("next: ") == 8


def test_warning_alone_is_exit_0(gpu: Gpu) -> None:
    scenario = scenarios.healthy(1)
    scenario["gpus"][0]["RemappedRows"]["pending"] = 1
    result = gpu(scenario, "--json")
    assert (result.code, report(result).verdict) == (0, "warn")


def test_old_driver_fails_with_the_version_to_have(gpu: Gpu, tmp_path: Path) -> None:
    library = build(tmp_path / "old", scenarios.OLD_DRIVER_OMITS)
    result = gpu(scenarios.old_driver(), library=library)
    assert result.code == 3
    assert "driver 470.256.02 is too old" in result.out
    assert "580.65.06" in result.out


def test_json_has_the_fields_of_the_contract(gpu: Gpu) -> None:
    document = json.loads(gpu(scenarios.consumer(), "--json").out)
    assert document["schema"] == "lab/gpu/1"
    assert (document["driver_version"], document["cuda_version"]) == ("580.65.06", "13.0")
    (only,) = document["gpus"]
    contract = {
        "index": 0, "uuid": "GPU-cafe4090-0000-4000-8000-000000000001",
        "name": "NVIDIA GeForce RTX 4090", "verdict": "ok", "reasons": [],
        "memory_total_bytes": 24564 << 20, "memory_used_bytes": 812 << 20, "temperature_c": 41,
        "power_w": 22.31, "power_limit_w": 450.0, "utilization_percent": 3, "sm_clock_mhz": 345,
    }  # fmt: skip
    assert {name: only[name] for name in contract} == contract
    assert only["processes"][0]["pid"] == 1801
    assert only["missing"]["ecc_enabled"] == "not_supported"
    null = {name for name, value in only.items() if value is None} - {"unreadable", "detail"}
    assert null == set(only["missing"])


def test_it_says_where_it_is(gpu: Gpu) -> None:
    inside = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
    assert report(gpu(scenarios.healthy(1), "--json")).place == ("container" if inside else "host")


# Each line of the table of errors: code, what a person is told, what to do.
ERRORS = [
    (4, "may not read the GPUs", "ls -l /dev/nvidia*"),
    (9, "not loaded", "lsmod | grep nvidia"),
    (18, "of different versions", "make the container anew|containers that ran must be made anew"),
    (999, "has lost its GPU|does not start", "make the container anew|reboot"),
    (8, "answers with an error", "power plug"),
    (11, "answers with an error", "dmesg"),
    (14, "answers with an error", "have the GPU replaced"),
    (15, "answers with an error", "switch the machine off"),
    (16, "answers with an error", "--gpu-reset"),
    (17, "answers with an error", "cgroup"),
    (13, "too old", "install NVIDIA's driver"),
    (25, "too old", "install NVIDIA's driver"),
]


@pytest.mark.parametrize(("code", "what", "remedy"), ERRORS)
def test_error_at_the_start_is_told_by_its_cause(
    gpu: Gpu, code: int, what: str, remedy: str
) -> None:
    result = gpu(scenarios.refusing("nvmlInit", code), "--json")
    assert result.code == 2
    told = result.json()
    assert any(words in str(told["what"]) for words in what.split("|")), told
    assert any(words in str(told["next_step"]) for words in remedy.split("|")), told
    assert f"({code})" in str(told["why"]) or code == 18
    assert "Traceback" not in result.err


ON_ONE_GPU = {
    8: "insufficient_power", 10: "no_answer", 11: "irq_issue", 14: "corrupted_inforom",
    15: "lost", 16: "reset_required", 17: "operating_system", 999: "unknown",
}  # fmt: skip


@pytest.mark.parametrize(("code", "name"), ON_ONE_GPU.items())
def test_error_of_one_gpu_fails_that_gpu_and_shows_the_others(
    gpu: Gpu, code: int, name: str
) -> None:
    scenario = scenarios.healthy(2)
    scenario["gpus"][0]["calls"] = {"*": {"error": code}}
    result = gpu(scenario, "--json")
    assert result.code == 3
    first, second = report(result).gpus
    assert (first.verdict, [r.name for r in first.reasons]) == ("fail", [name])
    assert first.reasons[0].next
    assert (second.verdict, second.temperature_c) == ("ok", 32)


def test_gpu_that_may_not_be_read_is_skipped_with_its_reason(gpu: Gpu) -> None:
    scenario = scenarios.healthy(2)
    scenario["gpus"][0]["calls"] = {"*": {"error": 4}}
    result = gpu(scenario, "--json")
    first, second = report(result).gpus
    assert (result.code, first.unreadable, second.verdict) == (0, "no_permission", "ok")
    scenario["gpus"][1]["calls"] = {"*": {"error": 4}}
    result = gpu(scenario)
    assert (result.code, "may not read the GPUs" in result.err) == (2, True)


def test_values_that_are_not_supported_are_never_zero(gpu: Gpu) -> None:
    (only,) = report(gpu(scenarios.mig(), "--json")).gpus
    assert (only.utilization_percent, only.missing["utilization_percent"]) == (
        None, "not_supported",
    )  # fmt: skip


def test_unified_memory_is_called_so(gpu: Gpu) -> None:
    result = gpu(scenarios.unified_memory())
    assert "unified memory: the GPU shares the system's" in result.out


def test_stub_library_is_told(gpu: Gpu, tmp_path: Path) -> None:
    library = build(tmp_path / "lib64" / "stubs")
    result = gpu(scenarios.refusing("nvmlInit", 999), library=library)
    assert (result.code, "a stub, not the driver" in result.err) == (2, True)


def test_no_gpu_at_all_is_told(gpu: Gpu) -> None:
    result = gpu(scenarios.machine())
    assert result.code == 2
    assert "knows no GPU" in result.err or "shows it no GPU" in result.err


def test_hang_costs_its_own_gpu_alone(gpu: Gpu) -> None:
    scenario = scenarios.healthy(8)
    scenario["gpus"][3]["calls"] = {"nvmlDeviceGetTemperature": {"hang": True}}
    result = gpu(scenario, "--json", "--deadline", "1")
    found = report(result)
    assert (result.code, len(found.gpus)) == (3, 8)
    assert [g.index for g in found.gpus if g.verdict == "fail"] == [3]
    assert found.gpus[3].detail == "nvmlDeviceGetTemperature"


def test_hang_of_the_driver_ends_with_the_deadline(gpu: Gpu) -> None:
    scenario = scenarios.healthy(1) | {"calls": {"nvmlInit": {"hang": True}}}
    result = gpu(scenario, "--deadline", "0.5")
    assert (result.code, "does not answer" in result.err) == (2, True)
    assert "waiting for NVIDIA's driver ..." in result.err


def test_crash_of_the_driver_is_no_traceback(gpu: Gpu) -> None:
    result = gpu(scenarios.healthy(1) | {"calls": {"nvmlDeviceGetName": {"crash": True}}})
    assert result.code == 2
    assert "Traceback" not in result.err


def test_only_shows_the_gpus_that_are_named(gpu: Gpu) -> None:
    found = report(
        gpu(scenarios.sick(), "--json", "--only", "7,GPU-5f7c1a2e-0000-4000-8000-000000000002")
    )
    assert [g.index for g in found.gpus] == [2, 7]
    assert found.gpus[1].reasons[0].name == "odd_power_limit_w"  # odd among all, not these two
    result = gpu(scenarios.sick(), "--only", "7")
    assert result.code == 0
    result = gpu(scenarios.healthy(2), "--only", "5")
    assert (result.code, "There is no GPU '5'" in result.err) == (2, True)


def test_details_show_every_value(gpu: Gpu) -> None:
    out = gpu(scenarios.healthy(2), "--details").out
    for name in ("vbios_version", "ecc_uncorrected_aggregate", "nvlinks", "numa_node"):
        assert out.count(f"  {name} ") == 2
    assert "retired_pages_pending" in out
    assert "- (not_supported)" in out
    assert "power.draw" in out  # nvidia-smi's name for it
    assert "0 - 1  node and NVLink" in out


def test_throughput_is_measured_on_request(gpu: Gpu) -> None:
    (only,) = report(gpu(scenarios.healthy(1), "--json", "--throughput")).gpus
    assert only.pcie_received_bytes_per_s == 3400 * 1024


def test_prometheus_reads_what_is_printed(gpu: Gpu, tmp_path: Path) -> None:
    scenario = scenarios.sick()
    scenario["gpus"][1]["Name"] = 'a "name" \\ with\nall'
    file = tmp_path / "gpu.prom"
    result = gpu(scenario, "--prometheus", "--output", str(file))
    assert (result.code, file.read_text()) == (3, result.out)
    families = {f.name: f for f in text_string_to_metric_families(result.out)}
    watts = {s.labels["gpu"]: s.value for s in families["lab_gpu_power_watts"].samples}
    assert watts == {str(i): 655.25 for i in range(1, 8)}  # the lost one has no value
    verdicts = {(s.labels["gpu"], s.labels["verdict"]): s.value
                for s in families["lab_gpu_verdict"].samples}  # fmt: skip
    assert (verdicts["0", "fail"], verdicts["0", "ok"], verdicts["7", "warn"]) == (1, 0, 1)
    energy = families["lab_gpu_energy_joules"].samples[0]
    assert (energy.name, energy.value) == ("lab_gpu_energy_joules_total", 8123456.79)
    names = [s.labels["name"] for s in families["lab_gpu_info"].samples]
    assert 'a "name" \\ with\nall' in names
    clocks = [s.value for s in families["lab_gpu_sm_clock_hertz"].samples]
    assert clocks[0] == 990e6


def test_output_is_the_document_at_once_and_whole(gpu: Gpu, tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    result = gpu(scenarios.healthy(1), "--output", str(file))
    assert result.code == 0
    assert "H100" in result.out
    assert msgspec.json.decode(file.read_bytes(), type=GpuReport).gpus[0].index == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "--prometheus"), "exclude each other"),
        (("--interval", "3"), "--interval is for --watch"),
        (("--deadline", "soon"), "--deadline"),
        (("--deadline", "0"), "--deadline"),
        (("--watch", "--interval", "-1"), "--interval"),
        (("--engine", "moby"), "There is no engine 'moby'"),
        (("--image", "x"), "--image is for a container"),
        (("--engine", "docker", "--watch", "--output", "x"), "has no --output"),
    ],
)
def test_words_that_make_no_sense_are_refused(gpu: Gpu, words: tuple[str, ...], said: str) -> None:
    result = gpu(scenarios.healthy(1), *words)
    assert (result.code, said in result.err) == (2, True), result.err


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_remedy_names_no_option_that_the_command_lacks(gpu: Gpu, engine: str) -> None:
    skip_beside_others()
    result = gpu(scenarios.healthy(1), "--engine", engine)
    assert (result.code, "next:" in result.err, "--device" in result.err) == (2, True, False)


def test_watch_in_a_pipe_is_a_line_for_each_reading(
    inv: CommandLine, make_driver: MakeDriver, tmp_path: Path
) -> None:
    """A lost GPU stays in view, with its name."""
    driver = make_driver(scenarios.healthy(2))
    file = tmp_path / "now.json"
    inv("--list")  # makes the runner, and says so
    process = inv.begin("gpu", "--watch", "--json", "--interval", "0.1", "--output", str(file),
                        **driver.variables)  # fmt: skip
    assert process.stdout is not None
    try:
        first = msgspec.json.decode(process.stdout.readline(), type=GpuReport)
        assert [g.verdict for g in first.gpus] == ["ok", "ok"]
        lost = scenarios.healthy(2)
        lost["gpus"][1]["calls"] = {"*": {"error": 15}}
        driver.put(lost)
        seen = _until(process.stdout, lambda r: r.verdict == "fail")
        assert [(g.name, g.verdict) for g in seen.gpus] == [
            ("NVIDIA H100 80GB HBM3", "ok"), ("NVIDIA H100 80GB HBM3", "fail"),
        ]  # fmt: skip
        driver.put(scenarios.healthy(1))  # the driver has forgotten it
        seen = _until(process.stdout, lambda r: r.gpus[1].unreadable == "lost" and
                      "no longer knows" in r.gpus[1].reasons[0].seen)  # fmt: skip
        assert seen.gpus[1].uuid == first.gpus[1].uuid
        driver.put(scenarios.refusing("nvmlDeviceGetCount", 999))  # and then all of them
        _until(process.stdout, lambda r: [g.unreadable for g in r.gpus] == ["lost", "lost"])
        driver.put(scenarios.healthy(2))
        _until(process.stdout, lambda r: r.verdict == "ok")
        driver.put(lost)
        _until(process.stdout, lambda r: r.verdict == "fail")
        assert file.exists()
    finally:
        os.killpg(process.pid, signal.SIGINT)
    with process:
        rest = process.stdout.read()
    assert process.returncode == 3
    assert "Traceback" not in rest


def _until(lines: Any, holds: Callable[[GpuReport], bool]) -> GpuReport:
    for line in lines:
        if not line.startswith("{"):  # what is said of trouble, on standard error
            continue
        found = msgspec.json.decode(line, type=GpuReport)
        if holds(found):
            return found
    raise AssertionError("it ended")


def test_watch_of_one_gpu_keeps_it_in_view_when_the_driver_forgets_it(
    inv: CommandLine, make_driver: MakeDriver
) -> None:
    driver = make_driver(scenarios.healthy(2))
    inv("--list")
    process = inv.begin("gpu", "--watch", "--json", "--interval", "0.1", "--only", "1",
                        **driver.variables)  # fmt: skip
    try:
        _until(process.stdout, lambda r: [g.verdict for g in r.gpus] == ["ok"])
        driver.put(scenarios.healthy(1))
        seen = _until(process.stdout, lambda r: r.verdict == "fail")
        assert [(g.index, g.unreadable) for g in seen.gpus] == [(1, "lost")]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        with process:
            assert process.stdout is not None
            process.stdout.read()


@pytest.mark.parametrize("words", [("gpu",), ("gpu", "--watch", "--json")])
def test_ctrl_c_before_the_first_reading_is_130(
    inv: CommandLine, make_driver: MakeDriver, words: tuple[str, ...]
) -> None:
    scenario = scenarios.healthy(1) | {"calls": {"nvmlInit": {"hang": True}}}
    inv("--list")
    process = inv.begin(*words, **make_driver(scenario).variables)
    assert process.stdout is not None
    if words == ("gpu",):
        assert "waiting for NVIDIA's driver" in process.stdout.readline()
    else:
        pattern = f"lab.command_line .*{' '.join(words)}"

        def forked() -> bool:
            found = subprocess.run(
                ["pgrep", "-f", pattern], capture_output=True, text=True, check=False
            )
            return len(found.stdout.split()) == 2

        wait_for(forked, "the reader to start")
    os.killpg(process.pid, signal.SIGINT)
    with process:
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "Traceback" not in rest


def test_nothing_of_torch_is_loaded(gpu: Gpu) -> None:
    result = gpu(scenarios.healthy(1), PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in result.err.splitlines()}
    assert "lab.gpu.read" in loaded
    assert not {"torch", "numpy", "psutil", "matplotlib"} & loaded
