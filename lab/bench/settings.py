"""How a machine is set up beneath the system: what its BIOS and its administrator chose for power,
clock and memory, as far as Linux shows it to everybody."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab.records.bench import HostSettings

_CPU = "sys/devices/system/cpu"
_POLICIES = f"{_CPU}/cpufreq"


def read_settings(root: Path = Path("/")) -> HostSettings:
    """Read the settings; what cannot be read is null.

    Args:
        root: where /proc and /sys are.
    """
    khz = [int(text) for text in _of_policies(root, "scaling_max_freq") if text.isdecimal()]
    return HostSettings(
        bios=_text(root / "sys/class/dmi/id/bios_version"),
        microcode=_microcode(root),
        governor=_together(_of_policies(root, "scaling_governor")),
        energy_preference=_together(_of_policies(root, "energy_performance_preference")),
        max_clock_hz=max(khz) * 1e3 if khz else None,
        boost=_boost(root),
        smt=_text(root / _CPU / "smt/control"),
        numa_nodes=len([*(root / "sys/devices/system/node").glob("node[0-9]*")]) or None,
        transparent_hugepages=_chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
    )


def _of_policies(root: Path, name: str) -> list[str]:
    """What the processors have, those with a clock in common once."""
    found = (_text(path) for path in (root / _POLICIES).glob(f"policy*/{name}"))
    return [value for value in found if value]


def _together(values: Iterable[str]) -> str | None:
    """The value that all have; where they differ, all values."""
    return ", ".join(sorted(set(values))) or None


def _boost(root: Path) -> bool | None:
    """Whether a core may be faster than its nominal clock; Intel's driver says the opposite."""
    no_turbo = _text(root / _CPU / "intel_pstate/no_turbo")
    if no_turbo in ("0", "1"):
        return no_turbo == "0"
    boost = _text(root / _POLICIES / "boost")
    return boost == "1" if boost in ("0", "1") else None


def _microcode(root: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
        return _together(re.findall(r"^microcode\s*:\s*(\S+)", text, re.MULTILINE))
    return None


def _chosen(path: Path) -> str | None:
    """The word in brackets, as in `always [madvise] never`."""
    found = re.search(r"\[(\w+)\]", _text(path) or "")
    return found[1] if found else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
