"""All notebooks, both languages, run from the first cell to the last: no error, no warning."""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from lab.course.exercise import exercises
from lab.course.source import Source, build, sources
from lab.language import LANGUAGES, Language
from tests.course.executing import complaints, execute

_VARIES = "varies"  # tag of a cell whose output depends on the machine or the moment


def _outputs(cell: Any) -> list[Any]:
    """What a cell showed, without the count and the identities that change from run to run."""
    shown = []
    for output in cell.get("outputs", []):
        data = dict(output.get("data", {}))
        data.pop("text/html", None)
        shown.append((output.output_type, output.get("text"), data))
    return shown


@pytest.mark.notebook
@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_both_languages_run_clean_and_show_the_same(source: Source, tmp_path: Path) -> None:
    ran = {}
    for language in LANGUAGES:
        folder = tmp_path / language
        folder.mkdir()
        ran[language] = execute(build(source, language), folder)
        assert complaints(ran[language]) == []
    code = {language: [c for c in ran[language].cells if c.cell_type == "code"] for language in ran}
    assert [c.source for c in code["es"]] == [c.source for c in code["en"]]
    for spanish, english in zip(code["es"], code["en"], strict=True):
        if _VARIES not in spanish.metadata.get("tags", []):
            assert _outputs(spanish) == _outputs(english), spanish.source


@pytest.mark.notebook
@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_teachers_copy_answers_every_exercise_right(source: Source, tmp_path: Path) -> None:
    notebook = execute(build(source, "en", teacher=True), tmp_path)
    assert complaints(notebook) == []
    chapter = source.key.split("-")[0]
    for number in (n for n in exercises() if n.split(".")[0] == chapter):
        cell = next(c for c in notebook.cells if f'check("{number}"' in c.source)
        shown = "".join(o.get("data", {}).get("text/plain", "") for o in cell.outputs)
        assert shown.startswith(f"✓ {number}"), (number, shown)


@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
@pytest.mark.parametrize("language", LANGUAGES)
def test_notebook_is_valid_and_the_same_each_time(source: Source, language: Language) -> None:
    notebook = build(source, language)
    nbformat.validate(notebook)
    assert build(source, language) == notebook
    for other in LANGUAGES:
        assert [c.id for c in build(source, other).cells] == [c.id for c in notebook.cells]


@pytest.mark.parametrize("source", sources(), ids=lambda s: s.key)
def test_student_finds_every_exercise_of_the_notebook_and_no_solution(source: Source) -> None:
    student, teacher = build(source, "es"), build(source, "es", teacher=True)
    chapter = source.key.split("-")[0]
    numbers = [n for n in exercises() if n.split(".")[0] == chapter]
    assert numbers
    for notebook in (student, teacher):
        text = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
        for number in numbers:
            assert text.count(f'check("{number}"') == 1
    stubs = {c.id: c.source for c in student.cells if c.id.endswith("-answer")}
    solutions = {c.id: c.source for c in teacher.cells if c.id.endswith("-answer")}
    assert stubs.keys() == solutions.keys()
    for identity, stub in stubs.items():
        assert "..." in stub
        assert stub != solutions[identity]
