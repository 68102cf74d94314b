"""The file from which a teacher hands out one-time passwords: for the teacher alone."""

import csv
import io
import time
from pathlib import Path

from lab.hub import passwords
from lab.hub.names import key_of
from lab.hub.table import to_csv
from lab.records.hub import Student
from lab.whole import write_whole

_FILE = "passwords.csv"
_HEADING = ["name", "login", "one-time password", "given"]


def write_passwords(folder: Path, given: list[tuple[Student, str]]) -> Path | None:
    """Put new one-time passwords into the file; those that were used meanwhile leave it.

    Args:
        folder: the class's.
        given: to whom, and which.

    Returns:
        The file; None where nobody was given one.

    Raises:
        OSError: it could not be written.
    """
    if not given:
        return None
    path = folder / _FILE
    fresh = {student.key for student, _ in given}
    rows = [row for row in _rows(path) if _waits(folder, row, fresh)]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows += [[student.name, student.login, password, now] for student, password in given]
    write_whole(path, to_csv([_HEADING, *sorted(rows)]), mode=0o600)
    return path


def _rows(path: Path) -> list[list[str]]:
    """Those that are in the file; one that was spoilt in a spreadsheet is begun anew."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
    except (FileNotFoundError, UnicodeDecodeError, csv.Error):
        return []
    return [[cell.removeprefix("'") for cell in row] for row in rows[1:] if len(row) == 4]


def _waits(folder: Path, row: list[str], fresh: set[str]) -> bool:
    key = key_of(row[1])
    return key not in fresh and passwords.is_waiting(folder, key)
