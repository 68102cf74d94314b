"""Memory: the machine's, the limit of a cgroup, and what worker processes share."""

import os
from pathlib import Path

from lab.doctor.words import size
from lab.records.doctor import Finding

# JupyterLab takes 0.2 GB, each kernel with torch 0.4 GB before the first tensor; the browser and
# the system are on the same machine.
LEAST_MEMORY_BYTES = 4_000_000_000
# A DataLoader's workers hand batches over through /dev/shm; with the 64 MB that engines and some
# clusters give they die of a bus error. The lab gives its own containers 2 GiB.
LEAST_SHM_BYTES = 1 << 30


def check_memory(total_bytes: int, limit_bytes: int | None, engine_bytes: int | None) -> Finding:
    """Say whether there is memory for JupyterLab and a notebook with torch.

    Args:
        total_bytes: the machine's.
        limit_bytes: of the cgroup that this process is in, None without one.
        engine_bytes: what the container engine has, None without one. Docker Desktop's machine has
            less than the computer.
    """
    limits = {
        "the machine has": total_bytes,
        "a cgroup limits this process to": limit_bytes,
        "the container engine has": engine_bytes,
    }
    if engine_bytes is not None:  # containers are not in the cgroup of this process
        limits["a cgroup limits this process to"] = None
    known = {words: number for words, number in limits.items() if number is not None}
    words = min(known, key=lambda key: known[key])
    seen = f"{words} {size(known[words])} of memory"
    if known[words] >= LEAST_MEMORY_BYTES:
        return Finding(name="memory", status="ok", seen=seen)
    remedies = {
        "the machine has": "close other programs, and keep one notebook open at a time",
        "a cgroup limits this process to": "ask for more (Slurm: --mem=8G; systemd: MemoryMax=8G)",
        "the container engine has": (
            "give its machine more (Docker Desktop: Settings, Resources;"
            " podman machine set --memory 8192)"
        ),
    }
    return Finding(
        name="memory",
        status="warn",
        seen=seen,
        why=f"under {size(LEAST_MEMORY_BYTES)} a kernel with torch may be killed without a message",
        next=remedies[words],
    )


def check_shm(total_bytes: int | None, *, on_host: bool) -> Finding | None:
    """Say whether /dev/shm is large enough for the workers of a DataLoader.

    Args:
        total_bytes: its size; None where there is none, as on macOS.
        on_host: whether the lab uses the host's; a container of the lab has its own.
    """
    if total_bytes is None:
        return None
    seen = f"/dev/shm holds {size(total_bytes)}"
    if not on_host:
        return Finding(name="shm", status="ok", seen=f"{seen}; the lab's containers have their own")
    if total_bytes >= LEAST_SHM_BYTES:
        return Finding(name="shm", status="ok", seen=seen)
    return Finding(
        name="shm",
        status="warn",
        seen=seen,
        why=(
            "the workers of a DataLoader hand over their batches there, and die of a bus error when"
            " it is full"
        ),
        next=(
            "sudo mount -o remount,size=2G /dev/shm; in a container of your own: --shm-size=2g;"
            " or DataLoader(num_workers=0)"
        ),
    )


def shm_bytes(folder: Path = Path("/dev/shm")) -> int | None:
    """Size of the shared-memory folder, None where there is none."""
    if not folder.is_dir():
        return None
    found = os.statvfs(folder)
    return found.f_frsize * found.f_blocks


def cgroup_limit_bytes(root: Path = Path("/")) -> int | None:
    """The least memory limit of this process's cgroup and of those around it; None without one.

    Args:
        root: where /proc and /sys are.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _limits(line, root / "sys/fs/cgroup")]
    return min(limits, default=None)


def _limits(line: str, mounted: Path) -> list[int]:
    """Limits that a line of /proc/self/cgroup leads to: `0::/path`; version 1: `4:memory:/path`."""
    _, controllers, path = line.split(":", 2)
    if controllers == "":
        base, file = mounted, "memory.max"
    elif "memory" in controllers.split(","):
        base, file = mounted / "memory", "memory.limit_in_bytes"
    else:
        return []
    own = base / path.lstrip("/")
    folders = [own, *(parent for parent in own.parents if parent.is_relative_to(base))]
    return [limit for folder in folders if (limit := _read_limit(folder / file)) is not None]


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    # Version 1 writes no limit as the largest number of pages that it can count.
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None
