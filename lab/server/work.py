"""The student's folder: made first, as the student, and theirs afterwards."""

import contextlib
import os
import tempfile
from pathlib import Path

from lab.errors import LabError, of_full_disk
from lab.paths import ROOT, typed_path

_SYSTEM = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/run",
           "/sbin", "/sys", "/tmp", "/usr", "/var"}  # fmt: skip
_PRIVATE = 0o700  # what a student writes is for no other user of the machine


def prepare_work(folder: Path) -> Path:
    """Make the folder where it is missing, and check that files can be saved in it.

    One that is made here, and the clone's own before its first use, is for its user alone. The mode
    of any other is its owner's choice.

    Returns:
        Its absolute path.

    Raises:
        LabError: it is no folder, cannot be made, or cannot be written.
    """
    path = typed_path(str(folder))
    if os.path.realpath(path) in _SYSTEM:
        raise LabError(
            f"{path} belongs to the system, and is no folder for a student's work.",
            why="the lab could change every file in it",
            next_step="name a folder of your own: --work FOLDER",
        )
    if _exists(path) and not path.is_dir():
        raise LabError(
            f"The work folder is a file: {path}",
            why="the lab keeps a student's notebooks in a folder",
            next_step="name another one with --work FOLDER",
        )
    if not _exists(path):
        _make(path)
    elif path == ROOT / "work":
        with contextlib.suppress(OSError):  # another user's: whether it can be used is told next
            _close_new(path)
    _check_writable(path)
    return path


def _exists(path: Path) -> bool:
    """Whether there is such a path, as far as this user may look; pathlib raises where they may
    not."""
    return os.path.exists(path)  # noqa: PTH110


def _close_new(path: Path) -> None:
    """Close the folder of a fresh clone, which git made for all to read."""
    if [found.name for found in path.iterdir()] == [".gitkeep"]:
        path.chmod(_PRIVATE)


def _make(path: Path) -> None:
    missing = [p for p in (path, *path.parents) if not _exists(p)]
    try:
        path.mkdir(mode=_PRIVATE, parents=True)
    except OSError as error:
        raise LabError(
            f"The work folder cannot be made: {path}",
            why=f"{error.strerror} ({missing[-1].parent} belongs to {_owner(missing[-1].parent)})",
            next_step="name a folder that you may write to with --work FOLDER",
        ) from error
    uid, gid = caller()
    if os.geteuid() == 0 and uid != 0:  # by sudo: the folder is for the person, not for root
        for made in missing:
            os.chown(made, uid, gid)


def _check_writable(path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(4096))  # a full disk still takes an empty file
    except OSError as error:
        raise LabError(
            f"The work folder cannot be written: {path}",
            why=(
                f"{error.strerror}; it belongs to {_owner(path)}, and you are {_name(os.geteuid())}"
            ),
            next_step=_remedy(path, error),
        ) from error


def _remedy(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError) and path.stat().st_uid != os.geteuid():
        return (
            f"make it yours: sudo chown -R $(id -u):$(id -g) '{path}' - or name another: --work"
            " FOLDER"
        )
    if isinstance(error, PermissionError):
        return f"allow writing: chmod u+rwx '{path}' - or name another folder: --work FOLDER"
    if of_full_disk(error):
        return "free some space there, or name another folder: --work FOLDER"
    return "name another folder: --work FOLDER"


def _owner(path: Path) -> str:
    return _name(path.stat().st_uid)


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def caller() -> tuple[int, int]:
    """The person's user and group id: who called sudo, where root runs for somebody."""
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", os.environ["SUDO_UID"]))
    return os.geteuid(), os.getegid()


def container_user(work: Path, *, rootless: bool) -> str:
    """`uid:gid` that a container runs as, so that what it saves belongs to the person.

    Root that starts a lab on a student's folder runs it as that student.

    Args:
        work: the student's folder.
        rootless: the engine runs as the person, and uid 0 inside is the person outside.
    """
    if rootless:
        return "0:0"
    uid, gid = caller()
    if uid == 0 and work.exists():
        owner = work.stat()
        uid, gid = owner.st_uid, owner.st_gid
    return f"{uid}:{gid}"
