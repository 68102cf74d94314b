"""Who a process is: its user, command line and container, from /proc.

psutil knows the first two as well, but its import takes as long as reading eight GPUs.
"""

import os
import re
from typing import Any

# The inode of the first PID namespace, which is the host's (include/linux/proc_ns.h).
_HOST_PID_NAMESPACE = 0xEFFFFFFC
# Docker, Podman, containerd and CRI-O put the container's id, 64 hexadecimal digits, in the name
# of its control group.
_CONTAINER = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST_COMMAND = 4096


def owner(pid: int, proc: str = "/proc", *, on_host: bool | None = None) -> dict[str, Any]:
    """User, command line and container id of a process, as far as they can be seen.

    NVML counts processes as the host does, or as this container does, by the driver's version.
    Inside a container a number may therefore be another process's: it is believed only where that
    process has the GPU open.

    Args:
        pid: as NVML gives it.
        proc: where /proc is.
        on_host: whether this process counts processes as the host does; None finds out.
    """
    folder = f"{proc}/{pid}"
    if on_host is None:
        on_host = _in_first_namespace(proc)
    if not on_host and not _has_gpu_open(folder):
        return {}
    found: dict[str, Any] = {}
    try:
        found["user"] = _user(os.stat(folder).st_uid)  # noqa: PTH116 - pathlib costs its import
    except OSError:
        return {}  # it has ended
    if command := _read(f"{folder}/cmdline")[:_LONGEST_COMMAND].replace("\0", " ").strip():
        found["command"] = command
    elif name := _read(f"{folder}/comm").strip():
        found["command"] = name
    if container := _CONTAINER.findall(_read(f"{folder}/cgroup")):
        found["container_id"] = container[-1]
    return found


def _in_first_namespace(proc: str) -> bool:
    try:
        return os.stat(f"{proc}/self/ns/pid").st_ino == _HOST_PID_NAMESPACE  # noqa: PTH116
    except OSError:
        return True


def _has_gpu_open(folder: str) -> bool:
    return "nvidia" in _read(f"{folder}/maps")


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user of another system, as in a container
        return str(uid)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""
