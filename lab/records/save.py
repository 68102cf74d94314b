"""Writes a record as JSON: to standard output, or to a file at once and whole."""

import os
from pathlib import Path

import msgspec

from lab.errors import LabError


def to_json(record: msgspec.Struct) -> str:
    """A record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def save(text: str, path: Path, *, private: bool = False) -> None:
    """Write a file so that no moment shows half of it: beside it first, then renamed.

    Args:
        text: what to write.
        path: the file; an older one is replaced.
        private: only this user may read it.

    Raises:
        LabError: it could not be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            beside.chmod(0o600 if private else 0o644)
            file.write(text if text.endswith("\n") else text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise LabError(
            f"The result could not be written to {path}.",
            why=str(error.strerror),
            next_step="name a file in a folder that exists and has room: --output FILE",
        ) from error
