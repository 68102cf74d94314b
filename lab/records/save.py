"""Writes a record as JSON: to standard output, or to a file at once and whole."""

from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.whole import write_whole


def to_json(record: msgspec.Struct, *, compact: bool = False) -> str:
    """A record as JSON: indented, or in one line where it holds many numbers."""
    encoded = msgspec.json.encode(record)
    return (encoded if compact else msgspec.json.format(encoded, indent=2)).decode()


def save(text: str, path: Path, *, private: bool = False) -> None:
    """Write a file so that no moment shows half of it: beside it first, then renamed.

    Args:
        text: what to write.
        path: the file; an older one is replaced.
        private: only this user may read it.

    Raises:
        LabError: it could not be written.
    """
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in place of /dev/null
            raise _not_written(path, "it is not an ordinary file")
        ended = text if text.endswith("\n") else text + "\n"
        write_whole(path, ended.encode(), mode=0o600 if private else 0o666)
    except OSError as error:
        raise _not_written(path, str(error.strerror)) from error


def _not_written(path: Path, why: str) -> LabError:
    return LabError(
        f"The result could not be written to {path}.",
        why=why,
        next_step="name a file in a folder that exists and has room: --output FILE",
    )
