"""Two students never share a folder, and each finds their own again."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.hub.names import KEY, key_of, login_from, normal_login

SAME = [
    ("Ana", "ana"), (" ana ", "ana"), ("ana  garcía", "Ana García"), ("ａｎａ", "ana"),
    (unicodedata.normalize("NFD", "josé"), unicodedata.normalize("NFC", "josé")),
    ("ana\u200b", "ana"), ("\u202emohamed\u202c", "mohamed"), ("STRASSE", "straße"),
]  # fmt: skip
OTHERS = [
    "ana", "аna", "anа", "αna", "ana.", "ana-", ".ana", "../ana", "..", "a/na", "a\\na",
    "ana garcia", "ana garcía", "anagarcia", "1ana", "-", "ña", "na",
    "x" * 60, "x" * 61, "x" * 59 + "y", "con", "nul", "c:", "محمد", "محمود", "王伟", "王玮",
    "ı", "i", "ana@school.es", "$(ana)", "'", '"',
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_student_has_the_same_key(one: str, other: str) -> None:
    assert normal_login(one) == normal_login(other)
    assert key_of(one) == key_of(other)


def test_students_who_look_alike_have_keys_of_their_own() -> None:
    assert len({key_of(login) for login in OTHERS}) == len(OTHERS)


@given(st.text(), st.text())
def test_two_logins_share_a_key_only_where_they_are_one(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (normal_login(one) == normal_login(other))


@given(st.text())
def test_key_is_safe_everywhere(login: str) -> None:
    key = key_of(login)
    assert KEY.fullmatch(key)
    assert key.isascii()
    assert len(key) <= 31
    assert key == key.casefold()  # for file systems without upper case
    assert "--" not in key[-12:]


@given(st.text())
def test_login_is_in_its_normal_form_once_and_for_all(text: str) -> None:
    login = normal_login(text)
    assert normal_login(login) == login
    assert normal_login(unicodedata.normalize("NFD", login)) == login
    assert normal_login(login.lower()) == login  # as JupyterHub does
    made = login_from(text)
    assert normal_login(made) == made
    assert " " not in made


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("Ana García-López", "ana.garcia.lopez"), ("O'Brien, Seán", "o.brien.sean"),
        ("José María Ñúñez", "jose.maria.nunez"), ("Łukasz", "łukasz"), ("王伟", "王伟"),
        ("محمد علي", "محمد.علي"), ("../..", ""), ("Иван Й.", "иван.и"),
    ],
)  # fmt: skip
def test_login_of_a_name_is_easily_typed(name: str, login: str) -> None:
    assert login_from(name) == login
