"""A student's progress, kept in the student's folder: a line of JSON for each attempt."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from lab.records.course import Attempt, ExerciseProgress, StudentProgress

# What the course keeps beside the notebooks.
FOLDER = ".lab-course"
_FILE = "progress.jsonl"


def course_folder(start: Path) -> Path:
    """The folder that the course keeps its state in: of this folder, or of the nearest above it
    that has one."""
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return start / FOLDER


def note_attempt(start: Path, number: str, *, right: bool, mistake: str | None) -> None:
    """Add a line for an attempt; what was noted before is never touched.

    A folder that cannot be written costs the note, not the answer."""
    attempt = Attempt(
        exercise=number, right=right, mistake=mistake,
        at_utc=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )  # fmt: skip
    try:
        folder = course_folder(start)
        folder.mkdir(exist_ok=True)
        file = os.open(folder / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # One write: a kernel that is killed leaves a whole line or none. The line before may
            # have been cut by a full disk, so that each begins by ending it.
            os.write(file, b"\n" + msgspec.json.encode(attempt))
        finally:
            os.close(file)
    except OSError:
        return


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts noted in a student's folder, the oldest first; a line cut short is left out."""
    try:
        lines = (folder / FOLDER / _FILE).read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Attempt))
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            continue
    return found


def progress_of(folder: Path, numbers: list[str]) -> StudentProgress:
    """What a student has done.

    Args:
        folder: the student's.
        numbers: all exercises of the course.
    """
    attempts = read_attempts(folder)
    exercises = [_of_exercise(number, attempts) for number in numbers]
    return StudentProgress(
        student=folder.name, right=sum(e.state == "right" for e in exercises),
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
