"""A student's progress, kept in the student's folder: a line of JSON for each attempt."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Literal

from lab.errors import LabError
from lab.records.course import Attempt, ExerciseProgress, StudentProgress
from lab.records.lines import append_line, read_lines

# What the course keeps beside the notebooks.
FOLDER = ".lab-course"
ATTEMPTS = "progress.jsonl"


def course_folder(start: Path) -> Path:
    """The folder that the course keeps its state in: of this folder, or of the nearest above it
    that has one."""
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return start / FOLDER


def not_yours(folder: Path, error: OSError) -> LabError:
    """The error for what the course keeps in a folder, where it may not be read or written."""
    own = folder / FOLDER
    return LabError(
        f"What the course keeps in {own} cannot be used.",
        why=f"{error.strerror}; another user, or root, may have made it",
        next_step=f"make it yours: sudo chown -R $(id -u):$(id -g) '{own}'; chmod -R u+rwX '{own}'",
    )


def note_attempt(start: Path, number: str, *, right: bool, mistake: str | None) -> None:
    """Add a line for an attempt; what was noted before is never touched.

    A folder that cannot be written costs the note, not the answer."""
    attempt = Attempt(
        exercise=number, right=right, mistake=mistake,
        at_utc=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )  # fmt: skip
    with contextlib.suppress(OSError):
        folder = course_folder(start)
        folder.mkdir(exist_ok=True)
        append_line(folder / ATTEMPTS, attempt)


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts noted in a student's folder, the oldest first.

    Raises:
        LabError: they are there and cannot be read: then nothing is known, which is not nothing.
    """
    try:
        return read_lines(folder / FOLDER / ATTEMPTS, Attempt)
    except OSError as error:
        raise not_yours(folder, error) from error


def progress_of(folder: Path, numbers: list[str]) -> StudentProgress:
    """What a student has done.

    Args:
        folder: the student's.
        numbers: all exercises of the course.
    """
    return progress_in(folder.name, read_attempts(folder), numbers)


def progress_in(student: str, attempts: list[Attempt], numbers: list[str]) -> StudentProgress:
    """What attempts come to.

    Args:
        student: what the record calls whose they are.
        attempts: the oldest first.
        numbers: all exercises of the course.
    """
    exercises = [_of_exercise(number, attempts) for number in numbers]
    return StudentProgress(
        student=student, right=sum(e.state == "right" for e in exercises),
        total=len(exercises), exercises=exercises,
    )  # fmt: skip


def _of_exercise(number: str, attempts: list[Attempt]) -> ExerciseProgress:
    """Right once is right for good: a later slip, in playing with the cell, takes nothing away."""
    own = [attempt for attempt in attempts if attempt.exercise == number]
    first = next((place for place, attempt in enumerate(own) if attempt.right), None)
    until = own if first is None else own[: first + 1]
    made = [attempt.mistake for attempt in until if attempt.mistake is not None]
    state: Literal["right", "wrong", "untried"] = "wrong" if own else "untried"
    return ExerciseProgress(
        number=number, state=state if first is None else "right", attempts=len(until),
        mistakes=list(dict.fromkeys(made)), right_utc=None if first is None else own[first].at_utc,
    )  # fmt: skip
