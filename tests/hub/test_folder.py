"""Who is in a class, and that nobody's files go with their name."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given

from lab.errors import LabError
from lab.hub import passwords
from lab.hub.folder import enrol, find, present, read_students, withdraw, work_of
from lab.hub.students import student_named
from tests.damage import fuzzed, refused_or, spoilt

ANA, LUIS = student_named("Ana García", "ana"), student_named("Luis", "luis")


def silent(line: str) -> None:
    """Nobody listens."""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_students_get_folders_and_passwords_and_the_others_keep_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    (_, first), = enrol(folder, [ANA], silent).new  # fmt: skip
    kept = work_of(folder, ANA) / "mine.txt"
    kept.write_text("mine")
    told = enrol(folder, [ANA, LUIS], silent)
    assert [s.login for s, _ in told.new] == ["luis"]
    assert [s.login for s in told.there] == ["ana"]
    assert passwords.fits(folder, ANA.key, first)
    assert kept.read_text() == "mine"
    assert [s.login for s in present(folder)] == ["ana", "luis"]


def test_folder_of_a_class_is_for_its_teacher_alone(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    enrol(folder, [ANA], silent)
    for path in (folder, folder / "work", folder / "hub", work_of(folder, ANA)):
        assert mode(path) == 0o700
    for path in (folder / "students.json", next((folder / "hub" / "one-time").iterdir())):
        assert mode(path) == 0o600
    assert work_of(folder, ANA).stat().st_uid != 0 or os.geteuid() != 0


def test_student_who_is_removed_keeps_the_folder_and_cannot_log_in(tmp_path: Path) -> None:
    (_, password), _ = enrol(tmp_path, [ANA, LUIS], silent).new
    kept = work_of(tmp_path, ANA) / "mine.txt"
    kept.write_text("mine")
    assert withdraw(tmp_path, ANA, silent).removed
    assert find(tmp_path, "ana") is None
    assert not passwords.fits(tmp_path, ANA.key, password)
    # The same list once more does not bring her back; the teacher's word does, to her own files.
    assert [s.login for s in enrol(tmp_path, [ANA], silent).removed] == ["ana"]
    assert find(tmp_path, "ana") is None
    assert [s.login for s, _ in enrol(tmp_path, [ANA], silent, again=True).new] == ["ana"]
    assert kept.read_text() == "mine"


def test_student_is_found_as_they_type(tmp_path: Path) -> None:
    enrol(tmp_path, [ANA], silent)
    for typed in ("ana", " ANA ", ANA.key):
        assert find(tmp_path, typed) is not None
    assert find(tmp_path, "eva") is None


def test_list_with_another_folder_in_it_is_not_believed(tmp_path: Path) -> None:
    enrol(tmp_path, [ANA], silent)
    path = tmp_path / "students.json"
    path.write_text(path.read_text().replace(ANA.key, "../../etc"))
    with pytest.raises(LabError, match="is not the login's"):
        read_students(tmp_path)


@fuzzed
@given(content=spoilt(b'{"schema": "lab/students/1", "students": [{"login": "ana", "name": "Ana",'
                      b' "key": "ana-etkls32y3j", "added": "", "removed": null}]}'))  # fmt: skip
def test_damaged_list_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "students.json").write_bytes(content)
    if refused_or(lambda: read_students(tmp_path)):
        assert refused_or(lambda: enrol(tmp_path, [LUIS], silent))
        assert (tmp_path / "students.json").read_bytes() == content
