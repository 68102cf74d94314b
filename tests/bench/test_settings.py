"""What a machine's BIOS and administrator chose, as Linux shows it."""

from pathlib import Path

import pytest

from lab.bench.settings import read_settings
from lab.records.bench import HostSettings

AMD = {
    "sys/class/dmi/id/bios_version": "2.7.3\n",
    "proc/cpuinfo": "processor\t: 0\nmicrocode\t: 0xa0011d5\n\nmicrocode\t: 0xa0011d5\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpufreq/policy1/scaling_governor": "performance\n",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq": "3700000\n",
    "sys/devices/system/cpu/cpufreq/policy1/scaling_max_freq": "3700000\n",
    "sys/devices/system/cpu/cpufreq/boost": "1\n",
    "sys/devices/system/cpu/smt/control": "off\n",
    "sys/devices/system/node/node0/cpulist": "0\n",
    "sys/devices/system/node/node1/cpulist": "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
}


def machine(root: Path, **changes: str) -> HostSettings:
    for name, text in {**AMD, **changes}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return read_settings(root)


def test_settings_are_read_from_proc_and_sys(tmp_path: Path) -> None:
    assert machine(tmp_path) == HostSettings(
        bios="2.7.3", microcode="0xa0011d5", governor="performance", max_clock_hz=3.7e9,
        boost=True, smt="off", numa_nodes=2, transparent_hugepages="madvise",
    )  # fmt: skip


@pytest.mark.parametrize(("text", "boost"), [("0", True), ("1", False), ("?", True)])
def test_intels_driver_says_the_opposite(tmp_path: Path, text: str, boost: bool) -> None:
    """What it does not say, the file of the others does."""
    found = machine(tmp_path, **{"sys/devices/system/cpu/intel_pstate/no_turbo": text})
    assert found.boost is boost


def test_processors_that_differ_are_all_told(tmp_path: Path) -> None:
    policy = "sys/devices/system/cpu/cpufreq/policy1"
    found = machine(
        tmp_path, **{f"{policy}/scaling_governor": "powersave", f"{policy}/scaling_max_freq": "1"}
    )
    assert (found.governor, found.max_clock_hz) == ("performance, powersave", 3.7e9)


def test_machine_that_shows_nothing_has_no_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == HostSettings()
