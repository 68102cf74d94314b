"""The GPUs as text for a scraper, in Prometheus' exposition format 0.0.4.

Base units, as its naming rules ask for: bytes, watts, joules, celsius, hertz, ratios of one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from lab.records.gpu import Gpu, GpuReport


class _Metric(NamedTuple):
    """One metric: its name, its help, the record's field, and what that is in its unit."""

    name: str
    help: str
    field: str
    scale: float = 1
    kind: str = "gauge"


_MEGA, _PERCENT = 1e6, 0.01
_METRICS = (
    _Metric("memory_total_bytes", "Memory of the GPU.", "memory_total_bytes"),
    _Metric("memory_used_bytes", "Memory in use.", "memory_used_bytes"),
    _Metric(
        "utilization_ratio", "Share of the time in which a kernel ran.", "utilization_percent",
        _PERCENT,
    ),
    _Metric("temperature_celsius", "Temperature of the GPU.", "temperature_c"),
    _Metric("memory_temperature_celsius", "Temperature of its memory.", "memory_temperature_c"),
    _Metric("power_watts", "Power drawn.", "power_w"),
    _Metric("power_limit_watts", "Power limit in force.", "power_limit_w"),
    _Metric("energy_joules_total", "Energy since the driver was loaded.", "energy_j", 1, "counter"),
    _Metric("sm_clock_hertz", "Clock of the multiprocessors.", "sm_clock_mhz", _MEGA),
    _Metric("memory_clock_hertz", "Clock of the memory.", "memory_clock_mhz", _MEGA),
    _Metric("pcie_generation", "Generation of the PCIe link now.", "pcie_generation"),
    _Metric("pcie_width", "Lanes of the PCIe link now.", "pcie_width"),
    _Metric("pcie_replays_total", "Repeated PCIe transfers.", "pcie_replays", 1, "counter"),
    _Metric(
        "ecc_corrected_total", "Corrected ECC errors since the driver was loaded.",
        "ecc_corrected_volatile", 1, "counter",
    ),
    _Metric(
        "ecc_uncorrected_total", "Uncorrected ECC errors since the driver was loaded.",
        "ecc_uncorrected_volatile", 1, "counter",
    ),
    _Metric("remapped_rows_failed", "A row could not be replaced.", "remapped_rows_failed"),
    _Metric("remapped_rows_pending", "A reset would replace a row.", "remapped_rows_pending"),
    _Metric(
        "power_violation_seconds_total", "Time that the power limit held the clock down.",
        "power_violation_s", 1, "counter",
    ),
    _Metric(
        "thermal_violation_seconds_total", "Time that heat held the clock down.",
        "thermal_violation_s", 1, "counter",
    ),
)  # fmt: skip
_VERDICTS = ("ok", "warn", "fail")


def prometheus_text(report: GpuReport) -> str:
    """A report as metrics; what could not be read is left out, as the format asks for."""
    lines = [
        *_block("lab_gpu_driver_info", "The driver.", "gauge", [(_driver(report), 1)]),
        *_family("lab_gpu_info", "The GPU's names.", "gauge", report, _info),
        *_family("lab_gpu_verdict", "Its verdict: 1 at the one that holds.", "gauge", report,
                 _verdicts),
        *_family("lab_gpu_reason", "What is wrong with it, by name.", "gauge", report, _reasons),
        *_family("lab_gpu_processes", "Processes that have it open.", "gauge", report,
                 lambda gpu: [(_labels(gpu), len(gpu.processes))]),
        *_family("lab_gpu_fan_ratio", "Speed of each fan.", "gauge", report, _fans),
        *_family("lab_gpu_clock_event", "Why its clock is not at its maximum.", "gauge", report,
                 _clock_events),
        *_family("lab_gpu_nvlinks_active", "NVLinks that are up.", "gauge", report, _nvlinks),
    ]  # fmt: skip
    for metric in _METRICS:
        lines += _family(
            f"lab_gpu_{metric.name}", metric.help, metric.kind, report,
            partial(_value, metric),
        )  # fmt: skip
    return "\n".join(lines)


_Samples = list[tuple[str, float]]


def _family(
    name: str, text: str, kind: str, report: GpuReport, read: Callable[[Gpu], _Samples]
) -> Iterator[str]:
    yield from _block(name, text, kind, [sample for gpu in report.gpus for sample in read(gpu)])


def _block(name: str, text: str, kind: str, samples: _Samples) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        # repr keeps every digit of a float; whole numbers go without the point.
        number = repr(int(value)) if float(value).is_integer() else repr(float(value))
        yield f"{name}{{{labels}}} {number}"


def _labels(gpu: Gpu, **more: str | None) -> str:
    """The index and the UUID, under which everything of one GPU is found."""
    values = {"gpu": str(gpu.index), "uuid": gpu.uuid or "", **more}
    return ",".join(f'{name}="{_escaped(value or "")}"' for name, value in values.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _driver(report: GpuReport) -> str:
    values = {
        "driver_version": report.driver_version, "cuda_version": report.cuda_version,
        "nvml_version": report.nvml_version, "place": report.place,
    }  # fmt: skip
    return ",".join(f'{name}="{_escaped(value or "")}"' for name, value in values.items())


def _info(gpu: Gpu) -> _Samples:
    return [(_labels(gpu, name=gpu.name, pci_bus_id=gpu.pci_bus_id, serial=gpu.serial), 1)]


def _verdicts(gpu: Gpu) -> _Samples:
    return [(_labels(gpu, verdict=word), float(gpu.verdict == word)) for word in _VERDICTS]


def _reasons(gpu: Gpu) -> _Samples:
    return [(_labels(gpu, reason=reason.name, status=reason.status), 1) for reason in gpu.reasons]


def _fans(gpu: Gpu) -> _Samples:
    return [
        (_labels(gpu, fan=str(number)), percent / 100)
        for number, percent in enumerate(gpu.fan_percent or [])
    ]


def _clock_events(gpu: Gpu) -> _Samples:
    return [(_labels(gpu, event=name), 1) for name in gpu.clock_event_reasons or []]


def _nvlinks(gpu: Gpu) -> _Samples:
    if gpu.nvlinks is None:
        return []
    return [(_labels(gpu), sum(link.active for link in gpu.nvlinks))]


def _value(metric: _Metric, gpu: Gpu) -> _Samples:
    value = getattr(gpu, metric.field)
    return [] if value is None else [(_labels(gpu), value * metric.scale)]
