"""Which of several identical GPUs differs from the others, although it should not."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from lab.gpu.load import is_busy
from lab.records.doctor import Finding
from lab.records.gpu import Gpu


class _Setting(NamedTuple):
    """What identical GPUs have in common, and how it is said and mended."""

    field: str
    words: str
    remedy: str


_SLOT = "reseat it, or see its slot's settings in the BIOS"
_SETTINGS = (
    _Setting("power_limit_w", "power limit of {} W", "sudo nvidia-smi -i {i} -pl {expected:.0f}"),
    _Setting("sm_clock_max_mhz", "maximum clock of {} MHz", "sudo nvidia-smi -i {i} -rgc"),
    _Setting(
        "memory_clock_max_mhz", "maximum memory clock of {} MHz", "sudo nvidia-smi -i {i} -rmc"
    ),
    _Setting("pcie_generation_max", "PCIe of generation {} at most", _SLOT),
    _Setting("pcie_width_max", "PCIe of {} lanes at most", _SLOT),
    _Setting("memory_total_bytes", "memory of {} bytes", "compare nvidia-smi -q of both"),
    _Setting("ecc_enabled", "ECC: {}", "sudo nvidia-smi -i {i} -e {expected:d}, then a reset"),
    _Setting(
        "persistence_enabled", "persistence mode: {}", "sudo nvidia-smi -i {i} -pm {expected:d}"
    ),
    _Setting("vbios_version", "VBIOS {}", "update it with the maker's tool"),
)  # fmt: skip
# Of GPUs under the same load one this much slower than their median, or this much hotter, stands
# out.
_SLOW, _HOTTER_C, _HOT_C = 0.8, 15, 70
_LEAST_BUSY = 3


def find_odd(gpus: Sequence[Gpu]) -> dict[int, list[Finding]]:
    """Findings for each GPU that differs from the others of its name, by its index.

    What most have is taken to be meant; where as many have one value as another, the larger.

    Args:
        gpus: those that could be read.
    """
    found: dict[int, list[Finding]] = {gpu.index: [] for gpu in gpus}
    for name in {gpu.name for gpu in gpus if gpu.name}:
        group = [gpu for gpu in gpus if gpu.name == name]
        if len(group) < 2:
            continue
        for setting in _SETTINGS:
            for gpu, expected in _differing(group, setting.field):
                found[gpu.index].append(_odd(gpu, setting, expected))
        for gpu, count in _differing(group, "active_links"):
            found[gpu.index].append(_fewer_links(gpu, count))
        for gpu in group:
            found[gpu.index] += _slower_or_hotter(gpu, group)
    return {index: findings for index, findings in found.items() if findings}


def _value(gpu: Gpu, field: str) -> Any:
    if field == "active_links":
        return None if gpu.nvlinks is None else sum(link.active for link in gpu.nvlinks)
    return getattr(gpu, field)


def _differing(group: list[Gpu], field: str) -> list[tuple[Gpu, Any]]:
    """The GPUs that have another value than the others, and the others' value."""
    values = {gpu.index: _value(gpu, field) for gpu in group}
    counts = Counter(value for value in values.values() if value is not None)
    if len(counts) < 2:
        return []
    expected = max(counts, key=lambda value: (counts[value], value))
    return [(g, expected) for g in group if values[g.index] not in (None, expected)]


def _odd(gpu: Gpu, setting: _Setting, expected: Any) -> Finding:
    value = getattr(gpu, setting.field)
    return Finding(
        name=f"odd_{setting.field}", status="warn",
        seen=f"{setting.words.format(_word(value))}; the others of its kind: {_word(expected)}",
        why="identical GPUs that are set differently do not compute alike",
        next=f"if that is not meant: {setting.remedy.format(i=gpu.index, expected=expected)}",
    )  # fmt: skip


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        return "on" if value else "off"
    return round(value) if isinstance(value, float) else value


def _fewer_links(gpu: Gpu, expected: int) -> Finding:
    count = _value(gpu, "active_links")
    return Finding(
        name="odd_nvlinks", status="fail" if count < expected else "warn",
        seen=f"{count} NVLinks are up; the others of its kind have {expected}",
        why="every exchange among the GPUs waits for the slowest",
        next="nvidia-smi nvlink -s; then reboot, and reseat the bridge or board",
    )  # fmt: skip


def _slower_or_hotter(gpu: Gpu, group: list[Gpu]) -> list[Finding]:
    from statistics import median  # with its fractions and decimals it takes as long as all else

    busy = [other for other in group if is_busy(other)]
    if len(busy) < _LEAST_BUSY or gpu not in busy:
        return []
    clocks = [other.sm_clock_mhz for other in busy if other.sm_clock_mhz]
    temperatures = [other.temperature_c for other in busy if other.temperature_c is not None]
    found = []
    if gpu.sm_clock_mhz and gpu.sm_clock_mhz < _SLOW * median(clocks):
        found.append(Finding(
            name="odd_clock", status="warn",
            seen=f"{gpu.sm_clock_mhz} MHz under load; the median of its kind is"
            f" {median(clocks):.0f} MHz",
            why="it computes more slowly than the others at work beside it",
            next=f"nvidia-smi -q -d PERFORMANCE,CLOCK -i {gpu.index} shows what holds it down",
        ))  # fmt: skip
    if (gpu.temperature_c or 0) >= max(_HOT_C, median(temperatures or [0]) + _HOTTER_C):
        found.append(Finding(
            name="odd_temperature", status="warn",
            seen=f"{gpu.temperature_c} °C under load; the median of its kind is"
            f" {median(temperatures):.0f} °C",
            why="its cooling is worse than the others'", next="see its fan, dust and airflow",
        ))  # fmt: skip
    return found
