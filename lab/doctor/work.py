"""The student's work folder: is it there, whose is it, can it be written, is there room."""

import errno
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.doctor.words import few, size
from lab.records.doctor import Finding

# JupyterLab saves a notebook beside the old one; under this a course with its plots no longer fits.
LEAST_WORK_BYTES = 1_000_000_000
# Only the first entries are looked at: a folder of data may hold a million.
_MOST_ENTRIES = 1000


@dataclass(frozen=True, kw_only=True)
class WorkState:
    """A work folder as found.

    Args:
        path: the folder.
        kind: `folder`, `missing`, or `other`: a file, or a broken link.
        owner_uid: the owner's number; where it is missing, all this is of the folder around it.
        owner: the owner's name.
        refused: why a file could not be made in it; empty when it could.
        free_bytes: room for this user.
        locked: entries of the folder that this user may not write.
    """

    path: Path
    kind: str
    owner_uid: int = 0
    owner: str = ""
    refused: str = ""
    free_bytes: int = 0
    locked: tuple[str, ...] = ()


def read_work(path: Path) -> WorkState:
    """Look at a work folder, and make a file without a name there: rights alone do not tell.

    A network folder may refuse root, a disk may be full or read-only, a quota spent.
    """
    if not path.is_dir() and (path.exists() or path.is_symlink()):
        return WorkState(path=path, kind="other")
    missing = not path.exists()
    place = next(p for p in (path, *path.absolute().parents) if p.is_dir())
    uid = place.stat().st_uid
    return WorkState(
        path=path,
        kind="missing" if missing else "folder",
        owner_uid=uid,
        owner=_user_name(uid),
        refused=_try_file(place),
        free_bytes=_free_bytes(place),
        locked=() if missing else _locked(path),
    )


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _try_file(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_frsize * found.f_bavail


def _locked(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            names = [
                e.name for _, e in zip(range(_MOST_ENTRIES), entries, strict=False) if _is_locked(e)
            ]
    except OSError:
        return ()
    return tuple(sorted(names))


def _is_locked(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of somebody else's cannot be written; one's own may be so on purpose."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return plain and found.st_uid != os.geteuid() and not _may_write(entry.path)


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def check_work(state: WorkState, *, uid: int, as_owner: bool = False, wsl: bool = False) -> Finding:
    """Say whether a student's work can be saved, and belongs to the student afterwards.

    Args:
        state: the folder.
        uid: the number of the user who starts the lab.
        as_owner: the lab runs as the owner of the folder: root starts a container for a student.
        wsl: whether this is Windows' Linux, where /mnt/c is Windows' own disk.
    """
    if state.kind == "other":
        return _trouble(
            "fail", f"{state.path} is not a folder", "the lab saves its notebooks there",
            "move it away, or name another folder: --work FOLDER",
        )  # fmt: skip
    if state.refused:
        return _refused(state, uid)
    if state.free_bytes < LEAST_WORK_BYTES:
        return _trouble(
            "warn", f"{state.path} has {size(state.free_bytes)} left",
            "a notebook that cannot be saved is lost when the disk is full",
            "free some room, or name a folder on another disk: --work FOLDER",
        )  # fmt: skip
    if state.kind == "missing":
        return Finding(
            name="work", status="ok", seen=f"{state.path} is not there yet; it will be made"
        )
    return _shared(state, uid, as_owner) or _on_windows(state, wsl) or _fine(state)


def _trouble(status: str, seen: str, why: str, next_step: str) -> Finding:
    return Finding(
        name="work",
        status="fail" if status == "fail" else "warn",
        seen=seen,
        why=why,
        next=next_step,
    )


def _fine(state: WorkState) -> Finding:
    seen = f"{state.path} can be written, {size(state.free_bytes)} free"
    return Finding(name="work", status="ok", seen=seen)


def _refused(state: WorkState, uid: int) -> Finding:
    missing = state.kind == "missing"
    which = "cannot be made" if missing else "cannot be written"
    whose = "you" if state.owner_uid == uid else state.owner
    where = "the folder around it belongs" if missing else "it belongs"
    by_docker = ", as a folder does that Docker made by itself" if whose == "root" else ""
    return _trouble(
        "fail", f"{state.path} {which}: {state.refused}",
        f"nothing could be saved there; {where} to {whose}{'' if missing else by_docker}",
        f"{_remedy(state, uid)}name a folder of your own on a disk with room: --work FOLDER",
    )  # fmt: skip


def _remedy(state: WorkState, uid: int) -> str:
    if state.kind == "missing" or state.refused != os.strerror(errno.EACCES):
        return ""
    if state.owner_uid == uid:
        return f"chmod u+rwx {_quoted(state.path)}, or "
    return f'sudo chown -R "$(id -u):$(id -g)" {_quoted(state.path)}, or '


def _shared(state: WorkState, uid: int, as_owner: bool) -> Finding | None:
    if state.locked:
        return _trouble(
            "warn", f"{state.path} holds what you may not write: {few(list(state.locked))}",
            "saving these fails; an older run as root may have made them",
            f'sudo chown -R "$(id -u):$(id -g)" {_quoted(state.path)}',
        )  # fmt: skip
    if state.owner_uid == uid or as_owner:
        return None
    return _trouble(
        "warn", f"{state.path} belongs to {state.owner}, not to you, though you may write there",
        "what the lab saves may end up with an owner who is not the student",
        "run the lab as that user, or name a folder of your own: --work FOLDER",
    )  # fmt: skip


def _on_windows(state: WorkState, wsl: bool) -> Finding | None:
    parts = state.path.absolute().parts
    if not wsl or parts[1:2] != ("mnt",) or len(parts) < 3 or len(parts[2]) != 1:
        return None
    return _trouble(
        "warn", f"{state.path} is on Windows' own disk",
        "files there are ten times slower from Linux, and owners and rights are not kept",
        "use a folder in the Linux home: --work ~/work",
    )  # fmt: skip


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
