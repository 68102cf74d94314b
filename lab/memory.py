"""How much memory a workload may take now, and what the control group of this process allows."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from lab.records.bench import CgroupLimits

# Version 1 writes no limit as the largest number of pages that it can count.
_NO_LIMIT = 1 << 60


def available_bytes(device: str, *, root: Path = Path("/"), torch: Any = None) -> int | None:
    """Memory that a workload may take now without anything being killed; None if nobody tells.

    Args:
        device: where its tensors live, in torch's words.
        root: where /proc and /sys are.
        torch: the module to ask about an accelerator; None imports it.
    """
    if device.partition(":")[0] == "cpu":
        return _host_bytes(root)
    try:
        return _device_bytes(device, torch)
    except (ImportError, AttributeError, AssertionError, RuntimeError):
        return None  # torch asserts that it was built for the device


def _device_bytes(device: str, torch: Any) -> int:
    if torch is None:
        import torch
    kind = device.partition(":")[0]
    module = getattr(torch, kind)
    if kind == "mps":
        return int(module.recommended_max_memory() - module.current_allocated_memory())
    free, _ = module.mem_get_info(device)
    # What torch keeps for later is not free in the driver's eyes, but it is for the next tensor.
    kept = module.memory_reserved(device) - module.memory_allocated(device)
    return int(free + kept)


def _host_bytes(root: Path) -> int | None:
    """The machine's free memory, or what the tightest control group has left, if that is less."""
    free = [_machine_bytes(root), *_left_bytes(root)]
    known = [number for number in free if number is not None]
    return max(0, min(known)) if known else None


def _machine_bytes(root: Path) -> int | None:
    available = _entry(root / "proc/meminfo", "MemAvailable:")
    if available is not None:
        return available * 1024
    return _psutil_bytes() if root == Path("/") else None


def _psutil_bytes() -> int | None:
    """On macOS, which has no /proc."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _left_bytes(root: Path) -> Iterator[int]:
    """What each group around this process has left: its limit, without what is used for good."""
    for version, folder in _folders(root, "memory"):
        limit = _memory_limit(version, folder)
        if limit is None:
            continue
        used, cached = ("memory.current", "inactive_file")
        if version == 1:
            used, cached = ("memory.usage_in_bytes", "total_inactive_file")
        # Files that were read and lie about count as used until somebody needs the room.
        reclaimable = _entry(folder / "memory.stat", cached) or 0
        yield limit - (_number(folder / used) or 0) + reclaimable


def cgroup_limits(root: Path = Path("/")) -> CgroupLimits:
    """The least limits of this process's control group and of those around it, versions 1 and 2.

    Args:
        root: where /proc and /sys are.
    """
    memory = [_memory_limit(version, folder) for version, folder in _folders(root, "memory")]
    cpus = [_cpu_limit(version, folder) for version, folder in _folders(root, "cpu")]
    return CgroupLimits(
        cpus=min((limit for limit in cpus if limit is not None), default=None),
        memory_bytes=min((limit for limit in memory if limit is not None), default=None),
    )


def _memory_limit(version: int, folder: Path) -> int | None:
    limit = _number(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))
    return limit if limit is not None and limit < _NO_LIMIT else None


def _cpu_limit(version: int, folder: Path) -> float | None:
    """Processors' worth of time in each period."""
    if version == 2:
        words = (_text(folder / "cpu.max") or "").split()
    else:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        words = [(quota or "").strip(), (period or "").strip()]
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None  # `max` in version 2, -1 in version 1: no limit
    quota_us, period_us = (int(word) for word in words)
    return quota_us / period_us if quota_us and period_us else None


def _folders(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """The version and the folder of this process's group, and of each around it that is seen."""
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3:
            continue
        version = 2 if parts[1] == "" else 1
        if version == 1 and controller not in parts[1].split(","):
            continue
        for base, own in _mounted(root, version, controller, PurePosixPath(parts[2])):
            yield version, own
            yield from ((version, up) for up in own.parents if up.is_relative_to(base))


def _mounted(
    root: Path, version: int, controller: str, path: PurePosixPath
) -> Iterator[tuple[Path, Path]]:
    """Where the hierarchy is mounted, and the group's folder below.

    A container without a namespace of its own sees the host's path in /proc/self/cgroup, and its
    group alone mounted: the mount's root, in mountinfo, is then a part of that path.
    """
    mounts = [(PurePosixPath(top), root / at.lstrip("/")) for top, at in
              _mounts(root, version, controller)]  # fmt: skip
    inside = [] if ".." in path.parts else [m for m in mounts if path.is_relative_to(m[0])]
    if inside:
        yield from ((base, base / path.relative_to(top)) for top, base in inside)
    else:
        yield from ((base, base) for _, base in mounts)


def _mounts(root: Path, version: int, controller: str) -> list[tuple[str, str]]:
    """Root and mount point of the hierarchies of a controller, as proc_pid_mountinfo(5) lists."""
    found = []
    for line in (_text(root / "proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        where, what = left.split(), right.split()
        if len(where) < 5 or len(what) < 3:
            continue
        if version == 2 and what[0] == "cgroup2":
            found.append((where[3], where[4]))
        if version == 1 and what[0] == "cgroup" and controller in what[2].split(","):
            found.append((where[3], where[4]))
    usual = "/sys/fs/cgroup" if version == 2 else f"/sys/fs/cgroup/{controller}"
    return found or [("/", usual)]


def _entry(file: Path, key: str) -> int | None:
    """The number that follows a word, in files of one such pair on each line."""
    for line in (_text(file) or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == key and words[1].isdigit():
            return int(words[1])
    return None


def _number(file: Path) -> int | None:
    text = (_text(file) or "").strip()
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
