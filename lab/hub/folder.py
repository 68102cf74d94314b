"""The folder of a class: who is in it, and a work folder for each student that outlives all else.

class/                 for the teacher alone
  students.json        who is in the class
  passwords.csv        one-time passwords to hand out
  work/<key>/          a student's files
  hub/                 JupyterHub's own, and one-time passwords as hashes
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lab.errors import LabError
from lab.hub import passwords
from lab.hub.names import key_of, normal_login
from lab.paths import ROOT
from lab.records.hub import Student, StudentList
from lab.records.save import to_json
from lab.records.unreadable import UNREADABLE
from lab.turn import turn
from lab.whole import write_whole

Say = Callable[[str], None]
_FILE = "students.json"
# What containers run as where root makes the folders: the image's own user.
_STUDENT = 1000


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """What became of a list of students.

    Args:
        new: those who were not in the class, or are again, with their one-time passwords.
        there: those who were.
        removed: those whom the teacher removed before, and who stay so.
    """

    new: list[tuple[Student, str]]
    there: list[Student]
    removed: list[Student]


def class_default() -> Path:
    """The folder of the class when none is named."""
    return ROOT / "class"


def work_of(folder: Path, student: Student) -> Path:
    """A student's files."""
    return folder / "work" / student.key


def read_students(folder: Path) -> list[Student]:
    """All students of a class, also those who were removed; none where there is no class yet.

    Raises:
        LabError: the list is damaged, or cannot be read.
    """
    path = folder / _FILE
    try:
        students = msgspec.json.decode(path.read_bytes(), type=StudentList).students
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    except UNREADABLE as error:
        raise _unreadable(path, f"it is no whole document of lab/students/1: {error}") from error
    for student in students:
        _believe(path, student)
    if len({s.key for s in students}) < len(students):
        raise _unreadable(path, "two students in it have the same key")
    return students


def present(folder: Path) -> list[Student]:
    """The students who may log in."""
    return [student for student in read_students(folder) if student.removed is None]


def find(folder: Path, typed: str) -> Student | None:
    """The student of a login as it was typed, or of a key; None where none is in the class now."""
    login = normal_login(typed)
    return next((s for s in present(folder) if login in (s.login, s.key)), None)


def enrol(folder: Path, students: list[Student], say: Say, *, again: bool = False) -> Enrolled:
    """Take students into a class: a folder and a one-time password for each who is new.

    A hub that runs looks into the list at each login, so needs not be told.

    Args:
        folder: the class's; made where it is missing.
        students: whom; those who are in it already keep all that is theirs.
        say: takes lines of progress.
        again: also those who were removed before; they find their folder as it was.

    Raises:
        LabError: the list is damaged.
        OSError: something could not be written.
    """
    with changing(folder, say):
        known = {student.key: student for student in read_students(folder)}
        removed = [known[s.key] for s in students if s.key in known and known[s.key].removed]
        new = [s for s in students if s.key not in known or (again and known[s.key].removed)]
        given = [_take(folder, student) for student in new]
        for student, _ in given:
            known[student.key] = student
        _write(folder, list(known.values()))
        there = [known[s.key] for s in students if s not in new and not known[s.key].removed]
        return Enrolled(new=given, there=there, removed=[] if again else removed)


def withdraw(folder: Path, student: Student, say: Say) -> Student:
    """Take a student out of a class: they cannot log in any more, and their folder stays."""
    with changing(folder, say):
        gone = replace(student, removed=_now())
        known = {s.key: s for s in read_students(folder)} | {student.key: gone}
        _write(folder, list(known.values()))
        passwords.used(folder, student.key)
        return gone


@contextlib.contextmanager
def changing(folder: Path, say: Say) -> Iterator[None]:
    """Hold a class's folder while it is changed: one command at a time.

    Raises:
        LabError: it cannot be made or written.
    """
    try:
        _make_private(folder)
        _make_private(folder / "work")
        _make_private(folder / "hub")
        lock = turn(folder / "hub" / "lock", "another command is changing the class; waiting", say)
        held = contextlib.ExitStack()
        held.enter_context(lock)
    except OSError as error:
        raise LabError(
            f"The folder of the class cannot be used: {folder}", why=str(error.strerror),
            next_step="name one that is yours: --folder FOLDER, or run it as the class's owner",
        ) from error  # fmt: skip
    with held:
        yield


def _take(folder: Path, student: Student) -> tuple[Student, str]:
    work = work_of(folder, student)
    if not work.exists():
        work.mkdir(mode=0o700)
        uid, gid = owner()
        if os.geteuid() == 0:
            os.chown(work, uid, gid)
    return replace(student, added=_now(), removed=None), passwords.give(folder, student.key)


def owner() -> tuple[int, int]:
    """Whose the students' files are: the teacher's, whose clone this is; where root has no other
    behind it, the user of the image, so that no student's program runs as root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    if os.environ.get("SUDO_UID", "0") != "0" and os.environ["SUDO_UID"].isdigit():
        uid = int(os.environ["SUDO_UID"])
        return uid, int(os.environ.get("SUDO_GID", uid))
    return _STUDENT, _STUDENT


def _make_private(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)


def _write(folder: Path, students: list[Student]) -> None:
    ordered = sorted(students, key=lambda s: (s.login, s.key))
    write_whole(folder / _FILE, to_json(StudentList(students=ordered)).encode(), mode=0o600)


def _believe(path: Path, student: Student) -> None:
    """Take no list that was tampered with: a key names a folder."""
    if student.key != key_of(student.login):
        raise _unreadable(path, f"the key {student.key!r} is not the login's, {student.login!r}")


def _unreadable(path: Path, why: str) -> LabError:
    return LabError(
        f"The list of the class cannot be read: {path}", why=why,
        next_step="bring it back from a copy; without one move it away and enrol the class anew"
        " with ./inv hub.add --students class.csv: the same logins find the same folders",
    )  # fmt: skip


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
