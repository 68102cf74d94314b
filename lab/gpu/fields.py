"""Every single value that is read of a GPU: a row each. A new value is a new row, and a field of
the record in lab/records/gpu.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

# A function of nvidia-ml-py and its arguments after the GPU's handle; a name of nvidia-ml-py's
# among them stands for its value.
Call = tuple[Any, ...]

# Bits of nvmlClocksEventReasons, called nvmlClocksThrottleReasons before driver 535 (nvml.h), by
# the names that nvidia-smi gives them in clocks_event_reasons.
CLOCK_REASONS = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
_COMPUTE_MODES = {
    0: "default",
    1: "exclusive_thread",
    2: "prohibited",
    3: "exclusive_process",
}


class Field(NamedTuple):
    """One value.

    Args:
        name: with its unit; the record's name for it.
        calls: the first that this driver has is taken.
        smi: what `nvidia-smi --query-gpu` calls it; empty where it has no such key.
        scale: NVML's unit in ours.
        part: the member, or the position, of what the call returns; None takes the whole.
        convert: makes a word, or a list of words, of NVML's number.
        slow: the call takes 20 ms or more, and is made only on request.
    """

    name: str
    calls: tuple[Call, ...]
    smi: str = ""
    scale: float = 1
    part: str | int | None = None
    convert: Callable[[Any], Any] | None = None
    slow: bool = False


def clock_reasons(bits: int) -> list[str]:
    """Names of the bits that are on; an unknown one by its number."""
    known = [name for bit, name in CLOCK_REASONS.items() if bits & bit]
    rest = bits & ~sum(CLOCK_REASONS)
    return [*known, f"0x{rest:x}"] if rest else known


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _capability(pair: Any) -> str:
    return f"{pair[0]}.{pair[1]}"


def _performance_state(number: int) -> str | None:
    return f"P{number}" if 0 <= number <= 15 else None  # 32: unknown, says nvml.h


def _compute_mode(number: int) -> str:
    return _COMPUTE_MODES.get(number, str(number))


def _mode(number: int) -> bool:
    return bool(number)


def _cpus(words: Any) -> list[int]:
    """Numbers of the bits that are on in words of 64."""
    return [64 * i + bit for i, word in enumerate(words) for bit in range(64) if word >> bit & 1]


_MILLI, _NANO = 1e-3, 1e-9
_MEMORY: tuple[Call, ...] = (
    # The second version counts what the driver reserves apart; the first calls it used.
    ("nvmlDeviceGetMemoryInfo", "nvmlMemory_v2"),
    ("nvmlDeviceGetMemoryInfo",),
)
_BAR1 = (("nvmlDeviceGetBAR1MemoryInfo",),)
_UTILIZATION = (("nvmlDeviceGetUtilizationRates",),)
_REMAPPED = (("nvmlDeviceGetRemappedRows",),)
_ECC_MODE = (("nvmlDeviceGetEccMode",),)
_MIG_MODE = (("nvmlDeviceGetMigMode",),)
_LIMITS = (("nvmlDeviceGetPowerManagementLimitConstraints",),)


def _threshold(kind: str) -> tuple[Call, ...]:
    return (("nvmlDeviceGetTemperatureThreshold", f"NVML_TEMPERATURE_THRESHOLD_{kind}"),)


def _clock(kind: str) -> tuple[Call, ...]:
    return (("nvmlDeviceGetClockInfo", f"NVML_CLOCK_{kind}"),)


def _max_clock(kind: str) -> tuple[Call, ...]:
    return (("nvmlDeviceGetMaxClockInfo", f"NVML_CLOCK_{kind}"),)


def _ecc(kind: str, counter: str) -> tuple[Call, ...]:
    error = f"NVML_MEMORY_ERROR_TYPE_{kind}"
    return (("nvmlDeviceGetTotalEccErrors", error, f"NVML_{counter}_ECC"),)


def _violation(kind: str) -> tuple[Call, ...]:
    return (("nvmlDeviceGetViolationStatus", f"NVML_PERF_POLICY_{kind}"),)


def _throughput(kind: str) -> tuple[Call, ...]:
    return (("nvmlDeviceGetPcieThroughput", f"NVML_PCIE_UTIL_{kind}_BYTES"),)


FIELDS = (
    Field("name", (("nvmlDeviceGetName",),), "name", convert=_text),
    Field("uuid", (("nvmlDeviceGetUUID",),), "uuid", convert=_text),
    Field("serial", (("nvmlDeviceGetSerial",),), "serial", convert=_text),
    Field("minor_number", (("nvmlDeviceGetMinorNumber",),)),
    Field(
        "pci_bus_id", (("nvmlDeviceGetPciInfo_v3",), ("nvmlDeviceGetPciInfo",)), "pci.bus_id",
        part="busId", convert=_text,
    ),
    Field(
        "compute_capability", (("nvmlDeviceGetCudaComputeCapability",),), "compute_cap",
        convert=_capability,
    ),
    Field("vbios_version", (("nvmlDeviceGetVbiosVersion",),), "vbios_version", convert=_text),
    Field("numa_node", (("nvmlDeviceGetNumaNodeId",),)),
    Field("cpu_affinity", (("nvmlDeviceGetCpuAffinity", 16),), convert=_cpus),
    Field("memory_total_bytes", _MEMORY, "memory.total", part="total"),
    Field("memory_used_bytes", _MEMORY, "memory.used", part="used"),
    Field("memory_free_bytes", _MEMORY, "memory.free", part="free"),
    Field("memory_reserved_bytes", _MEMORY[:1], "memory.reserved", part="reserved"),
    Field("bar1_total_bytes", _BAR1, part="bar1Total"),
    Field("bar1_used_bytes", _BAR1, part="bar1Used"),
    Field("utilization_percent", _UTILIZATION, "utilization.gpu", part="gpu"),
    Field("memory_utilization_percent", _UTILIZATION, "utilization.memory", part="memory"),
    Field(
        "encoder_percent", (("nvmlDeviceGetEncoderUtilization",),), "utilization.encoder", part=0
    ),
    Field(
        "decoder_percent", (("nvmlDeviceGetDecoderUtilization",),), "utilization.decoder", part=0
    ),
    Field(
        "temperature_c",
        (
            ("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU"),
            ("nvmlDeviceGetTemperatureV", "NVML_TEMPERATURE_GPU"),
        ),
        "temperature.gpu",
    ),
    Field("temperature_slowdown_c", _threshold("SLOWDOWN")),
    Field("temperature_shutdown_c", _threshold("SHUTDOWN")),
    Field("temperature_max_c", _threshold("GPU_MAX")),
    Field("power_w", (("nvmlDeviceGetPowerUsage",),), "power.draw", _MILLI),
    Field(
        "power_limit_w", (("nvmlDeviceGetEnforcedPowerLimit",),), "enforced.power.limit", _MILLI
    ),
    Field(
        "power_limit_set_w", (("nvmlDeviceGetPowerManagementLimit",),), "power.limit", _MILLI
    ),
    Field(
        "power_limit_default_w", (("nvmlDeviceGetPowerManagementDefaultLimit",),),
        "power.default_limit", _MILLI,
    ),
    Field("power_limit_min_w", _LIMITS, "power.min_limit", _MILLI, part=0),
    Field("power_limit_max_w", _LIMITS, "power.max_limit", _MILLI, part=1),
    Field("energy_j", (("nvmlDeviceGetTotalEnergyConsumption",),), scale=_MILLI),
    Field(
        "performance_state", (("nvmlDeviceGetPerformanceState",),), "pstate",
        convert=_performance_state,
    ),
    Field("graphics_clock_mhz", _clock("GRAPHICS"), "clocks.current.graphics"),
    Field("sm_clock_mhz", _clock("SM"), "clocks.current.sm"),
    Field("memory_clock_mhz", _clock("MEM"), "clocks.current.memory"),
    Field("video_clock_mhz", _clock("VIDEO"), "clocks.current.video"),
    Field("graphics_clock_max_mhz", _max_clock("GRAPHICS"), "clocks.max.graphics"),
    Field("sm_clock_max_mhz", _max_clock("SM"), "clocks.max.sm"),
    Field("memory_clock_max_mhz", _max_clock("MEM"), "clocks.max.memory"),
    Field(
        "clock_event_reasons",
        (
            ("nvmlDeviceGetCurrentClocksEventReasons",),
            ("nvmlDeviceGetCurrentClocksThrottleReasons",),
        ),
        "clocks_event_reasons.active",
        convert=clock_reasons,
    ),
    Field("power_violation_s", _violation("POWER"), scale=_NANO, part="violationTime"),
    Field("thermal_violation_s", _violation("THERMAL"), scale=_NANO, part="violationTime"),
    Field(
        "pcie_generation", (("nvmlDeviceGetCurrPcieLinkGeneration",),), "pcie.link.gen.current"
    ),
    Field("pcie_generation_max", (("nvmlDeviceGetMaxPcieLinkGeneration",),), "pcie.link.gen.max"),
    Field("pcie_width", (("nvmlDeviceGetCurrPcieLinkWidth",),), "pcie.link.width.current"),
    Field("pcie_width_max", (("nvmlDeviceGetMaxPcieLinkWidth",),), "pcie.link.width.max"),
    Field("pcie_replays", (("nvmlDeviceGetPcieReplayCounter",),)),
    Field("pcie_sent_bytes_per_s", _throughput("TX"), scale=1024, slow=True),
    Field("pcie_received_bytes_per_s", _throughput("RX"), scale=1024, slow=True),
    Field("ecc_enabled", _ECC_MODE, "ecc.mode.current", part=0, convert=_mode),
    Field("ecc_enabled_pending", _ECC_MODE, "ecc.mode.pending", part=1, convert=_mode),
    Field(
        "ecc_corrected_volatile", _ecc("CORRECTED", "VOLATILE"),
        "ecc.errors.corrected.volatile.total",
    ),
    Field(
        "ecc_uncorrected_volatile", _ecc("UNCORRECTED", "VOLATILE"),
        "ecc.errors.uncorrected.volatile.total",
    ),
    Field(
        "ecc_corrected_aggregate", _ecc("CORRECTED", "AGGREGATE"),
        "ecc.errors.corrected.aggregate.total",
    ),
    Field(
        "ecc_uncorrected_aggregate", _ecc("UNCORRECTED", "AGGREGATE"),
        "ecc.errors.uncorrected.aggregate.total",
    ),
    Field("remapped_rows_corrected", _REMAPPED, "remapped_rows.correctable", part=0),
    Field("remapped_rows_uncorrected", _REMAPPED, "remapped_rows.uncorrectable", part=1),
    Field("remapped_rows_pending", _REMAPPED, "remapped_rows.pending", part=2, convert=_mode),
    Field("remapped_rows_failed", _REMAPPED, "remapped_rows.failure", part=3, convert=_mode),
    Field(
        "retired_pages_single_bit",
        (
            (
                "nvmlDeviceGetRetiredPages",
                "NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS",
            ),
        ),
        "retired_pages.sbe", convert=len,
    ),
    Field(
        "retired_pages_double_bit",
        (("nvmlDeviceGetRetiredPages", "NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR"),),
        "retired_pages.dbe", convert=len,
    ),
    Field(
        "retired_pages_pending", (("nvmlDeviceGetRetiredPagesPendingStatus",),),
        "retired_pages.pending", convert=_mode,
    ),
    Field(
        "persistence_enabled", (("nvmlDeviceGetPersistenceMode",),), "persistence_mode",
        convert=_mode,
    ),
    Field("compute_mode", (("nvmlDeviceGetComputeMode",),), "compute_mode", convert=_compute_mode),
    Field(
        "display_active", (("nvmlDeviceGetDisplayActive",),), "display_active", convert=_mode
    ),
    Field("mig_enabled", _MIG_MODE, "mig.mode.current", part=0, convert=_mode),
    Field("mig_enabled_pending", _MIG_MODE, "mig.mode.pending", part=1, convert=_mode),
)  # fmt: skip
