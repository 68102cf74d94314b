"""A class as spreadsheets and schools write it down."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.hub.students import read_class, student_named
from tests.damage import fuzzed, refused_or, spoilt_text

PLAIN = "name,login\nAna García,ana\nLuis Pérez,luis\n"


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "class.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def logins(folder: Path, content: bytes | str) -> list[tuple[str, str]]:
    return [(student.name, student.login) for student in read_class(write(folder, content))]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),  # Excel's CSV UTF-8
        PLAIN.replace(",", ";").encode("cp1252"),  # Excel's CSV in Spain
        PLAIN.replace(",", "\t").encode("utf-16"),  # Excel's Unicode text
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        ("sep=;\n" + PLAIN.replace(",", ";")).encode(),
        PLAIN.replace("\n", "\n\n , \n").encode(),  # empty lines
        b'"NOMBRE","Grupo","Usuario"\n"Ana Garc\xc3\xada","B","ana"\nLuis P\xc3\xa9rez,,luis',
        "Nombre;Apellido(s);Usuario\nAna;García;ana\nLuis;Pérez;luis\n".encode(),
        b"Login,Name\nANA ,Ana  Garc\xc3\xada\nluis,Luis Pe\xcc\x81rez\n",
    ],
)
def test_class_is_read_as_it_comes(tmp_path: Path, content: bytes) -> None:
    assert logins(tmp_path, content) == [("Ana García", "ana"), ("Luis Pérez", "luis")]


def test_login_is_the_address_or_made_of_the_name(tmp_path: Path) -> None:
    told = logins(tmp_path, "Nombre,Correo electrónico\nAna García,Ana@School.es\nLuis Pérez,\n")
    assert told == [("Ana García", "ana@school.es"), ("Luis Pérez", "luis.perez")]


def test_name_with_a_comma_is_one(tmp_path: Path) -> None:
    assert logins(tmp_path, 'name,login\n"García, Ana",ana\n') == [("García, Ana", "ana")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,login\nAna,ana\nAnna,ANA\n", "'Anna' has the login 'ana' of 'Ana' in line 2"),
        ("name\nAna García\n\nAna Garcia\n", "line 4: 'Ana Garcia' has the login 'ana.garcia'"),
        ("name\n...\n", "line 2: '...' gives no login"),
        ("name\nGarcÃ\xada\n", "saved in one encoding and read in another"),
        ("name\n" + "x" * 300, "longer than 200 signs"),
        ("name,login\nAna,eve-aaaaaaaaaa\n", "the form of a folder's name"),
        ("ana\nluis\n", "names no column that is known"),
        ("", "names no column that is known"),
        ("name\n", "no student is in it"),
        ('name\n"Ana', "unexpected end of data"),
        (b"PK\x03\x04...", "it is a spreadsheet"),
        (b"name\nAn\x81", "in no known encoding"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, content: bytes | str, words: str
) -> None:
    with pytest.raises(LabError) as caught:
        read_class(write(tmp_path, content))
    assert words in str(caught.value)
    assert caught.value.next_step


def test_all_wrong_lines_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        read_class(write(tmp_path, "name\n" + "Ana\n" * 8))
    assert caught.value.why.count("line ") == 10  # five, each with the line of the first
    assert "and 2 more" in caught.value.why


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert refused_or(lambda: read_class(tmp_path / name))


@fuzzed
@given(content=spoilt_text(PLAIN.encode()))
def test_damaged_class_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    refused_or(lambda: read_class(path))
    assert path.read_bytes() == content


@given(st.text(max_size=40), st.text(max_size=40))
def test_student_who_is_typed_is_taken_or_refused(name: str, login: str) -> None:
    refused_or(lambda: student_named(name, login))
