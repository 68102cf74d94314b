"""Records of a class: who is in it, and what its teacher is told."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lab.records.course import CourseReport


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


class LeftOut(Struct, frozen=True, kw_only=True):
    """Something in a student's folder that was not collected."""

    path: str
    why: str
    failed: bool = False
    """It should have been readable, and was not."""


class CollectedStudent(Struct, frozen=True, kw_only=True):
    """What was collected of one student."""

    login: str
    name: str
    key: str
    """The folder's name, also in the archive."""
    removed: bool
    right: int | None
    """Exercises of the course; None where `progress_unknown` says why."""
    total: int
    progress_unknown: str | None = None
    files: int
    bytes: int
    left_out: list[LeftOut] = []
    left_out_more: int = 0
    """How many more there are than are named."""
    receipt: Literal["same", "differs", "cannot tell"] | None = None
    """Of the image that the student's lab runs in, beside the clone's receipt."""
    receipt_unknown: str | None = None


class Collected(Struct, frozen=True, kw_only=True):
    """What `inv hub.collect` made. Version 1 of the schema is the first."""

    schema: Literal["lab/hub-collected/1"] = "lab/hub-collected/1"
    archive: str
    bytes: int
    made_utc: str
    students: list[CollectedStudent]


class StudentStatus(Struct, frozen=True, kw_only=True):
    """How a student is doing."""

    login: str
    name: str
    key: str
    """The folder's name in `work/`."""
    state: Literal["on", "off", "new"]
    """`new`: has not chosen a password yet."""
    since_utc: str | None = None
    last_seen_utc: str | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    cpu_percent: float | None = None
    """Of one core's time 100."""
    gpus: list[str] = []
    image: Literal["identical", "differs"] | None = None
    """Whether the lab is the class's image and cannot be changed; None where none runs."""
    right: int | None
    """Exercises of the course; None where `progress_unknown` says why."""
    total: int
    progress_unknown: str | None = None
    folder_bytes: int


class HubStatus(Struct, frozen=True, kw_only=True):
    """What `inv hub.status` tells. Version 1 of the schema is the first."""

    schema: Literal["lab/hub/1"] = "lab/hub/1"
    folder: str
    state: Literal["running", "down", "unknown"]
    reason: str | None = None
    """Why it is not known."""
    address: str | None = None
    image: str | None = None
    """Id of what labs are started from."""
    identical: bool | None = None
    """Whether that is this clone's own image; None where there is nothing to compare."""
    on: int
    removed: int
    students: list[StudentStatus]


class UpdatedStudent(Struct, frozen=True, kw_only=True):
    """What an update of the course did in one student's folder."""

    login: str
    key: str
    state: Literal["updated", "current", "left", "not_started", "old_image", "failed"]
    """`left`: some notebooks stayed as they were, see the report. `not_started`: the course comes
    with the first login. `old_image`: the lab runs an image with an older course, until it is
    started anew."""
    why: str | None = None
    course: CourseReport | None = None


class ClassUpdate(Struct, frozen=True, kw_only=True):
    """What `inv hub.update` did. Version 1 of the schema is the first."""

    schema: Literal["lab/hub-updated/1"] = "lab/hub-updated/1"
    students: list[UpdatedStudent]


class ClassChange(Struct, frozen=True, kw_only=True):
    """What `inv hub.add`, `hub.remove` or `hub.reset` did. Version 1 of the schema is the
    first."""

    schema: Literal["lab/hub-changed/1"] = "lab/hub-changed/1"
    action: Literal["add", "remove", "reset"]
    folder: str
    students: list[Student]
    """Whom it was done to."""
    passwords: str | None = None
    """File with the one-time passwords that were given."""
    unchanged: list[Student] = []
    """Who was in the class already."""
    removed: list[Student] = []
    """Who was removed before, and stays so."""
    note: str | None = None
