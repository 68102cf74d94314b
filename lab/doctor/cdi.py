"""CDI specifications: can each be read, and does it still describe this machine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.doctor.words import few
from lab.engines.probe import CdiFile
from lab.records.doctor import Finding, Status

# The driver's own libraries carry its version in their name: libcuda.so.580.65.06.
_DRIVER_LIBRARY = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.(\d+\.\d+(?:\.\d+)?)$", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class CdiState:
    """One specification held against the machine.

    Args:
        path: its file.
        error: why it cannot be read; empty when it can.
        devices: names of the GPUs that it defines.
        drivers: the driver versions in its library names.
        gone: files and device nodes that it hands over and that are not there.
    """

    path: Path
    error: str = ""
    devices: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def read_cdi_state(file: CdiFile) -> CdiState:
    """Look up what a specification names on this machine."""
    if file.error:
        return CdiState(path=file.path, error=file.error)
    paths = list(dict.fromkeys(_host_paths(file.content)))
    drivers = {found[1] for path in paths if (found := _DRIVER_LIBRARY.search(path))}
    return CdiState(
        path=file.path,
        devices=file.devices,
        drivers=tuple(sorted(drivers)),
        gone=tuple(path for path in paths if not _is_there(Path(path))),
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # closed to this user, not to the engine
        return True


def _host_paths(content: dict[str, Any]) -> Iterator[str]:
    """Paths on the host that a specification hands over, for all GPUs and for single ones."""
    devices = _entries(content.get("devices"))
    for edits in (content.get("containerEdits"), *(d.get("containerEdits") for d in devices)):
        if not isinstance(edits, dict):
            continue
        for mount in _entries(edits.get("mounts")):
            yield from _text(mount.get("hostPath"))
        for node in _entries(edits.get("deviceNodes")):
            yield from _text(node.get("hostPath") or node.get("path"))


def _entries(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list; what a broken specification has in their place is passed over."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else []


def check_cdi(states: list[CdiState], running_driver: str | None, *, asked: bool) -> list[Finding]:
    """Say of each specification whether an engine can use it; nothing where there is none.

    Args:
        states: one for each file.
        running_driver: version of the driver that is loaded, None where it cannot be seen.
        asked: whether the GPU was asked for: then trouble is a failure.
    """
    status: Status = "fail" if asked else "warn"
    trouble = [
        found
        for state in states
        if (found := _check_file(state, running_driver, status)) is not None
    ]
    twice = _defined_twice(states, status)
    if trouble or twice:
        return [*trouble, *([twice] if twice else [])]
    if not states:
        return []
    count = len({name for state in states for name in state.devices})
    shown = few([str(state.path) for state in states])
    return [Finding(name="cdi", status="ok", seen=f"{shown}: {count} names, nothing missing")]


def _check_file(state: CdiState, running_driver: str | None, status: Status) -> Finding | None:
    renew = f"sudo nvidia-ctk cdi generate --output={state.path}"
    if state.error:
        return Finding(
            name="cdi", status=status, seen=f"{state.path} cannot be read: {state.error}",
            why="its GPUs cannot be given to a container",
            next=f"{renew}, then sudo chmod a+r {state.path}",
        )  # fmt: skip
    if not state.devices:
        return Finding(
            name="cdi", status=status, seen=f"{state.path} defines no GPU",
            why="a specification without devices gives nothing to a container", next=renew,
        )  # fmt: skip
    other = [version for version in state.drivers if running_driver not in (None, version)]
    if other:
        return Finding(
            name="cdi", status=status,
            seen=f"{state.path} is for driver {few(other)}, and {running_driver} is running",
            why="the driver was updated since: containers with the GPU do not start, or lack CUDA",
            next=renew,
        )  # fmt: skip
    if state.gone:
        return Finding(
            name="cdi", status=status,
            seen=f"{state.path} names what is not there: {few(list(state.gone))}",
            why="a container with the GPU does not start when one of its files is missing",
            next=f"{renew}; after a reboot first: sudo nvidia-smi",
        )  # fmt: skip
    return None


def _defined_twice(states: list[CdiState], status: Status) -> Finding | None:
    """Two files of one folder that define one name cancel out; a later folder's file wins."""
    seen: dict[tuple[Path, str], Path] = {}
    for state in states:
        for name in state.devices:
            first = seen.setdefault((state.path.parent, name), state.path)
            if first != state.path:
                return Finding(
                    name="cdi", status=status, seen=f"{first} and {state.path} both define {name}",
                    why="engines refuse a name that two files of one folder define",
                    next="remove the older of the two files",
                )  # fmt: skip
    return None
