"""A teacher's new version in a student's notebook: nothing of either is lost in silence."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from benchmarks.update_edits import lost, random_case
from lab.course import merge
from lab.course.merging import Merged
from lab.course.ordering import merge_order

RANDOM_CASES = 2000


def code(identity: str, source: str, *printed: str) -> Any:
    outputs = [v4.new_output("stream", name="stdout", text=text) for text in printed]
    cell = v4.new_code_cell(source=source, outputs=outputs)
    cell["id"] = identity
    return cell


def text(identity: str, source: str) -> Any:
    cell = v4.new_markdown_cell(source=source)
    cell["id"] = identity
    return cell


def book(*cells: Any, language: str = "en") -> Any:
    notebook = v4.new_notebook(cells=list(deepcopy(cells)))
    notebook.metadata["lab"] = {"notebook": "x", "language": language, "version": "1"}
    return notebook


def told(merged: Merged) -> list[tuple[str, str | None]]:
    return [(report.kind, report.cell) for report in merged.reports]


def says(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells]


A, B, C = text("a", "title"), code("b", "x = 1\ny = 2"), text("c", "the end")


def test_teachers_change_arrives_and_students_work_stays() -> None:
    student = book(A, code("b", "x = 1\ny = 2\nmine"), C, code("own", "my own"))
    merged = merge(book(A, B, C), student, book(text("a", "better title"), B, C))
    assert says(merged.notebook) == ["better title", "x = 1\ny = 2\nmine", "the end", "my own"]
    assert merged.reports == ()


def test_cell_that_both_changed_is_there_twice_under_a_note() -> None:
    student = book(A, code("b", "mine", "7\n"), C)
    merged = merge(book(A, B, C), student, book(A, code("b", "new"), C))
    cells = merged.notebook.cells
    assert [c.source for c in cells if c.cell_type == "code"] == ["mine", "new"]
    assert "You and the course changed this cell" in cells[2].source
    assert cells[1].outputs[0].text == "7\n"
    assert told(merged) == [("both", "b")]
    assert "mine" in merged.reports[0].text


def test_words_are_in_the_notebooks_language() -> None:
    student = book(A, code("b", "mine"), C, language="es")
    merged = merge(book(A, B, C), student, book(A, code("b", "new"), C, language="es"))
    assert "Tú y el curso cambiaron esta celda" in merged.notebook.cells[2].source
    assert "están las dos" in merged.reports[0].text


def test_note_and_copy_of_an_earlier_update_go_when_the_cell_comes_anew() -> None:
    second = book(A, code("b", "new"), C)
    once = merge(book(A, B, C), book(A, code("b", "mine"), C), second)
    again = merge(second, once.notebook, book(A, code("b", "newer"), C))
    assert [c.source for c in again.notebook.cells if c.cell_type == "code"] == ["mine", "newer"]
    assert told(again) == [("both", "b")]


def test_copy_that_the_student_took_up_stays() -> None:
    second = book(A, code("b", "new"), C)
    once = merge(book(A, B, C), book(A, code("b", "mine"), C), second).notebook
    once.cells[3].source = "new, and worked on"
    again = merge(second, once, book(A, code("b", "newer"), C))
    sources = [c.source for c in again.notebook.cells if c.cell_type == "code"]
    assert sorted(sources) == sorted(["mine", "new, and worked on", "newer"])


def test_copy_that_the_student_kept_in_place_of_their_own_is_the_cell_now() -> None:
    second = book(A, code("b", "new"), C)
    once = merge(book(A, B, C), book(A, code("b", "mine"), C), second).notebook
    once.cells = [cell for cell in once.cells if cell.source == "new" or cell.id in "ac"]
    again = merge(second, once, book(A, code("b", "newer"), C))
    assert says(again.notebook) == ["title", "newer", "the end"]
    assert again.reports == ()


def test_tags_of_a_cell_that_the_teacher_takes_out_keep_it() -> None:
    student = book(A, B, C)
    student.cells[1].metadata["tags"] = ["important"]
    merged = merge(book(A, B, C), student, book(A, C))
    assert told(merged) == [("removed", "b")]


def test_what_the_teacher_changed_beside_the_text_of_a_deleted_cell_is_told() -> None:
    teacher = book(A, B, C)
    teacher.cells[1].metadata["tags"] = ["new"]
    merged = merge(book(A, B, C), book(A, C), teacher)
    assert says(merged.notebook) == ["title", "the end"]
    assert told(merged) == [("gone", "b")]


def test_line_ends_of_another_system_are_no_edit() -> None:
    student = book(A, code("b", "x = 1\r\ny = 2"), C)
    merged = merge(book(A, B, C), student, book(A, code("b", "new"), C))
    assert says(merged.notebook) == ["title", "new", "the end"]


def test_second_update_to_the_same_version_changes_nothing() -> None:
    teacher = book(A, code("b", "new"), C, text("d", "more"))
    once = merge(book(A, B, C), book(A, code("b", "mine"), C), teacher).notebook
    again = merge(teacher, once, teacher)
    assert (again.notebook, again.reports) == (once, ())


def test_deleted_cell_stays_deleted_where_the_teacher_left_it() -> None:
    merged = merge(book(A, B, C), book(A, C), book(text("a", "better"), B, C))
    assert says(merged.notebook) == ["better", "the end"]
    assert merged.reports == ()


def test_deleted_cell_that_the_teacher_changed_comes_again_under_a_note() -> None:
    merged = merge(book(A, B, C), book(A, C), book(A, code("b", "new"), C))
    assert says(merged.notebook)[-2:] == ["new", "the end"]
    assert told(merged) == [("deleted", "b")]


@pytest.mark.parametrize("worked", [code("b", "mine"), code("b", "x = 1\ny = 2", "3\n")])
def test_removed_cell_stays_where_the_student_worked_in_it(worked: Any) -> None:
    merged = merge(book(A, B, C), book(A, worked, C), book(A, C))
    assert worked.source in says(merged.notebook)
    assert told(merged) == [("removed", "b")]
    assert says(merge(book(A, B, C), book(A, B, C), book(A, C)).notebook) == ["title", "the end"]


def test_outputs_stay_with_a_cell_whose_source_comes_anew() -> None:
    merged = merge(book(B), book(code("b", "x = 1\ny = 2", "3\n")), book(code("b", "x = 4")))
    (cell,) = merged.notebook.cells
    assert (cell.source, cell.outputs[0].text) == ("x = 4", "3\n")
    assert merged.stale == ("b",)


def test_cell_with_outputs_that_becomes_text_is_kept_beside() -> None:
    merged = merge(book(B), book(code("b", "x = 1\ny = 2", "3\n")), book(text("b", "prose")))
    assert [c.cell_type for c in merged.notebook.cells] == ["code", "markdown", "markdown"]
    assert told(merged) == [("both", "b")]


def test_students_order_stays_and_a_new_cell_follows_its_neighbour() -> None:
    teacher = book(A, B, code("n", "new"), C)
    merged = merge(book(A, B, C), book(C, A, B, code("own", "my own")), teacher)
    assert says(merged.notebook) == ["the end", "title", "x = 1\ny = 2", "my own", "new"]


def test_teachers_order_arrives_where_the_student_moved_nothing() -> None:
    merged = merge(book(A, B, C), book(A, code("own", "my own"), B, C), book(C, A, B))
    assert says(merged.notebook) == ["the end", "title", "my own", "x = 1\ny = 2"]
    assert merged.reports == ()


def test_both_orders_keep_the_students_and_report_the_teachers() -> None:
    merged = merge(book(A, B, C), book(B, A, C), book(C, A, B))
    assert says(merged.notebook) == ["x = 1\ny = 2", "title", "the end"]
    assert told(merged) == [("moved", "c")]


def test_pasted_cell_without_its_id_is_found_by_what_it_says() -> None:
    student = book(A, C, code("pasted", "x = 1\ny = 2"))
    merged = merge(book(A, B, C), student, book(A, code("b", "new"), C))
    assert says(merged.notebook) == ["title", "the end", "new"]
    assert merged.reports == ()


def test_notebook_without_ids_is_merged_and_gets_them() -> None:
    student = book(A, B, C)
    for cell in student.cells:
        del cell["id"]
    student.nbformat_minor = 4
    merged = merge(book(A, B, C), student, book(A, code("b", "new"), C))
    assert says(merged.notebook) == ["title", "new", "the end"]
    assert [cell.id for cell in merged.notebook.cells] == ["a", "b", "c"]


def test_metadata_of_both_is_merged_key_by_key() -> None:
    student, teacher = book(A), book(A)
    student.cells[0].metadata = {"mine": 1, "both": 2}
    teacher.cells[0].metadata = {"theirs": 3, "both": 4}
    merged = merge(book(A), student, teacher)
    assert merged.notebook.cells[0].metadata == {"mine": 1, "theirs": 3, "both": 2}
    assert told(merged) == [("metadata", "a")]


def test_without_the_version_before_both_stay() -> None:
    student = book(A, code("b", "mine"))
    merged = merge(book(), student, book(A, code("b", "new"), C))
    assert [c.source for c in merged.notebook.cells if c.cell_type == "code"] == ["mine", "new"]
    assert told(merged) == [("both", "b")]


def test_cell_that_is_not_valid_is_repaired_and_loses_nothing() -> None:
    """As another program, or a hand, leaves it: Markdown with outputs, two cells with one id."""
    student = book(A, B, C)
    student.cells[0]["outputs"] = [v4.new_output("stream", text="kept")]
    student.cells[2]["id"] = "a"
    del student.cells[1]["outputs"]
    merged = merge(book(A, B, C), student, book(A, B, C))
    nbformat.validate(merged.notebook)
    assert merged.notebook.cells[0].metadata["kept_outputs"][0]["text"] == "kept"


def test_arguments_stay_as_they_are() -> None:
    given = random_case(7)
    before = deepcopy(given)
    merge(*given)
    assert given == before


def test_random_edits_of_both_lose_nothing() -> None:
    """2000 pairs: students edit, run, delete, add, move, copy, split, join cells and lose ids."""
    for seed in range(RANDOM_CASES):
        case = random_case(seed)
        merged = merge(*case)
        nbformat.validate(merged.notebook)
        reported = {report.cell for report in merged.reports if report.cell}
        reported |= {word for r in merged.reports for word in r.text.replace("»", " ").split()}
        verdict = lost(case, merged.notebook, reported)
        assert not any(verdict), (seed, verdict, merged.reports)


def test_check_of_losses_can_fail() -> None:
    """What the test above relies on: the student's file, or the teacher's, loses the other's."""
    cases = [random_case(seed) for seed in range(200)]
    assert sum(any(lost(c, c.student, set()).teachers_changes) for c in cases) > 150
    assert sum(any(lost(c, c.teacher, set()).students_cells) for c in cases) > 100
    assert any(lost(c, c.teacher, set()).students_outputs for c in cases)


_orders = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.just(list(range(n))),
        st.lists(st.integers(0, n + 3), unique=True, max_size=n + 3),
        st.lists(st.integers(0, n - 1).map(lambda x: x) | st.integers(n + 4, n + 8), unique=True,
                 max_size=n + 3),
    )
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(_orders)
def test_order_has_every_cell_once_and_keeps_one_sides_sequence(
    orders: tuple[Sequence[int], Sequence[int], Sequence[int]],
) -> None:
    base, student, teacher = orders
    merged, moved = merge_order(base, student, teacher)
    assert sorted(merged) == sorted(set(student) | set(teacher))
    of_student = [x for x in merged if x in student]
    of_teacher = [x for x in merged if x in teacher]
    assert of_student == list(student) or of_teacher == list(teacher)
    if of_student == list(student) and of_teacher == list(teacher):
        assert not moved
