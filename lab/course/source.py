"""Makes the notebooks of one language from their text sources, which hold both.

A source is Jupytext Markdown: prose in regions with a `lang`, code in fences that both languages
share. A fence with `exercise="3.2"` is what a student finds, one with `solution="3.2"` stands in
its place in a teacher's copy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.course.cells import imprint
from lab.language import Language

SOURCES = Path(__file__).with_name("notebooks")
# Counts the changes of how notebooks are made of their sources.
_FORM = 1
# In the metadata of a notebook, and of a cell, that the course made.
KEY = "lab"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One text source.

    Args:
        key: its name, the same in all languages, such as `1-tensors`.
        path: the file.
    """

    key: str
    path: Path


@cache
def sources() -> tuple[Source, ...]:
    """All of them, in the order of the course."""
    return tuple(Source(key=path.stem, path=path) for path in sorted(SOURCES.glob("*.md")))


def build(source: Source, language: Language, *, teacher: bool = False) -> Any:
    """The notebook of one language, without outputs; the same each time.

    Args:
        source: where it comes from.
        language: of its prose.
        teacher: with the solutions in the place of the exercises' own cells.

    Returns:
        nbformat.NotebookNode of nbformat 4.5; its metadata names source, language and version.
    """
    import jupytext
    import nbformat

    read = jupytext.read(source.path, fmt="md")
    cells, seen = [], {"": 0}
    for cell in read.cells:
        marks = cell.metadata
        if _belongs(marks, language, teacher=teacher):
            cells.append(_cell(cell, _identity(marks, source, seen)))
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip
    notebook.metadata[KEY] = {
        "notebook": source.key, "language": language,
        "version": version_of(source, language, teacher=teacher),
        # By these an update knows what was written since, also where the version is not kept.
        "cells": {cell["id"]: imprint(cell) for cell in cells},
        **({"teacher": True} if teacher else {}),
    }  # fmt: skip
    return notebook


def _belongs(marks: dict[str, Any], language: Language, *, teacher: bool) -> bool:
    if marks.get("lang", language) != language:
        return False
    return "exercise" not in marks if teacher else "solution" not in marks


def _identity(marks: dict[str, Any], source: Source, seen: dict[str, int]) -> str:
    """A cell's id: the same in both languages, in a teacher's copy, and in the next version."""
    number = marks.get("exercise") or marks.get("solution")
    name = f"exercise-{str(number).replace('.', '-')}-answer" if number else marks.get("id")
    if not name:
        raise ValueError(f"{source.path.name}: a cell has no id, by which an update finds it again")
    if name in seen:
        raise ValueError(f"{source.path.name}: two cells have the id {name}")
    seen[name] = 1
    return str(name)


def _cell(cell: Any, identity: str) -> Any:
    from nbformat import v4

    make = v4.new_markdown_cell if cell.cell_type == "markdown" else v4.new_code_cell
    made = make(source=cell.source)
    made["id"] = identity
    tags = cell.metadata.get("tags")
    if tags:
        made.metadata["tags"] = list(tags)
    return made


def version_of(source: Source, language: Language, *, teacher: bool = False) -> str:
    """A short name of a version; another one where the source has changed. Builds nothing."""
    told = f"{_FORM} {language} {teacher} ".encode() + source.path.read_bytes()
    return hashlib.sha256(told).hexdigest()[:16]


def title(notebook: Any) -> str:
    """The text of its first heading, without the marks."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0].removeprefix("# ").strip())
    return str(notebook.metadata.get(KEY, {}).get("notebook", ""))
