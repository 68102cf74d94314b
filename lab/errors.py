"""The errors that a person can cause, and can mend."""

import errno


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


def of_full_disk(error: OSError) -> LabError | None:
    """The error for a disk without room, which any write can meet; None for everything else."""
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
