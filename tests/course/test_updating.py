"""The course in a student's folder: placed, updated, taken back; and each way in which it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab.course import updating
from lab.errors import LabError, of_full_disk
from lab.records.course import NotebookChange
from tests.conftest import ROOT
from tests.course.shelves import (
    Course,
    copy,
    edit,
    files,
    place,
    read,
    sources_of,
    states,
    undo,
    update,
)
from tests.disks import fill, leave, loop_mounted, mounted


def test_notebooks_are_placed_under_their_headings_names(tmp_path: Path, course: Course) -> None:
    for language, names in (("en", {"1-one", "2-two"}), ("es", {"1-uno", "2-dos"})):
        changes = place(tmp_path / language, language)
        assert states(changes) == {f"{name}.ipynb": "placed" for name in names}
        for name in names:
            nbformat.validate(nbformat.read(tmp_path / language / f"{name}.ipynb", as_version=4))


def test_placing_again_touches_nothing(student: Path) -> None:
    edit(student / "1-one.ipynb", "first", "mine")
    before = files(student)
    assert set(states(place(student)).values()) == {"present"}
    assert files(student) == before


def test_placing_brings_back_what_was_deleted(student: Path) -> None:
    (student / "1-one.ipynb").unlink()
    assert states(place(student)) == {"1-one.ipynb": "placed", "2-two.ipynb": "present"}


def test_file_that_has_the_name_already_is_left_alone(tmp_path: Path, course: Course) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "1-one.ipynb").write_text("my own")
    place(folder)
    assert (folder / "1-one.ipynb").read_text() == "my own"


def test_teachers_copy_has_the_solutions_and_another_name(student: Path) -> None:
    changes = place(student, teacher=True)
    assert set(states(changes)) == {"1-one-teacher.ipynb", "2-two-teacher.ipynb"}
    assert "answer = 42" in sources_of(student / "1-one-teacher.ipynb")
    assert "answer = ..." in sources_of(student / "1-one.ipynb")


def test_update_merges_and_keeps_the_state_before(student: Path, course: Course) -> None:
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "answer = 7", "7\n")
    before = (student / "1-one.ipynb").read_bytes()
    course.change("1-one", "x = 1", "x = 2")
    changes = update(student)
    assert states(changes) == {"1-one.ipynb": "updated", "2-two.ipynb": "current"}
    assert sources_of(student / "1-one.ipynb") == ["# 1. One", "x = 2", "answer = 7"]
    assert changes[0].reports == []
    assert changes[0].backup is not None
    kept = [p.read_bytes() for p in (student / changes[0].backup).glob("*before*")]
    assert kept == [before]


def test_update_to_what_is_there_already_changes_nothing(student: Path) -> None:
    before = files(student)
    assert set(states(update(student)).values()) == {"current"}
    assert files(student) == before


def test_conflict_is_reported_and_in_the_notebook(student: Path, course: Course) -> None:
    edit(student / "1-one.ipynb", "first", "mine")
    course.change("1-one", "x = 1", "x = 2")
    (change, _) = update(student)
    assert [report.kind for report in change.reports] == ["both"]
    told = sources_of(student / "1-one.ipynb")
    assert told[1] == "mine"
    assert "You and the course changed this cell" in told[2]
    assert told[3] == "x = 2"


def test_renamed_and_moved_notebook_is_updated_where_it_is(student: Path, course: Course) -> None:
    (student / "homework").mkdir()
    (student / "1-one.ipynb").rename(student / "homework" / "my copy.ipynb")
    course.change("1-one", "x = 1", "x = 2")
    assert states(update(student))["homework/my copy.ipynb"] == "updated"
    assert not (student / "1-one.ipynb").exists()


def test_copy_that_the_student_made_is_left_alone(student: Path, course: Course) -> None:
    (student / "1-one-Copy1.ipynb").write_bytes((student / "1-one.ipynb").read_bytes())
    course.change("1-one", "x = 1", "x = 2")
    told = states(update(student))
    assert (told["1-one.ipynb"], told["1-one-Copy1.ipynb"]) == ("updated", "copy")


def test_deleted_notebook_stays_deleted_and_a_new_one_arrives(
    student: Path, course: Course
) -> None:
    (student / "1-one.ipynb").unlink()
    third = (course.folder / "2-two.md").read_text().replace("2. Two", "3. Three")
    course.write("3-three", third)
    assert states(update(student)) == {
        "2-two.ipynb": "current", "1-one": "deleted", "3-three.ipynb": "placed",
    }  # fmt: skip


def test_notebook_that_left_the_course_is_the_students(student: Path, course: Course) -> None:
    course.drop("2-two")
    before = files(student)
    assert states(update(student))["2-two.ipynb"] == "retired"
    assert files(student) == before


def test_open_notebook_is_left_alone_and_said(student: Path, course: Course) -> None:
    course.change("1-one", "x = 1", "x = 2")
    course.change("2-two", "x = 1", "x = 2")
    before = (student / "1-one.ipynb").read_bytes()
    told = states(update(student, "1-one.ipynb"))
    assert told == {"1-one.ipynb": "open", "2-two.ipynb": "updated"}
    assert (student / "1-one.ipynb").read_bytes() == before


@pytest.mark.parametrize("cut", [0, 1, 40, 300, 450, 560])
def test_notebook_cut_short_is_recovered_and_the_file_kept(
    student: Path, course: Course, cut: int
) -> None:
    path = student / "1-one.ipynb"
    edit(path, "first", "mine", "7\n")
    broken = path.read_bytes()[:cut]
    path.write_bytes(broken)
    (change, _) = update(student)
    assert change.state == "recovered"
    assert change.reports[0].kind == "broken"
    assert (student / "1-one.broken.txt").read_bytes() == broken
    nbformat.validate(nbformat.read(path, as_version=4))
    told = sources_of(path)
    assert "answer = ..." in told
    assert told[0] == "# 1. One"
    assert ("mine" in told) == (b'"mine"}' in broken)


def test_damage_in_the_middle_costs_that_cell_alone(student: Path, course: Course) -> None:
    path = student / "1-one.ipynb"
    edit(path, "first", "mine", "7\n")
    edit(path, "exercise-1-1-answer", "answer = 7")
    text = path.read_text().replace('"# 1. One"', '"# 1. One')
    path.write_text(text)
    assert states(update(student))["1-one.ipynb"] == "recovered"
    assert sources_of(path) == ["# 1. One", "mine", "answer = 7"]
    assert read(path)["cells"][1]["outputs"][0]["text"] == ["7\n"]


@pytest.mark.parametrize(
    "odd",
    [
        '"id": "first", "metadata": {}, "source": "again"',
        '"id": ["first"], "metadata": {}, "source": "no id"',
        '"id": "new", "source": "no outputs", "of": "another program"',
    ],
)
def test_odd_cell_of_a_damaged_notebook_costs_nothing(
    student: Path, course: Course, odd: str
) -> None:
    path = student / "1-one.ipynb"
    edit(path, "first", "mine")
    cell = f'{{"cell_type": "code", {odd}}}'
    text = path.read_text().replace('"cells": [', f'"cells": [{cell}, {cell}{{', 1)
    path.write_text(text)
    (change,) = [c for c in update(student) if c.file == path.name]
    assert (change.state, change.reason) == ("recovered", None)
    nbformat.validate(nbformat.read(path, as_version=4))
    told = sources_of(path)
    assert "mine" in told
    assert odd.split('"source": "')[1].split('"')[0] in told


def test_versions_that_were_thrown_away_cost_no_work(student: Path, course: Course) -> None:
    edit(student / "1-one.ipynb", "first", "mine")
    for version in (student / ".lab-course" / "versions").iterdir():
        version.unlink()
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    told = sources_of(student / "1-one.ipynb")
    assert "mine" in told
    assert "x = 2" in told


def test_without_the_version_only_what_both_changed_is_there_twice(
    student: Path, course: Course
) -> None:
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "answer = 7", "7\n")
    edit(student / "2-two.ipynb", "first", "mine")
    (student / ".lab-course").rename(student.parent / "lost")
    for name in ("1-one", "2-two"):
        course.change(name, "x = 1", "x = 2")
    first, second = update(student)
    assert (first.reports, [report.kind for report in second.reports]) == ([], ["both"])
    assert sources_of(student / "1-one.ipynb") == ["# 1. One", "x = 2", "answer = 7"]
    assert sources_of(student / "2-two.ipynb")[1::2] == ["mine", "x = 2"]


def test_undo_brings_the_very_bytes_back(student: Path, course: Course) -> None:
    edit(student / "1-one.ipynb", "first", "mine")
    before = files(student)
    course.change("1-one", "x = 1", "x = 2")
    course.change("2-two", "x = 1", "x = 2")
    update(student)
    assert set(states(undo(student)).values()) == {"restored"}
    assert files(student) == before
    with pytest.raises(LabError, match="no update to take back"):
        undo(student)
    assert states(update(student)) == {"1-one.ipynb": "updated", "2-two.ipynb": "updated"}


def test_undo_without_an_update_says_where_states_are_only_if_there_are_any(
    student: Path, course: Course
) -> None:
    backups = student / ".lab-course" / "backups"
    with pytest.raises(LabError, match="no update to take back") as never:
        undo(student)
    assert str(backups) not in never.value.next_step
    assert "--update" in never.value.next_step
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    undo(student)
    with pytest.raises(LabError, match="no update to take back") as again:
        undo(student)
    assert str(backups) in again.value.next_step
    assert list(backups.glob("*/*-before.ipynb"))


def test_undo_keeps_what_was_done_since(student: Path, course: Course) -> None:
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "done since", "7\n")
    undo(student)
    assert sources_of(student / "1-one.ipynb") == ["# 1. One", "x = 1", "done since"]


def test_undo_takes_a_new_notebook_away_unless_it_was_worked_in(
    student: Path, course: Course
) -> None:
    for name in ("3-three", "4-four"):
        course.write(name, (course.folder / "2-two.md").read_text().replace("2. Two", name))
    update(student)
    (worked,) = student.glob("4*.ipynb")
    edit(worked, "first", "mine")
    told = states(undo(student))
    assert told[worked.name] == "kept"
    assert worked.exists()
    assert not list(student.glob("3*.ipynb"))


def test_undo_of_an_open_notebook_is_refused(student: Path, course: Course) -> None:
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    before = files(student)
    with pytest.raises(LabError, match="open in the lab"):
        undo(student, "1-one.ipynb")
    assert files(student) == before


def test_update_of_a_folder_without_the_course_is_refused(tmp_path: Path, course: Course) -> None:
    with pytest.raises(LabError, match="no notebook of the course"):
        update(tmp_path)


def test_newer_version_is_offered_and_nothing_is_done(student: Path, course: Course) -> None:
    assert updating.offered(student) == []
    course.change("1-one", "x = 1", "x = 2")
    before = files(student)
    assert [path.name for path in updating.offered(student)] == ["1-one.ipynb"]
    assert files(student) == before


# --- what else is in folders ----------------------------------------------------------------------

ODD_CELLS: tuple[dict[str, object], ...] = (
    {"metadata": None},
    {"metadata": {"tags": ["a", "a"]}},
    {"metadata": {"collapsed": "true"}},
    {"metadata": {"lab": {"of": ["x"]}}},
    {"source": None},
    {"outputs": None},
    {"outputs": [{"output_type": "display_data", "data": {"text/plain": "7"}}]},
    {"outputs": [{"output_type": "teapot", "short": True}]},
    {"outputs": ["text"]},
    {"attachments": None},
    {"execution_count": "3"},
    {"cell_type": "teapot"},
    {"source": "half a pair: \\ud83d"},
    {"id": "not a valid id!"},
)


@pytest.mark.parametrize("odd", ODD_CELLS, ids=str)
def test_cell_that_another_program_wrote_is_mended(
    student: Path, course: Course, odd: dict[str, object]
) -> None:
    path = student / "1-one.ipynb"
    notebook = read(path)
    notebook["cells"][2].update(odd)
    path.write_text(json.dumps(notebook))
    course.change("1-one", "x = 1", "x = 2")
    (change, _) = update(student)
    assert change.state == "updated", change
    nbformat.validate(nbformat.read(path, as_version=4))
    assert "x = 2" in sources_of(path)


def test_nbformat_3_is_taken(student: Path, course: Course) -> None:
    path = student / "1-one.ipynb"
    edit(path, "first", "mine\nand more")
    old = nbformat.convert(nbformat.read(path, as_version=4), 3)
    old["metadata"] = read(path)["metadata"]
    path.write_text(nbformat.writes(old, version=3))
    course.change("1-one", "answer = ...", "answer = None")
    (change, _) = update(student)
    assert change.state == "updated"
    assert "mine\nand more" in sources_of(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encoding_is_no_damage(student: Path, course: Course, encoding: str) -> None:
    path = student / "1-one.ipynb"
    edit(path, "first", "mía")
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    course.change("1-one", "answer = ...", "answer = None")
    assert states(update(student))["1-one.ipynb"] == "updated"
    assert "mía" in sources_of(path)


def test_one_notebooks_fault_costs_the_others_nothing(
    student: Path, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(student / "2-two.ipynb", "first", "mine")
    for name in ("1-one", "2-two"):
        course.change(name, "x = 1", "x = 2")
    real = updating.merge

    def fails(base: object, of_student: Any, teacher: object) -> object:
        if of_student.metadata["lab"]["notebook"] == "1-one":
            raise RuntimeError("a fault of ours")
        return real(base, of_student, teacher)

    monkeypatch.setattr(updating, "merge", fails)
    first, second = update(student)
    assert (first.state, first.reason) == ("failed", "RuntimeError: a fault of ours")
    assert [report.kind for report in second.reports] == ["both"]


def test_link_stays_and_its_file_is_written(student: Path, course: Course) -> None:
    real = student.parent / "real.ipynb"
    (student / "1-one.ipynb").rename(real)
    (student / "1-one.ipynb").symlink_to(real)
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    assert (student / "1-one.ipynb").is_symlink()
    assert "x = 2" in sources_of(real)


def test_link_to_nothing_is_no_place_for_a_notebook(tmp_path: Path, course: Course) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "1-one.ipynb").symlink_to(tmp_path / "unplugged" / "1-one.ipynb")
    assert states(place(folder))["1-one.ipynb"] == "unreadable"
    assert (folder / "1-one.ipynb").is_symlink()


def test_mode_stays_and_what_may_not_be_written_is_not(student: Path, course: Course) -> None:
    (student / "1-one.ipynb").chmod(0o664)
    (student / "2-two.ipynb").chmod(0o444)
    for name in ("1-one", "2-two"):
        course.change(name, "x = 1", "x = 2")
    assert states(update(student)) == {"1-one.ipynb": "updated", "2-two.ipynb": "read_only"}
    assert (student / "1-one.ipynb").stat().st_mode & 0o777 == 0o664


def test_other_students_folder_inside_is_not_touched(tmp_path: Path, course: Course) -> None:
    (tmp_path / "class" / "ana").mkdir(parents=True)
    place(tmp_path / "class" / "ana")
    course.change("1-one", "x = 1", "x = 2")
    before = files(tmp_path / "class")
    with pytest.raises(LabError, match="no notebook of the course"):
        update(tmp_path / "class")
    assert files(tmp_path / "class") == before


def test_folder_copied_without_its_hidden_part_is_healed(student: Path, course: Course) -> None:
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "answer = 7")
    (student / ".lab-course").rename(student.parent / "lost")
    place(student)
    course.change("1-one", "x = 1", "x = 2")
    (change, _) = update(student)
    assert (change.state, change.reports) == ("updated", [])
    assert sources_of(student / "1-one.ipynb") == ["# 1. One", "x = 2", "answer = 7"]


def test_notebook_that_lost_its_end_gets_what_is_new(student: Path, course: Course) -> None:
    path = student / "1-one.ipynb"
    path.write_bytes(path.read_bytes()[:-60])
    course.change("1-one", "x = 1", "x = 2")
    (change, _) = update(student)
    assert change.state == "recovered"
    assert sources_of(path) == ["# 1. One", "x = 2", "answer = ..."]


def test_newest_update_is_taken_back_whatever_the_clock_says(
    student: Path, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    monkeypatch.setattr("time.gmtime", lambda: (2001, 1, 1, 0, 0, 0, 0, 1, 0))
    course.change("1-one", "x = 2", "x = 3")
    update(student)
    undo(student)
    assert "x = 2" in sources_of(student / "1-one.ipynb")


def test_undo_finds_a_notebook_that_was_renamed_since(student: Path, course: Course) -> None:
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    edit(student / "1-one.ipynb", "exercise-1-1-answer", "done since")
    (student / "1-one.ipynb").rename(student / "homework.ipynb")
    undo(student)
    assert sources_of(student / "homework.ipynb") == ["# 1. One", "x = 1", "done since"]
    assert not (student / "1-one.ipynb").exists()


def test_undo_after_a_recovery_keeps_what_was_done_since(student: Path, course: Course) -> None:
    path = student / "1-one.ipynb"
    path.write_bytes(path.read_bytes()[:-60])
    update(student)
    edit(path, "exercise-1-1-answer", "an hour of work")
    assert states(undo(student))["1-one.ipynb"] == "kept"
    assert "an hour of work" in sources_of(path)


def test_undo_of_a_notebook_that_was_damaged_since_keeps_what_can_be_read(
    student: Path, course: Course
) -> None:
    path = student / "1-one.ipynb"
    course.change("1-one", "x = 1", "x = 2")
    update(student)
    edit(path, "exercise-1-1-answer", "an hour of work")
    damaged = path.read_bytes()[:-5]
    path.write_bytes(damaged)
    (change, *_) = undo(student)
    assert [report.kind for report in change.reports] == ["broken"]
    assert sources_of(path) == ["# 1. One", "x = 1", "an hour of work"]
    assert (student / "1-one.broken.txt").read_bytes() == damaged


# --- faults ---------------------------------------------------------------------------------------

KillAt = Callable[[int, Path], int]


@contextmanager
def killed(course: Course, whole: Path) -> Iterator[KillAt]:
    """Updates a folder in a process that is killed at a step; `whole` is updated to the end."""
    words = [sys.executable, "-m", "tests.course.killed", str(course.folder), str(whole)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:

        def kill_at(step: int, folder: Path) -> int:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{step} {folder}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield kill_at


def test_killed_at_any_step_every_notebook_is_the_old_one_or_the_new_one(
    student: Path, course: Course, tmp_path: Path
) -> None:
    """kill -9 before each write that reaches the disk; the next update then does the rest."""
    edit(student / "1-one.ipynb", "first", "mine")
    for name in ("1-one", "2-two"):
        course.change(name, "x = 1", "x = 2")
    old, whole = files(student), copy(student, tmp_path / "whole")
    update(whole)
    new = files(whole)
    with killed(course, copy(student, tmp_path / "another")) as kill_at:
        for step in range(100):
            folder = copy(student, tmp_path / f"killed-{step}")
            code = kill_at(step, folder)
            now = files(folder)
            for name in old:
                assert now[name] in (old[name], new[name]), (step, name)
            if code != -signal.SIGKILL:
                assert code == 0
                break
            update(folder)
            assert files(folder) == new
    assert step > 8
    assert now == new


@pytest.mark.root
def test_full_disk_leaves_every_notebook_the_old_one(course: Course, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "4m") as folder:
        place(folder)
        edit(folder / "1-one.ipynb", "first", "mine")
        for name in ("1-one", "2-two"):
            course.change(name, "x = 1", "x = 2")
        filler = fill(folder)
        before = {n: d for n, d in files(folder).items() if n != "filler"}
        failed = update(folder)
        assert {change.state for change in failed} == {"failed"}
        assert {change.reason for change in failed} == {"No space left on device"}
        assert {n: d for n, d in files(folder).items() if n != "filler"} == before
        filler.unlink()
        assert set(states(update(folder)).values()) == {"updated"}
        assert "mine" in sources_of(folder / "1-one.ipynb")


def _full_or(act: Callable[[Path], list[NotebookChange]], folder: Path) -> list[NotebookChange]:
    """What was changed; nothing where the disk was full before anything could be."""
    try:
        return act(folder)
    except OSError as error:
        full = of_full_disk(error)
        assert full is not None
        assert str(folder) in full.what
        return []


@pytest.mark.root
def test_disk_that_is_full_at_any_step_of_an_update_costs_nothing(
    course: Course, tmp_path: Path
) -> None:
    """Each time there is a little more room; then the update is taken back in the same way."""
    with loop_mounted(tmp_path / "disk", 2048) as folder:
        place(folder)
        edit(folder / "1-one.ipynb", "first", "mine")
        for name in ("1-one", "2-two"):
            course.change(name, "x = 1", "x = 2")
        for act in (update, undo):
            failed = 0
            for kib in range(200):
                filler = leave(folder, kib)
                changes = _full_or(act, folder)
                filler.unlink()
                for name in ("1-one", "2-two"):
                    nbformat.validate(nbformat.read(folder / f"{name}.ipynb", as_version=4))
                assert "mine" in sources_of(folder / "1-one.ipynb")
                assert not list(folder.rglob(".*.new"))
                if changes and all(change.state != "failed" for change in changes):
                    break
                failed += 1
            assert failed > 3
        assert "x = 2" in sources_of(folder / "1-one.ipynb")


def test_folder_that_cannot_be_written_is_said(student: Path, course: Course) -> None:
    """A link to a device in the place of the course's own folder."""
    course.change("1-one", "x = 1", "x = 2")
    versions = student / ".lab-course" / "versions"
    for version in versions.iterdir():
        version.unlink()
    versions.rmdir()
    versions.write_text("a file")
    before = files(student)
    (change, _) = update(student)
    assert change.state == "failed"
    assert change.reason
    assert files(student) == before


def test_progress_and_marks_survive_a_round_trip_through_json(student: Path) -> None:
    marks = read(student / "1-one.ipynb")["metadata"]["lab"]
    assert json.loads(json.dumps(marks)) == marks
    assert marks["notebook"] == "1-one"
    assert marks["language"] == "en"


@pytest.mark.root
def test_what_root_writes_in_a_students_folder_is_the_students(
    course: Course, tmp_path: Path
) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    os.chown(folder, 4711, 4712)
    place(folder)
    course.change("1-one", "x = 1", "x = 2")
    update(folder)
    owners = {(p.stat().st_uid, p.stat().st_gid) for p in folder.rglob("*")}
    assert owners == {(4711, 4712)}
