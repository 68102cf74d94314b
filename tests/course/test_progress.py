"""Progress is kept in the student's folder, line by line, and survives what happens to files."""

from pathlib import Path

import pytest

from lab.course import check
from lab.course.exercise import exercises
from lab.course.progress import course_folder, note_attempt, progress_of, read_attempts
from lab.course_command import parse_order, progress
from lab.errors import LabError
from tests.fakes import AsNobody

NUMBERS = ["1.1", "1.2"]


def test_attempts_are_noted_where_the_course_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".lab-course").mkdir()
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    (number, exercise), *_ = exercises().items()
    check(number, exercise.mistakes[0].answer)
    check(number, exercise.right)
    check(number, ...)  # no attempt
    told = [(a.exercise, a.right, a.mistake) for a in read_attempts(tmp_path)]
    assert told == [(number, False, exercise.mistakes[0].name), (number, True, None)]


def test_first_right_answer_counts_for_good(tmp_path: Path) -> None:
    for right, mistake in ((False, "sign"), (False, "sign"), (False, "shape"), (True, None),
                           (False, "factor")):  # fmt: skip
        note_attempt(tmp_path, "1.1", right=right, mistake=mistake)
    told = progress_of(tmp_path, NUMBERS)
    assert (told.right, told.total) == (1, 2)
    first, second = told.exercises
    assert (first.state, first.attempts, first.mistakes) == ("right", 4, ["sign", "shape"])
    assert first.right_utc is not None
    assert (second.state, second.attempts) == ("untried", 0)


def test_line_that_was_cut_costs_itself_alone(tmp_path: Path) -> None:
    note_attempt(tmp_path, "1.1", right=True, mistake=None)
    with (course_folder(tmp_path) / "progress.jsonl").open("ab") as file:
        file.write(b'\n{"exercise": "1.2", "ri')  # a full disk
    note_attempt(tmp_path, "1.2", right=True, mistake=None)
    assert progress_of(tmp_path, NUMBERS).right == 2


def test_folder_that_cannot_be_written_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".lab-course").write_text("a file in its place")
    monkeypatch.chdir(tmp_path)
    (number, exercise), *_ = exercises().items()
    assert check(number, exercise.right).right


def test_progress_that_cannot_be_read_is_an_error_and_not_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".lab-course" / "progress.jsonl"
    assert read_attempts(tmp_path) == []
    file.mkdir(parents=True)
    with pytest.raises(LabError, match="cannot be used") as caught:
        read_attempts(tmp_path)
    assert str(file.parent) in caught.value.what
    assert caught.value.why.startswith("Is a directory")


@pytest.mark.root
def test_progress_of_another_user_is_an_error_that_says_how_to_make_it_theirs(
    entered_by_all: Path, as_nobody: AsNobody
) -> None:
    note_attempt(entered_by_all, "1.1", right=True, mistake=None)
    kept = entered_by_all / ".lab-course"
    kept.chmod(0o700)
    with as_nobody(), pytest.raises(LabError, match="cannot be used") as caught:
        progress_of(entered_by_all, NUMBERS)
    assert caught.value.why.startswith("Permission denied")
    assert f"sudo chown -R $(id -u):$(id -g) '{kept}'" in caught.value.next_step


def test_class_has_a_row_for_each_folder_with_the_course(tmp_path: Path) -> None:
    for name, right in (("ana", True), ("bruno", False)):
        (tmp_path / name).mkdir()
        note_attempt(tmp_path / name, next(iter(exercises())), right=right, mistake=None)
    (tmp_path / "no student").mkdir()
    order = parse_order(
        update=False, undo=False, progress=True, teacher=False, work=None, students=tmp_path,
        language="", variables={},
    )  # fmt: skip
    told = progress(order)
    assert [(s.student, s.right) for s in told.students] == [("ana", 1), ("bruno", 0)]
    assert {s.total for s in told.students} == {len(exercises())}


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"update": True, "undo": True}, "exclude"),
        ({"teacher": True, "update": True}, "exclude"),
        ({"students": Path("x")}, "--progress"),
        ({"language": "fr"}, "fr"),
    ],
)
def test_senseless_words_are_refused(asked: dict[str, object], word: str) -> None:
    words: dict[str, object] = {
        "update": False, "undo": False, "progress": False, "teacher": False, "work": None,
        "students": None, "language": "", "variables": {}, **asked,
    }  # fmt: skip
    with pytest.raises(LabError, match=word):
        parse_order(**words)  # type: ignore[arg-type]
