"""The class as a table that spreadsheets open: who is how far."""

import csv
import io
from collections.abc import Mapping

from lab.records.course import StudentProgress
from lab.records.hub import CollectedStudent

# A cell that begins so is a formula to a spreadsheet, and may do what its writer wants.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(
    students: list[CollectedStudent], progress: Mapping[str, StudentProgress], numbers: list[str]
) -> bytes:
    """Make the table.

    Args:
        students: a line for each.
        progress: by the student's key; who is not in it has empty cells.
        numbers: all exercises, a column for each: `right` or `wrong` and after how many attempts.
    """
    heading = ["name", "login", "folder", "right", "of", *numbers, "files", "left out", "receipt"]
    rows = [heading]
    for student in students:
        told = progress.get(student.key)
        done = {e.number: e for e in told.exercises} if told else {}
        rows.append([
            student.name, student.login, student.key,
            "" if student.right is None else str(student.right), str(student.total),
            *(_cell(done[n].state, done[n].attempts) if n in done else "" for n in numbers),
            str(student.files), str(len(student.left_out) + student.left_out_more),
            student.receipt or "",
        ])  # fmt: skip
    return to_csv(rows)


def to_csv(rows: list[list[str]]) -> bytes:
    """Rows as bytes that Excel too reads as UTF-8; no cell of it is taken for a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([[harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8-sig")


def harmless(cell: str) -> str:
    """A cell's text, which no spreadsheet computes."""
    plain = cell.encode("utf-8", "backslashreplace").decode()
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def _cell(state: str, attempts: int) -> str:
    return "" if state == "untried" else f"{state} ({attempts})"
