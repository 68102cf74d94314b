"""Whether the GPUs that were here at the start of the lab still are.

A daemon-reload of systemd on the host takes them from a running container; nothing inside notices
before torch fails. `python -m lab.gpu.presence FILE` is what the image's health check asks: the
first time, a second after the start, it notes the GPUs in the file. (The server does not: a process
that it starts looks like a second server for a moment.)
"""

import sys
from pathlib import Path

import msgspec

from lab.gpu.read import read_gpus
from lab.gpu.snapshot import Snapshot
from lab.records.unreadable import UNREADABLE

_DEADLINE_S = 2.0
REMEDY = "make the lab anew: ./inv stop, then ./inv lab; what is saved in the work folder stays"


class _Present(msgspec.Struct, frozen=True, kw_only=True):
    """The GPUs at the start, by their UUIDs."""

    uuids: list[str]


def remember(path: Path) -> None:
    """Note which GPUs are here; where none is, that: none is missed later."""
    uuids = sorted(_uuids(read_gpus(deadline_s=_DEADLINE_S)))
    path.write_bytes(msgspec.json.encode(_Present(uuids=uuids)))


def find_missing(path: Path) -> str:
    """What has become of the GPUs that were noted; empty where all are here, or none was."""
    try:
        before = msgspec.json.decode(path.read_bytes(), type=_Present)
    except (OSError, *UNREADABLE):
        return ""
    if not before.uuids:
        return ""
    now = read_gpus(deadline_s=_DEADLINE_S)
    if not now.answers:
        seen = f"NVML answers {now.detail!r} ({now.code})"
        return f"the lab has lost its {_count(before.uuids)}: {seen}, as after a daemon-reload"
    gone = [uuid for uuid in before.uuids if uuid not in _uuids(now)]
    return f"the lab has lost {_count(gone)}: {', '.join(gone)}" if gone else ""


def _count(uuids: list[str]) -> str:
    return "GPU" if len(uuids) == 1 else f"{len(uuids)} GPUs"


def _uuids(snapshot: Snapshot) -> set[str]:
    return {gpu.uuid for gpu in snapshot.gpus if gpu.uuid}


def main(argv: list[str]) -> int:
    """Note the GPUs the first time, then say what is missing; 1 where something is, as a health
    check ends."""
    path = Path(argv[0])
    if not path.exists():
        remember(path)
    trouble = find_missing(path)
    if trouble:
        print(f"{trouble}. Remedy: {REMEDY}")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
