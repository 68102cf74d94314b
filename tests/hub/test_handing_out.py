"""The file from which one-time passwords are handed out."""

import csv
import io
from pathlib import Path

from lab.hub import passwords
from lab.hub.folder import enrol
from lab.hub.handing_out import write_passwords
from lab.hub.students import student_named
from lab.records.hub import Student

ANA, LUIS = student_named("Ana", "ana"), student_named("-Luis", "luis")


def silent(line: str) -> None:
    """Nobody listens."""


def rows(path: Path) -> dict[str, str]:
    told = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    assert told[0][:3] == ["name", "login", "one-time password"]
    return {row[1]: row[2] for row in told[1:]}


def give(place: Path, *students: Student) -> dict[str, str]:
    given = enrol(place, list(students), silent).new
    path = write_passwords(place, given)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert rows(path).items() >= {student.login: password for student, password in given}.items()
    return rows(path)


def test_passwords_that_wait_stay_in_the_file_and_used_ones_leave_it(tmp_path: Path) -> None:
    first = give(tmp_path, ANA)
    both = give(tmp_path, LUIS)
    assert both.items() > first.items()
    passwords.used(tmp_path, ANA.key)
    again = passwords.give(tmp_path, LUIS.key)
    path = write_passwords(tmp_path, [(LUIS, again)])
    assert path is not None
    assert rows(path) == {"luis": again}
    assert "'-Luis" in path.read_text("utf-8-sig")


def test_nobody_new_makes_no_file(tmp_path: Path) -> None:
    assert write_passwords(tmp_path, []) is None
    assert not (tmp_path / "passwords.csv").exists()


def test_file_that_a_spreadsheet_spoilt_is_begun_anew(tmp_path: Path) -> None:
    give(tmp_path, ANA)
    (tmp_path / "passwords.csv").write_bytes(b"\xff\xfe\x00name;login\n")
    assert set(give(tmp_path, LUIS)) == {"luis"}
