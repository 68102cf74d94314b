"""What is read of the simulated driver: each value, each reason for a missing one, each failure."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest
from msgspec.structs import asdict

from lab.gpu.fields import FIELDS
from lab.gpu.read import Reading
from lab.gpu.reasons import REASONS
from lab.gpu.snapshot import Snapshot
from lab.records.gpu import Gpu, NvLink
from tests.conftest import MakeDriver, wait_for
from tests.nvml import scenarios
from tests.nvml.library import Driver, build

pytestmark = pytest.mark.driver

Read = Callable[..., Snapshot]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Driver], None]:
    """Puts a driver in front of the processes that this one starts."""

    def put(driver: Driver) -> None:
        for name, value in driver.variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.fixture
def read(make_driver: MakeDriver, use: Callable[[Driver], None]) -> Read:
    def snapshot(scenario: dict[str, Any], *, deadline_s: float = 5, slow: bool = False,
                 library: Path | None = None) -> Snapshot:  # fmt: skip
        use(make_driver(scenario, library) if library else make_driver(scenario))
        with Reading(deadline_s=deadline_s, slow=slow) as reading:
            return reading.snapshot()

    return snapshot


# Each row of the table, by what the healthy H100 says of it: independent of the rows themselves.
H100 = {
    "name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-5f7c1a2e-0000-4000-8000-000000000000",
    "serial": "1652023001200", "minor_number": 0, "pci_bus_id": "00000000:1B:00.0",
    "compute_capability": "9.0", "vbios_version": "96.00.61.00.01", "numa_node": 0,
    "cpu_affinity": list(range(56)), "memory_total_bytes": 80 << 30, "memory_used_bytes": 41 << 30,
    "memory_free_bytes": (39 << 30) - (400 << 20), "memory_reserved_bytes": 400 << 20,
    "bar1_total_bytes": 128 << 30, "bar1_used_bytes": 1 << 30, "utilization_percent": 98,
    "memory_utilization_percent": 61, "encoder_percent": 0, "decoder_percent": 0,
    "temperature_c": 62, "temperature_slowdown_c": 89, "temperature_shutdown_c": 92,
    "temperature_max_c": 87, "memory_temperature_c": 70, "fan_percent": [], "power_w": 655.25,
    "power_limit_w": 700.0, "power_limit_set_w": 700.0, "power_limit_default_w": 700.0,
    "power_limit_min_w": 200.0, "power_limit_max_w": 700.0, "energy_j": 8123456.789,
    "performance_state": "P0", "graphics_clock_mhz": 1755, "sm_clock_mhz": 1755,
    "memory_clock_mhz": 2619, "video_clock_mhz": 1365, "graphics_clock_max_mhz": 1980,
    "sm_clock_max_mhz": 1980, "memory_clock_max_mhz": 2619,
    "clock_event_reasons": ["sw_power_cap"], "power_violation_s": 12.0, "thermal_violation_s": 0.0,
    "pcie_generation": 5, "pcie_generation_max": 5, "pcie_width": 16, "pcie_width_max": 16,
    "pcie_replays": 0, "pcie_sent_bytes_per_s": 1200 * 1024,
    "pcie_received_bytes_per_s": 3400 * 1024, "ecc_enabled": True, "ecc_enabled_pending": True,
    "ecc_corrected_volatile": 0, "ecc_uncorrected_volatile": 0, "ecc_corrected_aggregate": 3,
    "ecc_uncorrected_aggregate": 0, "sram_threshold_exceeded": False, "remapped_rows_corrected": 0,
    "remapped_rows_uncorrected": 0, "remapped_rows_pending": False, "remapped_rows_failed": False,
    "persistence_enabled": True, "compute_mode": "default", "display_active": False,
    "mig_enabled": False, "mig_enabled_pending": False, "mig_instances": [],
}  # fmt: skip


def test_every_value_of_a_gpu_is_read(read: Read) -> None:
    scenario = scenarios.machine(scenarios.h100(busy=True))
    (gpu,) = read(scenario, slow=True).gpus
    values = asdict(gpu)
    for name, expected in H100.items():
        assert values[name] == (
            pytest.approx(expected) if isinstance(expected, float) else expected
        ), name
    # A Hopper retires no pages: rows are remapped instead.
    assert set(gpu.missing) == {
        f"retired_pages_{n}" for n in ("single_bit", "double_bit", "pending")
    }
    assert set(gpu.missing.values()) == {"not_supported"}


def test_table_and_record_know_the_same_values() -> None:
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(Gpu.__struct_fields__)
    assert set(names) <= {*H100, "retired_pages_single_bit", "retired_pages_double_bit",
                          "retired_pages_pending"}  # fmt: skip


def test_table_calls_what_nvidia_ml_py_has() -> None:
    for field in FIELDS:
        for name, *arguments in field.calls:
            assert callable(getattr(pynvml, name))
            assert all(hasattr(pynvml, a) for a in arguments if isinstance(a, str)), field


def test_slow_values_are_read_on_request_alone(read: Read) -> None:
    (gpu,) = read(scenarios.healthy(1)).gpus
    assert gpu.pcie_sent_bytes_per_s is None
    assert gpu.missing["pcie_sent_bytes_per_s"] == "not_asked"


def test_links_are_read_with_their_errors(read: Read) -> None:
    scenario = scenarios.healthy(1)
    scenario["gpus"][0]["NvLinks"][2] |= {"state": 0}
    scenario["gpus"][0]["NvLinks"][3]["errors"] |= {"recovery": 7}
    (gpu,) = read(scenario).gpus
    assert gpu.nvlinks is not None
    assert len(gpu.nvlinks) == 18
    assert gpu.nvlinks[2] == NvLink(link=2, active=False, version="4.0")
    assert gpu.nvlinks[3] == NvLink(
        link=3, active=True, version="4.0", remote="switch", remote_pci_bus_id="00000000:A3:00.0",
        replay_errors=0, recovery_errors=7, crc_flit_errors=0, crc_data_errors=0,
    )  # fmt: skip


def test_fans_are_read_each(read: Read) -> None:
    scenario = scenarios.consumer()
    scenario["gpus"][0]["FanSpeed"] = [30, 42]
    assert read(scenario).gpus[0].fan_percent == [30, 42]


def test_instances_are_read_with_their_processes(read: Read) -> None:
    (gpu,) = read(scenarios.mig()).gpus
    assert gpu.mig_instances is not None
    shown = [(i.profile, i.gpu_instance, i.multiprocessors, i.memory_total_bytes)
             for i in gpu.mig_instances]  # fmt: skip
    assert shown == [("3g.40gb", 1, 60, 40 << 30), ("1g.10gb", 9, 16, 10 << 30)]
    assert [(p.pid, p.gpu_instance) for p in gpu.processes] == [(4711, 1)]
    assert (gpu.utilization_percent, gpu.missing["utilization_percent"]) == (None, "not_supported")


def test_processes_are_read_once_each(read: Read) -> None:
    """One that computes and draws is in both of NVML's lists."""
    scenario = scenarios.healthy(1)
    own = {"pid": os.getpid(), "usedGpuMemory": None}
    scenario["gpus"][0] |= {"ComputeRunningProcesses": [own], "GraphicsRunningProcesses": [own],
                            "ProcessUtilization": [{"pid": os.getpid(), "smUtil": 31}]}  # fmt: skip
    (process,) = read(scenario).gpus[0].processes
    assert (process.pid, process.kind, process.sm_percent) == (os.getpid(), "compute", 31)
    assert process.memory_bytes is None


def test_process_is_shown_with_its_user_and_command(read: Read) -> None:
    scenario = scenarios.healthy(1)
    scenario["gpus"][0]["ComputeRunningProcesses"] = [{"pid": os.getpid(), "usedGpuMemory": 1}]
    on_host = Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC
    (process,) = read(scenario).gpus[0].processes
    if on_host:
        assert process.user
        assert "pytest" in (process.command or "")
    else:  # a number of another PID namespace's is not believed
        assert (process.user, process.command) == (None, None)


def test_topology_has_each_pair_once(read: Read) -> None:
    scenario = scenarios.healthy(3) | {"topology": [[0, 10, 50], [10, 0, 50], [50, 50, 0]]}
    pairs = read(scenario).topology
    assert [(p.gpus, p.ancestor) for p in pairs] == [
        ((0, 1), "single"), ((0, 2), "system"), ((1, 2), "system")
    ]  # fmt: skip
    assert all(pair.nvlink and pair.peer_read for pair in pairs)


@pytest.mark.parametrize(("code", "reason"), sorted(REASONS.items()))
def test_missing_value_has_its_reason(read: Read, code: int, reason: str) -> None:
    (gpu,) = read(scenarios.refusing("nvmlDeviceGetPowerUsage", code)).gpus
    assert (gpu.power_w, gpu.missing["power_w"]) == (None, reason)
    assert gpu.temperature_c == 31


def test_old_driver_is_read_by_its_older_calls(read: Read, tmp_path: Path) -> None:
    library = build(tmp_path / "old", scenarios.OLD_DRIVER_OMITS)
    snapshot = read(scenarios.old_driver(), library=library)
    (gpu,) = snapshot.gpus
    assert (snapshot.driver_version, snapshot.cuda_version) == ("470.256.02", 11040)
    assert gpu.memory_used_bytes == 100 << 20
    assert gpu.clock_event_reasons == ["gpu_idle"]
    assert [process.pid for process in gpu.processes] == [99]
    assert (gpu.retired_pages_single_bit, gpu.retired_pages_pending) == (1, False)
    too_old = {name for name, reason in gpu.missing.items() if reason == "too_old"}
    assert {"memory_reserved_bytes", "numa_node", "sram_threshold_exceeded"} <= too_old


def test_gpu_that_is_lost_hides_no_other(read: Read) -> None:
    gpus = read(scenarios.sick()).gpus
    assert len(gpus) == 8
    assert set(gpus[0].missing.values()) == {"lost", "not_asked"}
    assert all(gpu.temperature_c for gpu in gpus[1:])


def test_gpu_without_a_handle_says_why(read: Read) -> None:
    scenario = scenarios.healthy(2)
    scenario["gpus"][0]["calls"] = {"nvmlDeviceGetHandleByIndex": {"error": 4}}
    first, second = read(scenario).gpus
    assert (first.unreadable, first.missing["name"]) == ("no_permission", "no_permission")
    assert second.name


def test_gpu_that_hangs_is_named_by_its_call_and_holds_up_no_other(read: Read) -> None:
    scenario = scenarios.healthy(4)
    scenario["gpus"][2]["calls"] = {"nvmlDeviceGetPowerUsage": {"hang": True}}
    gpus = read(scenario, deadline_s=1).gpus
    assert (gpus[2].unreadable, gpus[2].detail) == ("no_answer", "nvmlDeviceGetPowerUsage")
    assert gpus[2].temperature_c == 33  # what came before the hang stays
    assert gpus[2].missing["power_w"] == "no_answer"
    assert [gpu.unreadable for gpu in gpus] == [None, None, "no_answer", None]


@pytest.mark.parametrize(
    "function", ["nvmlInit", "nvmlSystemGetDriverVersion", "nvmlDeviceGetCount"]
)
def test_hang_of_the_whole_driver_ends_with_the_deadline(read: Read, function: str) -> None:
    scenario = scenarios.healthy(2) | {"calls": {function: {"hang": True}}}
    snapshot = read(scenario, deadline_s=0.2)
    assert (snapshot.answers, snapshot.code) == (False, 10)


def test_hang_between_two_gpus_costs_their_connection_alone(read: Read) -> None:
    scenario = scenarios.healthy(3)
    scenario["gpus"][1]["calls"] = {"nvmlDeviceGetTopologyCommonAncestor": {"hang": True}}
    snapshot = read(scenario, deadline_s=0.5)
    assert [gpu.unreadable for gpu in snapshot.gpus] == [None] * 3
    assert [pair.gpus for pair in snapshot.topology] == [(0, 1), (0, 2)]


def test_crash_of_the_driver_is_an_answer(read: Read) -> None:
    scenario = scenarios.healthy(1) | {"calls": {"nvmlDeviceGetName": {"crash": True}}}
    snapshot = read(scenario)
    assert (snapshot.answers, snapshot.code) == (False, 999)
    assert "ended" in snapshot.detail


def test_reader_goes_on_after_a_hang_and_after_a_crash(
    make_driver: MakeDriver, use: Callable[[Driver], None]
) -> None:
    driver = make_driver(scenarios.healthy(2))
    use(driver)
    with Reading(deadline_s=0.5) as reading:
        assert reading.snapshot().answers
        hanging = scenarios.healthy(2)
        hanging["gpus"][0]["calls"] = {"nvmlDeviceGetName": {"hang": True}}
        driver.put(hanging)
        reading.again()
        assert [gpu.unreadable for gpu in reading.snapshot().gpus] == ["no_answer", None]
        reading.again()  # it still hangs in the same call, and is not asked a second time
        assert [gpu.unreadable for gpu in reading.snapshot().gpus] == ["no_answer", None]
        driver.put(hanging | {"calls": {"nvmlDeviceGetUUID": {"crash": True}}})
        reading.again()
        assert not reading.snapshot().answers
        driver.put(scenarios.healthy(2))
        reading.again()
        assert [gpu.unreadable for gpu in reading.snapshot().gpus] == [None, None]


def test_reader_ends_with_the_one_who_asks(
    make_driver: MakeDriver, use: Callable[[Driver], None]
) -> None:
    hanging = scenarios.healthy(1) | {"calls": {"nvmlInit": {"hang": True}}}
    use(make_driver(hanging))
    mark = f"lab.gpu.reader {0.123:g}"

    def runs() -> bool:
        found = subprocess.run(["pgrep", "-f", mark], capture_output=True, check=False)
        return found.returncode == 0

    with Reading(deadline_s=0.123):
        wait_for(runs, "the reader to start")
    assert not runs()


def test_text_that_is_no_text_is_missing(read: Read) -> None:
    """A driver of a broken GPU has been seen to answer with bytes."""
    scenario = scenarios.healthy(1)
    scenario["gpus"][0]["VbiosVersion"] = "ÿþ\x01"
    assert read(scenario).gpus[0].vbios_version == "ÿþ\x01"


def test_no_library_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with Reading() as reading:
        snapshot = reading.snapshot()
    assert (snapshot.answers, snapshot.code, snapshot.library) == (False, 12, "")
