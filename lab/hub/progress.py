"""How far a student is in the course, read from a folder that the student may have tampered
with."""

from pathlib import Path

from lab.course.progress import ATTEMPTS, FOLDER, progress_in
from lab.hub import beneath
from lab.records.course import Attempt, StudentProgress
from lab.records.hub import Student
from lab.records.lines import parse_lines

# A term of hard work is under one.
_MOST_BYTES = 8 << 20


def progress_of(work: Path, student: Student, numbers: list[str]) -> StudentProgress:
    """A student's progress, as the folder tells it.

    Args:
        work: the student's folder.
        student: whose.
        numbers: all exercises of the course.

    Raises:
        OSError: it cannot be read: then nothing is known, which is not nothing.
    """
    try:
        data = beneath.read(work, (FOLDER, ATTEMPTS), _MOST_BYTES)
    except FileNotFoundError:
        data = b""
    return progress_in(student.key, parse_lines(data, Attempt), numbers)
