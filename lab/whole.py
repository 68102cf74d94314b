"""Writes a file so that every moment shows the old one or the new one, never half of one."""

import contextlib
import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# The end of its name while it is written; a process that is killed leaves it.
_UNFINISHED = ".new"
# Bytes of the file's own name in that; a name may have 255.
_MOST_BYTES = 200


def write_whole(
    path: Path, data: bytes, *, mode: int = 0o666, finish: Callable[[Path], None] = lambda _: None
) -> None:
    """Write a file beside its place, on the disk, then rename it; a failure leaves nothing.

    Args:
        path: the file; an older one is replaced, also where it is a link.
        data: what it is to hold.
        mode: of the file from its first moment, less the umask.
        finish: called with the file beside before it is renamed; what it raises keeps the old one.

    Raises:
        OSError: it could not be written, and is named; the old one is as it was.
    """
    with writing_whole(path, mode=mode, finish=finish) as file:
        file.write(data)


@contextlib.contextmanager
def writing_whole(
    path: Path, *, mode: int = 0o666, finish: Callable[[Path], None] = lambda _: None
) -> Iterator[IO[bytes]]:
    """The same for a file that is written piece by piece; it is in its place when the block ends.

    Raises:
        OSError: it could not be written; the old one is as it was.
    """
    beside = path.with_name(f"{_beginning(path)}{os.getpid()}{_UNFINISHED}")
    try:
        beside.unlink(missing_ok=True)
        # O_EXCL follows no link that somebody put there.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        finish(beside)
        beside.replace(path)
    except BaseException as error:  # Ctrl-C too leaves nothing behind
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(beside)):
            error.filename = str(path)
        raise


def unfinished(path: Path) -> Iterator[Path]:
    """What a process that was killed has left beside a file."""
    beginning = _beginning(path)
    for found in path.parent.glob(f"{glob.escape(beginning)}*{_UNFINISHED}"):
        if found.name.removeprefix(beginning).removesuffix(_UNFINISHED).isdigit():
            yield found


def _beginning(path: Path) -> str:
    name = os.fsencode(path.name)[:_MOST_BYTES].decode(errors="ignore")
    return f".{name}."
