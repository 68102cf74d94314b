"""Writes a record as JSON: to standard output, or to a file at once and whole."""

import contextlib
import os
from pathlib import Path

import msgspec

from lab.errors import LabError


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
    beside = path.parent / f".{path.name}.{os.getpid()}"
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in place of /dev/null
            raise _not_written(path, "it is not an ordinary file")
        _write_new(
            beside, text if text.endswith("\n") else text + "\n", 0o600 if private else 0o666
        )
        beside.replace(path)
    except BaseException as error:  # Ctrl-C too leaves nothing behind
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise _not_written(path, str(error.strerror)) from error
        raise


def _write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that has its mode, less the umask, from its first moment, and follows no
    link."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _not_written(path: Path, why: str) -> LabError:
    return LabError(
        f"The result could not be written to {path}.",
        why=why,
        next_step="name a file in a folder that exists and has room: --output FILE",
    )
