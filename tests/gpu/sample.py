"""GPUs as read, for tests of what is made of them."""

from typing import Any

from msgspec.structs import replace

from lab.gpu.report import judge_wheel
from lab.gpu.snapshot import Snapshot
from lab.records.gpu import Gpu, NvLink, Wheel

WHEEL: Wheel = judge_wheel("580.65.06")
LINKS = [NvLink(link=number, active=True, version="4.0", remote="switch") for number in range(18)]
# An H100 at work, as NVML tells it; a test changes what it is about.
BUSY = Gpu(
    index=0, uuid="GPU-0", name="NVIDIA H100 80GB HBM3", compute_capability="9.0",
    pci_bus_id="00000000:1B:00.0", vbios_version="96.00.61", memory="own",
    memory_total_bytes=80 << 30, memory_used_bytes=40 << 30, utilization_percent=97,
    temperature_c=61, temperature_slowdown_c=87, temperature_shutdown_c=92, power_w=640.0,
    power_limit_w=700.0, power_limit_default_w=700.0, performance_state="P0", sm_clock_mhz=1755,
    sm_clock_max_mhz=1980, memory_clock_mhz=2619, memory_clock_max_mhz=2619,
    clock_event_reasons=["sw_power_cap"], pcie_generation=5, pcie_generation_max=5, pcie_width=16,
    pcie_width_max=16, ecc_enabled=True, ecc_uncorrected_volatile=0, remapped_rows_failed=False,
    remapped_rows_pending=False, persistence_enabled=True, mig_enabled=False, nvlinks=LINKS,
    fan_percent=[],
)  # fmt: skip
IDLE = replace(
    BUSY, utilization_percent=0, memory_used_bytes=1 << 30, temperature_c=32, power_w=71.0,
    performance_state="P8", sm_clock_mhz=345, clock_event_reasons=["gpu_idle"], pcie_generation=1,
)  # fmt: skip


def several(count: int, gpu: Gpu = BUSY, **of_the_last: Any) -> list[Gpu]:
    """Identical GPUs; the last one differs."""
    gpus = [
        replace(gpu, index=i, uuid=f"GPU-{i}", pci_bus_id=f"00000000:{i:02X}:00.0")
        for i in range(count)
    ]
    return [*gpus[:-1], replace(gpus[-1], **of_the_last)]


def snapshot(*gpus: Gpu, **words: Any) -> Snapshot:
    return Snapshot(
        **{"answers": True, "driver_version": "580.65.06", "cuda_version": 13000,
           "gpus": list(gpus), **words}
    )  # fmt: skip
