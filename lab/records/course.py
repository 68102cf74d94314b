"""Records of the course: attempts, progress, and what an update did."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lab.language import Language


class Attempt(Struct, frozen=True, kw_only=True):
    """One answer to one exercise."""

    exercise: str
    right: bool
    mistake: str | None = None
    """The mistake that was recognised, or a general one such as `shape`."""
    at_utc: str


class ChangeReport(Struct, frozen=True, kw_only=True):
    """A change of the teacher's that an update did not apply, or that is in the notebook twice."""

    kind: Literal[
        "both", "deleted", "gone", "removed", "outputs", "metadata", "moved", "broken"
    ]  # fmt: skip
    """`both` changed the cell: it is there twice. `deleted` by the student and changed by the
    teacher: it is there again; `gone`: what the teacher changed of one that the student deleted was
    no text of it. `removed` by the teacher: it stays, since the student worked in it.
    `outputs`, `metadata`: both changed them, and the student's stay. `moved` by the teacher: the
    student's own order stays. `broken`: the file's JSON; what could be read was kept."""
    cell: str | None = None
    """Id of the cell; None for the notebook's own metadata."""
    text: str


State = Literal[
    "placed", "present", "updated", "current", "recovered", "open", "busy", "copy", "deleted",
    "retired", "restored", "removed", "kept", "read_only", "unreadable", "failed",
]  # fmt: skip


class NotebookChange(Struct, frozen=True, kw_only=True):
    """What a command did about one notebook.

    States: `placed` new; `present` already, untouched; `updated`; `current`, nothing to do;
    `recovered` from broken JSON; left alone since it is `open` in the lab, `busy` (saved all the
    while), `read_only`, `unreadable`, a student's own `copy`, `deleted` by the student, or
    `retired` from the course; `failed`, with the reason, which costs the others nothing. Of an
    update taken back: `restored`, `removed`, or `kept` since it was worked in."""

    notebook: str
    language: Language
    teacher: bool = False
    state: State
    reason: str | None = None
    """Why it failed."""
    file: str | None = None
    """Its path in the student's folder; None where there is none."""
    reports: list[ChangeReport] = []
    stale: list[str] = []
    """Ids of cells that came anew and still show what their earlier version gave."""
    backup: str | None = None
    """Folder of the state before, in the student's folder."""


class CourseReport(Struct, frozen=True, kw_only=True):
    """What `inv course` did. Version 1 of the schema is the first."""

    schema: Literal["lab/course/1"] = "lab/course/1"
    action: Literal["place", "update", "undo"]
    folder: str
    notebooks: list[NotebookChange]


class KeptFile(Struct, frozen=True, kw_only=True):
    """One file of an update; its states before and after lie beside the manifest."""

    path: str
    notebook: str
    language: Language
    teacher: bool = False
    before: str | None
    """SHA-256 of the file; None where there was none."""
    after: str


class Kept(Struct, frozen=True, kw_only=True):
    """The manifest of a backup."""

    made_utc: str
    files: list[KeptFile]
    undone: bool = False


class ExerciseProgress(Struct, frozen=True, kw_only=True):
    """What a student has done about one exercise."""

    number: str
    state: Literal["right", "wrong", "untried"]
    attempts: int
    """Until it was right for the first time, or all."""
    mistakes: list[str] = []
    """Those made, each once, in the order in which they were first made."""
    right_utc: str | None = None


class StudentProgress(Struct, frozen=True, kw_only=True):
    """One student's folder."""

    student: str
    """The folder's name."""
    right: int
    total: int
    exercises: list[ExerciseProgress]


class CourseProgress(Struct, frozen=True, kw_only=True):
    """Progress of one student or of a class. Version 1 of the schema is the first."""

    schema: Literal["lab/course-progress/1"] = "lab/course-progress/1"
    students: list[StudentProgress]
