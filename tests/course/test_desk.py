"""One command's changes in a folder: only what was written is kept to be taken back, one command at
a time, and only in a folder that is the student's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.course import formats
from lab.errors import LabError
from tests.course.shelves import Course, edit, files, place, sources_of, states, undo, update
from tests.fakes import NOBODY, AsNobody

Save = Callable[[int], list[bytes]]


@pytest.fixture
def save_meanwhile(student: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """The student saves between the reading and the writing, so many times; gives what was
    saved."""

    def begin(times: int) -> list[bytes]:
        real, saved = formats.stamp, []

        def save(path: Path) -> formats.Stamp | None:
            if (
                len(saved) < times
                and path.name == "1-one.ipynb"
                and list(path.parent.glob(".*.new"))
            ):
                edit(path, "exercise-1-1-answer", f"saved meanwhile {len(saved)}")
                saved.append(path.read_bytes())
            return real(path)

        monkeypatch.setattr(formats, "stamp", save)
        return saved

    return begin


def test_file_saved_while_it_is_merged_is_merged_again(
    student: Path, course: Course, save_meanwhile: Save
) -> None:
    course.change("1-one", "x = 1", "x = 2")
    saved = save_meanwhile(1)
    assert states(update(student))["1-one.ipynb"] == "updated"
    assert saved
    assert sources_of(student / "1-one.ipynb")[1:] == ["x = 2", "saved meanwhile 0"]
    # What was about to be written first never was: there is one thing to take back.
    assert states(undo(student)) == {"1-one.ipynb": "restored"}
    assert (student / "1-one.ipynb").read_bytes() == saved[0]


def test_file_that_is_saved_again_and_again_is_left_and_not_taken_back(
    student: Path, course: Course, save_meanwhile: Save
) -> None:
    course.change("1-one", "x = 1", "x = 2")
    saved = save_meanwhile(1000)
    assert states(update(student))["1-one.ipynb"] == "busy"
    assert (student / "1-one.ipynb").read_bytes() == saved[-1]
    with pytest.raises(LabError, match="no update to take back"):
        undo(student)
    assert (student / "1-one.ipynb").read_bytes() == saved[-1]


@pytest.mark.root
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o755), (NOBODY, 0o000), (NOBODY, 0o555)])
def test_folder_that_is_not_the_students_is_an_error_that_says_how_to_make_it_theirs(
    course: Course, entered_by_all: Path, as_nobody: AsNobody, owner: int, mode: int
) -> None:
    """As `sudo inv course` of an earlier version, or a copy with its modes, leaves it."""
    os.chown(entered_by_all, NOBODY, NOBODY)
    place(entered_by_all)  # all that root makes there is the student's
    kept = entered_by_all / ".lab-course"
    for path in (kept, *kept.rglob("*")):
        os.chown(path, owner, owner)
    kept.chmod(mode)
    before = files(entered_by_all)
    for command in (place, update, undo):
        with as_nobody(), pytest.raises(LabError, match="cannot be used") as caught:
            command(entered_by_all)
        assert caught.value.why.startswith("Permission denied")
        assert f"sudo chown -R $(id -u):$(id -g) '{kept}'" in caught.value.next_step
    assert files(entered_by_all) == before


@pytest.mark.root
def test_lock_of_another_user_is_an_error_too(
    course: Course, entered_by_all: Path, as_nobody: AsNobody
) -> None:
    os.chown(entered_by_all, NOBODY, NOBODY)
    place(entered_by_all)  # all that root makes there is the student's
    lock = entered_by_all / ".lab-course" / "lock"
    os.chown(lock, 0, 0)
    lock.chmod(0o644)
    with as_nobody(), pytest.raises(LabError, match="cannot be used"):
        place(entered_by_all)
