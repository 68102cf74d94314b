from typing import Any

import pytest
from msgspec.structs import replace

from lab.gpu.judge import judge
from lab.gpu.report import judge_wheel
from lab.records.gpu import Gpu, NvLink
from tests.gpu.sample import BUSY, IDLE, LINKS, WHEEL


def one(gpu: Gpu, driver: str = "580.65.06") -> Gpu:
    return judge([gpu], judge_wheel(driver), driver)[0]


def names(gpu: Gpu) -> list[str]:
    return [reason.name for reason in gpu.reasons]


@pytest.mark.parametrize(
    "gpu",
    [
        BUSY,
        IDLE,
        replace(IDLE, pcie_width=4),
        replace(BUSY, clock_event_reasons=["sw_power_cap", "applications_clocks_setting"]),
        replace(BUSY, nvlinks=[NvLink(link=i, active=False) for i in range(18)]),
        replace(BUSY, nvlinks=None, ecc_enabled=None, temperature_slowdown_c=None),
        replace(IDLE, missing={"fan_percent": "not_supported", "processes": "no_permission"}),
        replace(BUSY, temperature_slowdown_c=0),  # what some drivers say for "not known"
    ],
)
def test_gpu_that_is_well_gives_no_alarm(gpu: Gpu) -> None:
    """A slow link or a low clock at rest, the power cap at work, bridges that are not built in."""
    assert (one(gpu).verdict, one(gpu).reasons) == ("ok", [])


FAULTS: list[tuple[Gpu, dict[str, Any], str, str]] = [
    (BUSY, {"clock_event_reasons": ["hw_slowdown", "hw_thermal_slowdown"]}, "fail",
     "hw_thermal_slowdown"),
    (BUSY, {"clock_event_reasons": ["hw_slowdown", "hw_power_brake_slowdown"]}, "fail",
     "hw_power_brake_slowdown"),
    (BUSY, {"clock_event_reasons": ["hw_slowdown"]}, "fail", "hw_slowdown"),
    (IDLE, {"clock_event_reasons": ["gpu_idle", "hw_slowdown"]}, "warn", "hw_slowdown"),
    (BUSY, {"clock_event_reasons": ["sw_thermal_slowdown"]}, "warn", "sw_thermal_slowdown"),
    (BUSY, {"temperature_c": 88}, "fail", "temperature"),
    (BUSY, {"temperature_c": 84, "fan_percent": [0, 0]}, "warn", "fan"),
    (BUSY, {"power_limit_w": 350.0}, "warn", "power_limit"),
    (BUSY, {"pcie_generation": 1, "pcie_width": 8}, "fail", "pcie_link"),
    (BUSY, {"pcie_generation": 4}, "warn", "pcie_link"),
    (BUSY, {"remapped_rows_failed": True}, "fail", "remapped_rows"),
    (BUSY, {"remapped_rows_pending": True}, "warn", "remapped_rows_pending"),
    (BUSY, {"retired_pages_pending": True}, "warn", "retired_pages_pending"),
    (BUSY, {"retired_pages_double_bit": 40, "retired_pages_single_bit": 20}, "fail",
     "retired_pages"),
    (BUSY, {"ecc_uncorrected_volatile": 2}, "fail", "ecc_uncorrected"),
    (BUSY, {"sram_threshold_exceeded": True}, "fail", "sram_errors"),
    (BUSY, {"nvlinks": [*LINKS[:15], *(NvLink(link=i, active=False) for i in (15, 16, 17))]},
     "fail", "nvlink"),
    (BUSY, {"nvlinks": [NvLink(link=0, active=True, remote="gpu"), NvLink(link=1, active=False)]},
     "warn", "nvlink"),
    (BUSY, {"nvlinks": [replace(LINKS[0], recovery_errors=3)]}, "warn", "nvlink_errors"),
    (BUSY, {"compute_capability": "6.1"}, "fail", "architecture"),
    (Gpu(index=0), {"unreadable": "no_answer", "detail": "nvmlDeviceGetName"}, "fail", "no_answer"),
    (Gpu(index=0), {"unreadable": "no_permission"}, "warn", "no_permission"),
    (Gpu(index=0), {"unreadable": "unknown"}, "fail", "unknown"),
    *(
        (BUSY, {"missing": {"power_w": reason}}, "fail", reason)
        for reason in ("lost", "reset_required", "insufficient_power", "irq_issue",
                       "operating_system", "corrupted_inforom")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("gpu", "change", "verdict", "name"), FAULTS)
def test_fault_is_named_with_its_remedy(
    gpu: Gpu, change: dict[str, Any], verdict: str, name: str
) -> None:
    found = one(replace(gpu, **change))
    assert (found.verdict, names(found)) == (verdict, [name])
    assert found.reasons[0].why
    assert found.reasons[0].next
    assert "{" not in found.reasons[0].next


def test_lost_gpu_is_not_judged_by_what_else_it_said() -> None:
    """What a GPU answered before it fell off the bus says nothing."""
    found = one(replace(BUSY, ecc_uncorrected_volatile=9, missing={"power_w": "lost"}))
    assert names(found) == ["lost"]


def test_remedy_names_the_gpu() -> None:
    found = one(replace(BUSY, index=5, ecc_uncorrected_volatile=1))
    assert "--gpu-reset -i 5" in found.reasons[0].next


def test_driver_that_is_too_old_fails_with_the_one_to_have() -> None:
    found = one(BUSY, driver="470.256.02")
    assert names(found) == ["driver"]
    assert "580.65.06" in found.reasons[0].next


def test_driver_whose_version_is_not_known_is_not_judged() -> None:
    assert judge([BUSY], judge_wheel(None), None)[0].verdict == "ok"


def test_mig_without_utilization_is_judged_by_its_clock() -> None:
    """Under MIG there is no utilization; idleness is told by the clock's reasons."""
    slow = {"utilization_percent": None, "pcie_generation": 1}
    assert one(replace(BUSY, clock_event_reasons=["gpu_idle"], **slow)).verdict == "ok"
    assert one(replace(BUSY, clock_event_reasons=[], **slow)).verdict == "fail"


def test_gpu_with_a_few_unknown_answers_is_no_fault() -> None:
    assert one(replace(BUSY, missing={"energy_j": "unknown"})).verdict == "ok"
    many = {f"value {i}": "unknown" for i in range(30)}
    assert names(one(replace(BUSY, missing=many))) == ["unknown"]


@pytest.mark.parametrize("field", ["pcie_generation", "pcie_generation_max", "pcie_width"])
def test_number_that_makes_no_sense_is_no_traceback(field: str) -> None:
    """A broken driver says what nobody foresaw."""
    assert one(replace(BUSY, **{field: (1 << 32) - 1})).index == 0


def test_wheel_is_the_one_of_the_cuda_lock() -> None:
    assert WHEEL.cuda_version == "13.0"
