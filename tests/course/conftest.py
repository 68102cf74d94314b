"""A course whose text can be changed, and a student who has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.course import source
from tests.course.shelves import Course, place


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Course]:
    yield Course(tmp_path / "sources", monkeypatch)
    source.sources.cache_clear()


@pytest.fixture
def student(tmp_path: Path, course: Course) -> Path:
    folder = tmp_path / "student"
    place(folder)
    return folder
