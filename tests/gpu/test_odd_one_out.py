from typing import Any

import pytest
from msgspec.structs import replace

from lab.gpu.odd_one_out import find_odd
from tests.gpu.sample import BUSY, IDLE, LINKS, several


def found(*gpus: Any) -> dict[int, list[str]]:
    return {index: [f.name for f in findings] for index, findings in find_odd(gpus).items()}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"power_limit_w": 350.0}, "odd_power_limit_w"),
        ({"sm_clock_max_mhz": 1200}, "odd_sm_clock_max_mhz"),
        ({"pcie_width_max": 8}, "odd_pcie_width_max"),
        ({"memory_total_bytes": 40 << 30}, "odd_memory_total_bytes"),
        ({"ecc_enabled": False}, "odd_ecc_enabled"),
        ({"persistence_enabled": False}, "odd_persistence_enabled"),
        ({"vbios_version": "96.00.74"}, "odd_vbios_version"),
        ({"nvlinks": LINKS[:15]}, "odd_nvlinks"),
        ({"sm_clock_mhz": 900}, "odd_clock"),
        ({"temperature_c": 83}, "odd_temperature"),
    ],
)
def test_odd_one_is_found_and_no_other(change: dict[str, Any], name: str) -> None:
    assert found(*several(8, **change)) == {7: [name]}


def test_identical_gpus_have_no_odd_one() -> None:
    assert found(*several(8)) == {}


def test_gpus_of_other_kinds_are_not_compared() -> None:
    assert found(*several(3, name="NVIDIA L4", power_limit_w=72.0)) == {}


def test_single_gpu_is_not_compared() -> None:
    assert found(BUSY) == {}


def test_of_two_the_one_with_less_is_odd() -> None:
    first, second = several(2)
    assert found(replace(first, power_limit_w=300.0), second) == {0: ["odd_power_limit_w"]}


def test_value_that_is_missing_is_not_odd() -> None:
    assert found(*several(4, power_limit_w=None, nvlinks=None)) == {}


def test_idle_gpu_among_busy_ones_is_neither_slow_nor_cold() -> None:
    idle = replace(IDLE, index=7, uuid="GPU-7")
    assert found(*several(7), idle) == {}


def test_hot_gpu_is_odd_only_when_it_is_warm_at_all() -> None:
    cool = replace(BUSY, temperature_c=30)
    assert found(*several(4, cool, temperature_c=55)) == {}


def test_remedy_has_the_value_of_the_others() -> None:
    (finding,) = find_odd(several(4, power_limit_w=350.0))[3]
    assert "350 W; the others of its kind: 700" in finding.seen
    assert "nvidia-smi -i 3 -pl 700" in finding.next
