"""Records of a class: who is in it, and what its teacher is told."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Student(Struct, frozen=True, kw_only=True):
    """One student of a class."""

    login: str
    """What the student types, as `lab.hub.names.normal_login` makes it."""
    name: str
    """As the teacher wrote it."""
    key: str
    """Of the folder, the container and the page's address; no two students share one."""
    added: str = ""
    """When, in UTC; empty in a list that is not yet a class."""
    removed: str | None = None
    """When, in UTC; None while the student may log in."""


class StudentList(Struct, frozen=True, kw_only=True):
    """`students.json` of a class. Version 1 of the schema is the first."""

    schema: Literal["lab/students/1"] = "lab/students/1"
    students: list[Student]


class OneTime(Struct, frozen=True, kw_only=True):
    """A one-time password that a student has not replaced yet. Version 1 of the schema is the
    first."""

    schema: Literal["lab/one-time/1"] = "lab/one-time/1"
    hash: str
    given_utc: str
