"""Records of the course: attempts, progress, and what an update did."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Attempt(Struct, frozen=True, kw_only=True):
    """One answer to one exercise."""

    exercise: str
    right: bool
    mistake: str | None = None
    """The mistake that was recognised, or a general one such as `shape`."""
    at_utc: str


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
