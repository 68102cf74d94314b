"""The errors that a person can cause, and can mend."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LabError(Exception):
    """Something could not be done: what happened, why, and what to do next.

    Args:
        what: one sentence, with the values seen.
        why: the cause, as far as it can be told.
        next_step: what the reader can do now.
    """

    exit_code = 2

    def __init__(self, what: str, *, why: str, next_step: str) -> None:
        """Keep the three parts."""
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        """The three lines that a person reads."""
        return f"{self.what}\n  why:  {self.why}\n  next: {self.next_step}"


class CheckFailed(LabError):
    """The command ran, and what it checked does not hold: exit code 3."""

    exit_code = 3


_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an error of the system name the file: one that comes after opening names none.

    Args:
        path: the file, or its folder.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def of_full_disk(error: OSError) -> LabError | None:
    """The error for a disk without room, which any write can meet; None for everything else."""
    if error.errno == errno.ENOENT and "usable temporary directory" in str(error):
        return _of_no_room_for_temporary_files()
    if error.errno not in _FULL:
        return None
    where = f" at {error.filename}" if error.filename else ""
    return LabError(
        f"The disk is full{where}.",
        why=str(error.strerror),
        next_step=(
            "free some space, then run the same command again; LAB_STATE=FOLDER puts the lab's own"
            " files elsewhere, --work FOLDER the student's"
        ),
    )


def _of_no_room_for_temporary_files() -> LabError:
    """Python tries each of them by writing a few bytes, and says no more than that."""
    return LabError(
        "There is no folder for temporary files.",
        why="nothing can be written in /tmp, /var/tmp or this folder: full, or read-only",
        next_step="free some space in /tmp, or name another folder: TMPDIR=FOLDER ./inv …",
    )
