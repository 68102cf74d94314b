"""Reads a student's folder as somebody with more rights may: nothing that the student puts there
leads out of it, or makes the reader wait.

Every path is opened part by part, and no link is followed, also where a folder becomes one between
a look and the reading. What is no ordinary file or folder is not opened.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DEEPEST = 30
_MOST_ENTRIES = 100_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotOrdinary(OSError):
    """What is there is no ordinary file; `strerror` says what it is."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something in a folder.

    Args:
        way: the names from the student's folder to it.
        size_bytes: of a file.
        why: why it cannot be read; empty for a file that can be tried.
        failed: it should have been readable, and is not.
    """

    way: tuple[str, ...]
    size_bytes: int = 0
    why: str = ""
    failed: bool = False


def read(folder: Path, way: tuple[str, ...], most_bytes: int) -> bytes:
    """Read a file in a student's folder.

    Args:
        folder: the student's.
        way: the names from there to the file.
        most_bytes: a longer one is refused.

    Raises:
        NotOrdinary: it is no ordinary file, or too large.
        OSError: it is not there, or may not be read.
    """
    at = os.open(folder, _FOLDER)
    try:
        for name in way[:-1]:
            deeper = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = deeper
        refuse_odd(os.stat(way[-1], dir_fd=at, follow_symlinks=False).st_mode)
        number = os.open(way[-1], _FILE, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(number, "rb") as file:
        refuse_odd(os.fstat(number).st_mode)  # it may be another by now
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise NotOrdinary(0, f"it has more than {most_bytes:,} bytes")
    return data


def refuse_odd(mode: int) -> None:
    """Refuse what is no ordinary file.

    Raises:
        NotOrdinary: says what it is.
    """
    if not stat.S_ISREG(mode):
        raise NotOrdinary(0, _kind(mode))


def walk(folder: Path) -> Iterator[Entry]:
    """All that is in a student's folder, except what is hidden (its name begins with a dot).

    What cannot be looked into comes with the reason; so does the first of what is too much.
    """
    try:
        at = os.open(folder, _FOLDER)
    except OSError as error:
        yield Entry(way=(), why=str(error.strerror), failed=True)
        return
    for count, entry in enumerate(_inside(at, ()), start=1):
        if count > _MOST_ENTRIES:
            yield Entry(way=entry.way, why=f"there are more than {_MOST_ENTRIES:,} files")
            return
        yield entry


def _inside(at: int, way: tuple[str, ...]) -> Iterator[Entry]:
    """What is in an open folder, which is closed at the end."""
    try:
        with os.scandir(at) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if not name.startswith("."):
                yield from _one(at, name, (*way, name))
    finally:
        os.close(at)


def _one(at: int, name: str, way: tuple[str, ...]) -> Iterator[Entry]:
    try:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            refuse_odd(found.st_mode)
            yield Entry(way=way, size_bytes=found.st_size)
            return
        if len(way) >= _DEEPEST:
            yield Entry(way=way, why=f"it lies deeper than {_DEEPEST} folders")
            return
        deeper = os.open(name, _FOLDER, dir_fd=at)
    except NotOrdinary as odd:
        yield Entry(way=way, why=str(odd.strerror))
    except OSError as error:
        yield Entry(way=way, why=str(error.strerror), failed=True)
    else:
        yield from _inside(deeper, way)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "it is a link"
    return "it is a folder" if stat.S_ISDIR(mode) else "it is a device, a pipe or a socket"
