"""The values of `inv gpu` beside those of nvitop and gpustat, field by field, of the same
scenario."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.records.gpu import Gpu, GpuReport
from tests.conftest import CommandLine, MakeDriver
from tests.nvml import scenarios

pytestmark = [pytest.mark.driver, pytest.mark.host]

SCENARIOS = {**scenarios.well(), "sick": scenarios.sick()}
# nvitop says "N/A" where there is no value.
NVITOP = """
import json
from nvitop import Device, NA
fields = {
    "name": "name", "uuid": "uuid", "pci_bus_id": "bus_id", "serial": "serial",
    "memory_total_bytes": "memory_total", "memory_used_bytes": "memory_used",
    "memory_free_bytes": "memory_free", "utilization_percent": "gpu_utilization",
    "memory_utilization_percent": "memory_utilization", "temperature_c": "temperature",
    "power_w": "power_usage", "power_limit_w": "power_limit",
    "performance_state": "performance_state", "compute_mode": "compute_mode",
    "persistence_enabled": "persistence_mode", "display_active": "display_active",
    "sm_clock_mhz": "sm_clock", "memory_clock_mhz": "memory_clock",
    "graphics_clock_mhz": "graphics_clock", "video_clock_mhz": "video_clock",
    "sm_clock_max_mhz": "max_sm_clock", "memory_clock_max_mhz": "max_memory_clock",
    "encoder_percent": "encoder_utilization", "decoder_percent": "decoder_utilization",
    "ecc_uncorrected_volatile": "total_volatile_uncorrected_ecc_errors",
    "compute_capability": "cuda_compute_capability", "mig_enabled": "mig_mode",
    "bar1_total_bytes": "bar1_memory_total", "bar1_used_bytes": "bar1_memory_used",
    "fan_percent": "fan_speed",
}
def value(device, method):
    found = getattr(device, method)()
    return None if found == NA else found
print(json.dumps([
    {ours: value(device, theirs) for ours, theirs in fields.items()} for device in Device.all()
]))
"""


def _run(program: Path, *words: str, **variables: str) -> Any:
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, **variables},
    )  # fmt: skip
    return json.loads(done.stdout)


def _report(inv: CommandLine, variables: dict[str, str]) -> GpuReport:
    return msgspec.json.decode(inv("gpu", "--json", **variables).out, type=GpuReport)


def _as_nvitop(gpu: Gpu) -> dict[str, Any]:
    """Our values in nvitop's units and words."""
    on_off = {True: "Enabled", False: "Disabled", None: None}
    words = {"default": "Default", "prohibited": "Prohibited",
             "exclusive_process": "Exclusive Process"}  # fmt: skip
    capability = gpu.compute_capability
    return {
        "name": gpu.name, "uuid": gpu.uuid, "pci_bus_id": gpu.pci_bus_id, "serial": gpu.serial,
        "memory_total_bytes": gpu.memory_total_bytes, "memory_used_bytes": gpu.memory_used_bytes,
        "memory_free_bytes": gpu.memory_free_bytes,
        "utilization_percent": gpu.utilization_percent,
        "memory_utilization_percent": gpu.memory_utilization_percent,
        "temperature_c": gpu.temperature_c,
        "power_w": gpu.power_w and round(gpu.power_w * 1000),
        "power_limit_w": gpu.power_limit_set_w and round(gpu.power_limit_set_w * 1000),
        "performance_state": gpu.performance_state,
        "compute_mode": words.get(gpu.compute_mode or ""),
        "persistence_enabled": on_off[gpu.persistence_enabled],
        "display_active": on_off[gpu.display_active],
        "sm_clock_mhz": gpu.sm_clock_mhz, "memory_clock_mhz": gpu.memory_clock_mhz,
        "graphics_clock_mhz": gpu.graphics_clock_mhz, "video_clock_mhz": gpu.video_clock_mhz,
        "sm_clock_max_mhz": gpu.sm_clock_max_mhz, "memory_clock_max_mhz": gpu.memory_clock_max_mhz,
        "encoder_percent": gpu.encoder_percent, "decoder_percent": gpu.decoder_percent,
        "ecc_uncorrected_volatile": gpu.ecc_uncorrected_volatile,
        "compute_capability": capability and [int(part) for part in capability.split(".")],
        "mig_enabled": on_off[gpu.mig_enabled],
        "bar1_total_bytes": gpu.bar1_total_bytes, "bar1_used_bytes": gpu.bar1_used_bytes,
        "fan_percent": gpu.fan_percent[0] if gpu.fan_percent else None,
    }  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_values_agree_with_nvitop(
    name: str, peers: Path, make_driver: MakeDriver, inv: CommandLine
) -> None:
    driver = make_driver(SCENARIOS[name])
    theirs = _run(peers / "python", "-c", NVITOP, **driver.variables)
    ours = _report(inv, driver.variables).gpus
    assert len(theirs) == len(ours)
    for their, our in zip(theirs, ours, strict=True):
        converted = _as_nvitop(our)
        if our.memory == "unified":  # nvitop shows the system's memory, under the GPU's name
            for field in ("memory_total_bytes", "memory_used_bytes", "memory_free_bytes"):
                del converted[field], their[field]
        assert converted == their


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "sick"])
def test_values_agree_with_gpustat(
    name: str, peers: Path, make_driver: MakeDriver, inv: CommandLine
) -> None:
    driver = make_driver(SCENARIOS[name])
    theirs = _run(peers / "gpustat", "--json", **driver.variables)
    report = _report(inv, driver.variables)
    assert theirs["driver_version"] == report.driver_version
    assert len(theirs["gpus"]) == len(report.gpus)
    for their, our in zip(theirs["gpus"], report.gpus, strict=True):
        expected = {
            "index": our.index, "uuid": our.uuid, "name": our.name,
            "temperature.gpu": our.temperature_c, "utilization.gpu": our.utilization_percent,
            "utilization.enc": our.encoder_percent, "utilization.dec": our.decoder_percent,
            "power.draw": None if our.power_w is None else int(our.power_w),
            "enforced.power.limit": our.power_limit_w and int(our.power_limit_w),
            "fan.speed": our.fan_percent[0] if our.fan_percent else None,
        }  # fmt: skip
        assert {key: their[key] for key in expected} == expected
        if our.memory == "own":
            memory = [our.memory_used_bytes or 0, our.memory_total_bytes or 0]
            assert [their["memory.used"], their["memory.total"]] == [m >> 20 for m in memory]
