"""Reads a class from a file of comma-separated values, as spreadsheets and schools write them."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.hub.names import KEY, key_of, login_from, normal_login
from lab.records.hub import Student

_MOST_BYTES = 5 << 20
_LONGEST = 200
_SHOWN = 5
# A column is known by its heading, without accents, capitals and signs.
_HEADINGS = {
    "name": "name", "nombre": "name", "student": "name", "alumno": "name", "alumna": "name",
    "estudiante": "name", "full name": "name", "nombre completo": "name", "first name": "name",
    "surname": "surname", "last name": "surname", "apellido": "surname", "apellidos": "surname",
    "apellido s": "surname",
    "login": "login", "user": "login", "username": "login", "usuario": "login", "cuenta": "login",
    "email": "email", "e mail": "email", "mail": "email", "correo": "email",
    "email address": "email", "correo electronico": "email", "direccion de correo": "email",
    "direccion de email": "email",
}  # fmt: skip


def read_class(path: Path) -> list[Student]:
    """Read the students of a class.

    The columns are found by their headings, in English or Spanish: a name (a surname in a column of
    its own is put behind it), and where there are any a login and an e-mail address. A student
    without a login has the e-mail address as such, or else one made of the name.

    Raises:
        LabError: it cannot be read, or students could be taken for one another; names the lines.
    """
    text = _text(path)
    rows = _rows(path, text)
    students: list[Student] = []
    wrong: list[str] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        try:
            student = _student(row)
            _refuse_double(student, line, lines, students)
        except ValueError as error:
            wrong.append(f"line {line}: {error}")
            continue
        lines[student.key] = line
        students.append(student)
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise LabError(
            f"The class in {path} cannot be taken as it is.",
            why="; ".join(wrong[:_SHOWN]) + more,
            next_step="mend these lines and run the same command again; nothing was changed",
        )
    if not students:
        raise _refused(path, "no student is in it", "write a line for each student below the first")
    return students


def student_named(name: str, login: str = "") -> Student:
    """One student, as typed.

    Raises:
        LabError: no student can be called so.
    """
    try:
        return _student({"name": name, "login": login})
    except ValueError as error:
        raise LabError(
            f"There can be no student {name or login!r}.", why=str(error),
            next_step="name the student: --name 'Ana García' --login ana",
        ) from error  # fmt: skip


def _text(path: Path) -> str:
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise _refused(path, "it is no file", "name the file: --students class.csv")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        words = str(error.strerror)
        raise _refused(path, words, "name the file: --students class.csv") from error
    if len(data) > _MOST_BYTES:
        raise _refused(path, f"it has more than {_MOST_BYTES >> 20} MB", "name another file")
    if data.startswith(b"PK\x03\x04") or data.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refused(
            path, "it is a spreadsheet", "save it from there as CSV UTF-8, and name that file"
        )
    codings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for coding in codings:
        try:
            return data.decode(coding)
        except UnicodeDecodeError:
            continue
    raise _refused(path, "its letters are in no known encoding", "save it as CSV UTF-8")


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each student's line number and what it says, by the kind of column; empty lines are none."""
    skipped = 1 if text.lower().startswith("sep=") else 0  # a word to spreadsheets
    text = "\n".join(text.splitlines()[skipped:])
    separator = max(",;\t", key=lambda sign: len(_columns(text.partition("\n")[0].split(sign))))
    rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        columns = _columns(next(rows, []))
        if not {"name", "login", "email"} & set(columns.values()):
            raise _refused(
                path, "its first line names no column that is known",
                "make the first line: name,login (the login may be missing), or nombre;apellidos",
            )  # fmt: skip
        for row in rows:
            told: dict[str, str] = {}
            for place, value in enumerate(row):
                if value.strip() and place in columns:
                    told[columns[place]] = value.strip()
            if told:
                yield rows.line_num + skipped, told
    except csv.Error as error:
        raise _refused(
            path, f"line {rows.line_num + skipped}: {error}", "save it as CSV UTF-8"
        ) from error


def _columns(headings: list[str]) -> dict[int, str]:
    """The kinds of columns, by their place; the first of a kind counts."""
    found: dict[int, str] = {}
    for place, heading in enumerate(headings):
        plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()
        words = " ".join("".join(c if c.isalnum() else " " for c in plain).split())
        kind = _HEADINGS.get(words)
        if kind and kind not in found.values():
            found[place] = kind
    return found


def _student(row: dict[str, str]) -> Student:
    """A student of what a line says.

    Raises:
        ValueError: it is none; the reason.
    """
    written = " ".join(filter(None, (row.get("name"), row.get("surname"))))
    name = " ".join(unicodedata.normalize("NFC", written).split())
    given = row.get("login") or row.get("email") or login_from(name)
    login = normal_login(given)
    for text in (name, given):
        if _is_garbled(text):
            raise ValueError(f"{text!r} was saved in one encoding and read in another")
    if not any(c.isalnum() for c in login):
        raise ValueError(f"{name or given!r} gives no login: none of its signs is a letter")
    if KEY.fullmatch(login):
        raise ValueError(f"the login {login!r} has the form of a folder's name, and could be one")
    if max(len(login), len(name)) > _LONGEST:
        raise ValueError(f"{(name or login)[:30]!r}... is longer than {_LONGEST} signs")
    return Student(login=login, name=name or given, key=key_of(login))


def _is_garbled(text: str) -> bool:
    """Whether UTF-8 was read as Latin-1: `GarcÃ­a`."""
    try:
        return text != text.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return "\N{REPLACEMENT CHARACTER}" in text


def _refuse_double(
    student: Student, line: int, lines: dict[str, int], students: list[Student]
) -> None:
    if student.key not in lines:
        return
    other = next(s for s in students if s.key == student.key)
    raise ValueError(
        f"{student.name!r} has the login {student.login!r} of {other.name!r} in line"
        f" {lines[student.key]}: give each a login of their own"
    )


def _refused(path: Path, why: str, next_step: str) -> LabError:
    return LabError(f"The class cannot be read from {path}.", why=why, next_step=next_step)
