"""Notebooks and what the course keeps of them, damaged at random: nothing of the student's is
lost."""

import json
import os
import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lab.course import keeping
from lab.course.checking import notebook_language
from lab.course.formats import decode
from tests.course.shelves import Course, edit, place, undo, update
from tests.damage import fuzzed, refused_or, spoilt

FINE = {"updated", "current", "recovered", "placed", "deleted", "copy"}


def _fresh(student: Path, course: Course) -> Path:
    """A student with work, before a newer version of the course."""
    if "x = 1" not in (course.folder / "1-one.md").read_text():
        course.change("1-one", "x = 2", "x = 1")
    shutil.rmtree(student, ignore_errors=True)
    place(student)
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "answer = 41")
    return student / "1-one.ipynb"


def _all_bytes(student: Path) -> set[bytes]:
    return {path.read_bytes() for path in student.rglob("*") if path.is_file()}


@fuzzed
@given(data=st.data())
def test_damaged_notebook_is_updated_or_left_and_kept_as_it_was(
    student: Path, course: Course, data: st.DataObject
) -> None:
    path = _fresh(student, course)
    content = data.draw(spoilt(path.read_bytes()))
    path.write_bytes(content)
    course.change("1-one", "x = 1", "x = 2")
    told: list[str | None] = []
    error = refused_or(
        lambda: told.extend(c.reason for c in update(student) if c.state not in FINE)
    )
    assert error is None
    assert not told
    assert content in _all_bytes(student)
    after = path.read_bytes()
    assert after == content or decode(after) is not None
    assert notebook_language({"JPY_SESSION_NAME": str(path)}) in ("es", "en")


@fuzzed
@given(data=st.data())
def test_damaged_version_or_manifest_loses_nothing_of_the_student(
    student: Path, course: Course, data: st.DataObject
) -> None:
    path = _fresh(student, course)
    before = path.read_bytes()
    kept = sorted((student / ".lab-course" / "versions").glob("1-one-en-*.ipynb"))
    version = data.draw(spoilt(kept[0].read_bytes()))
    kept[0].write_bytes(version)
    course.change("1-one", "x = 1", "x = 2")
    refused_or(lambda: update(student))
    assert before in _all_bytes(student)
    assert "answer = 41" in path.read_text()
    found = keeping.newest_backup(student)
    if found is not None:
        manifest = found[0] / "manifest.json"
        content = data.draw(spoilt(manifest.read_bytes()))
        manifest.write_bytes(content)
        refused_or(lambda: undo(student))
        assert before in _all_bytes(student)
        assert "answer = 41" in path.read_text()
        assert json.loads(path.read_bytes())


def test_what_is_no_file_is_no_notebook(student: Path, course: Course) -> None:
    os.mkfifo(student / "pipe.ipynb")
    (student / "folder.ipynb").mkdir()
    course.change("1-one", "x = 1", "x = 2")
    assert [change.state for change in update(student)] == ["updated", "current"]
