"""Records one a line, in a file that several processes add to; none can spoil another's line."""

from pathlib import Path
from typing import TypeVar

import msgspec

from lab.errors import naming
from lab.records.unreadable import UNREADABLE

Record = TypeVar("Record", bound=msgspec.Struct)


def append_line(path: Path, record: msgspec.Struct) -> None:
    """Add a record, in one write.

    A writer that is killed leaves a whole line or none; a full disk may cut one short, so that each
    begins by ending the one before.
    """
    with naming(path), path.open("ab", buffering=0) as file:
        file.write(b"\n" + msgspec.json.encode(record) + b"\n")


def read_lines(path: Path, kind: type[Record]) -> list[Record]:
    """All records of a file, the oldest first; a line that was cut short costs itself alone.

    Raises:
        OSError: there is a file, and it cannot be read.
    """
    try:
        return parse_lines(path.read_bytes(), kind)
    except FileNotFoundError:
        return []


def parse_lines(data: bytes, kind: type[Record]) -> list[Record]:
    """All records of what a file holds, as `read_lines`."""
    found = []
    for line in data.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except UNREADABLE:
            continue
    return found
