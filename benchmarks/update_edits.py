"""Random notebooks, the edits that students and teachers make to them, and what must be kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from nbformat import v4

_WORDS = [
    "loss",
    "weight",
    "gradient",
    "tensor",
    "sigma",
    "step",
    "batch",
    "label",
    "data",
    "sum",
    "mean",
    "exp",
    "log",
    "view",
    "size",
]


class Case(NamedTuple):
    """A notebook as it was given, what a student made of it, and its new version."""

    base: Any
    student: Any
    teacher: Any


class Verdict(NamedTuple):
    """What a merged notebook has lost."""

    students_cells: list[str]
    students_outputs: list[str]
    teachers_changes: list[str]


def _text(draw: random.Random) -> str:
    lines = (
        " ".join(draw.choices(_WORDS, k=draw.randint(2, 6))) for _ in range(draw.randint(1, 6))
    )
    return "\n".join(lines) + f"\n{draw.getrandbits(40):010x}"


def _cell(draw: random.Random, kind: str | None = None) -> Any:
    code = (kind or draw.choice(["code", "markdown"])) == "code"
    made = (v4.new_code_cell if code else v4.new_markdown_cell)(source=_text(draw))
    made["id"] = f"{draw.getrandbits(48):012x}"
    return made


def _output(draw: random.Random) -> Any:
    return v4.new_output("stream", name="stdout", text=f"out {draw.getrandbits(48):012x}\n")


def _place(notebook: Any, draw: random.Random) -> int:
    return draw.randrange(len(notebook.cells))


# --- what people do -------------------------------------------------------------------------------


def _edit(notebook: Any, draw: random.Random) -> None:
    cell = notebook.cells[_place(notebook, draw)]
    lines = cell.source.split("\n")
    lines[draw.randrange(len(lines))] = _text(draw)
    cell.source = "\n".join(lines)


def _rewrite(notebook: Any, draw: random.Random) -> None:
    notebook.cells[_place(notebook, draw)].source = _text(draw)


def _run(notebook: Any, draw: random.Random) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if code:
        cell = draw.choice(code)
        cell.outputs = [_output(draw) for _ in range(draw.randint(1, 2))]
        cell.execution_count = draw.randint(1, 99)


def _delete(notebook: Any, draw: random.Random) -> None:
    if len(notebook.cells) > 1:
        del notebook.cells[_place(notebook, draw)]


def _insert(notebook: Any, draw: random.Random) -> None:
    notebook.cells.insert(draw.randint(0, len(notebook.cells)), _cell(draw))


def _move(notebook: Any, draw: random.Random) -> None:
    cell = notebook.cells.pop(_place(notebook, draw))
    notebook.cells.insert(draw.randint(0, len(notebook.cells)), cell)


def _duplicate(notebook: Any, draw: random.Random) -> None:
    """As JupyterLab pastes (a new id), or as another program may (the same id)."""
    cell = deepcopy(notebook.cells[_place(notebook, draw)])
    if draw.random() < 0.7:
        cell["id"] = f"{draw.getrandbits(48):012x}"
    notebook.cells.insert(draw.randint(0, len(notebook.cells)), cell)


def _cut_and_paste(notebook: Any, draw: random.Random) -> None:
    """A cell loses its id on the way."""
    cell = notebook.cells.pop(_place(notebook, draw))
    cell["id"] = f"{draw.getrandbits(48):012x}"
    notebook.cells.insert(draw.randint(0, len(notebook.cells)), cell)


def _split(notebook: Any, draw: random.Random) -> None:
    place = _place(notebook, draw)
    cell = notebook.cells[place]
    lines = cell.source.split("\n")
    if len(lines) > 1:
        at = draw.randint(1, len(lines) - 1)
        below = deepcopy(cell)
        below["id"] = f"{draw.getrandbits(48):012x}"
        cell.source, below.source = "\n".join(lines[:at]), "\n".join(lines[at:])
        if below.cell_type == "code":
            below.outputs, below.execution_count = [], None
        notebook.cells.insert(place + 1, below)


def _join(notebook: Any, draw: random.Random) -> None:
    if len(notebook.cells) > 1:
        place = draw.randrange(len(notebook.cells) - 1)
        below = notebook.cells.pop(place + 1)
        notebook.cells[place].source += "\n\n" + below.source


def _retype(notebook: Any, draw: random.Random) -> None:
    place = _place(notebook, draw)
    old = notebook.cells[place]
    if old.cell_type == "markdown":
        new = v4.new_code_cell(source=old.source, metadata=old.metadata)
    else:
        new = v4.new_markdown_cell(source=old.source, metadata=old.metadata)
    new["id"] = old["id"]
    notebook.cells[place] = new


def _tag(notebook: Any, draw: random.Random) -> None:
    cell = notebook.cells[_place(notebook, draw)]
    cell.metadata[draw.choice(["tags", "note", "mark"])] = [f"{draw.getrandbits(32):08x}"]


def _lose_ids(notebook: Any) -> None:
    """Another program saved it in an older format."""
    for cell in notebook.cells:
        cell.pop("id", None)
    notebook.nbformat_minor = 4


STUDENT: tuple[Callable[[Any, random.Random], None], ...] = (
    _edit, _edit, _rewrite, _run, _run, _run, _delete, _insert, _insert, _move, _duplicate,
    _cut_and_paste, _split, _join, _retype, _tag,
)  # fmt: skip
TEACHER: tuple[Callable[[Any, random.Random], None], ...] = (
    _edit, _edit, _rewrite, _insert, _insert, _delete, _move, _retype, _tag,
)  # fmt: skip


def random_case(seed: int) -> Case:
    """A notebook of 1 to 14 cells, and 1 to 8 edits of each side."""
    draw = random.Random(seed)
    base = v4.new_notebook(cells=[_cell(draw) for _ in range(draw.randint(1, 14))])
    student, teacher = deepcopy(base), deepcopy(base)
    for _ in range(draw.randint(1, 8)):
        draw.choice(STUDENT)(student, draw)
    if draw.random() < 0.1:
        _lose_ids(student)
    for _ in range(draw.randint(1, 8)):
        draw.choice(TEACHER)(teacher, draw)
    return Case(base, student, teacher)


# --- what must be there afterwards ----------------------------------------------------------------


def _said(cell: Any) -> tuple[str, str]:
    return (cell.cell_type, cell.source)


def lost(case: Case, merged: Any, reported: set[str]) -> Verdict:
    """What a merged notebook has lost, with nothing said of it.

    Args:
        case: the three notebooks.
        merged: what became of them.
        reported: all that was told, as words; a change whose text or id is among them is told.
    """
    there = [_said(cell) for cell in merged.cells]
    base = {_said(cell) for cell in case.base.cells}
    # A cell that stands as it was given is the teacher's to change; all others are the student's.
    own = [_said(c) for c in case.student.cells if _said(c) not in base]
    cells = [source for kind, source in own if (kind, source) not in there]
    printed = {o.text for c in merged.cells for o in c.get("outputs", [])}
    outputs = [
        o.text for c in case.student.cells for o in c.get("outputs", []) if o.text not in printed
    ]
    return Verdict(cells, outputs, _unapplied(case, merged, there, reported))


def _unapplied(case: Case, merged: Any, there: list[Any], reported: set[str]) -> list[str]:
    told = {_said(cell) for cell in merged.cells if cell.get("id") in reported}
    before = {cell["id"]: cell for cell in case.base.cells}
    after = {cell["id"]: cell for cell in case.teacher.cells}
    missing = [
        f"changed {cell['id']}"
        for cell in case.teacher.cells
        if (cell["id"] not in before or _said(cell) != _said(before[cell["id"]]))
        and _said(cell) not in there and cell["id"] not in reported
    ]  # fmt: skip
    students = {_said(cell) for cell in case.student.cells}
    new = {_said(cell) for cell in case.teacher.cells}
    for identity, cell in before.items():
        gone = identity not in after and _said(cell) not in new
        kept = _said(cell) in there and _said(cell) in students
        # A second copy that the student made of it is the student's.
        copies = sum(_said(c) == _said(cell) for c in case.student.cells)
        if gone and kept and copies == 1 and _said(cell) not in told and identity not in reported:
            missing.append(f"removed {identity}")
    for identity in before.keys() & after.keys():
        was, now = before[identity].metadata, after[identity].metadata
        for key in now.keys() - {k for k in was if was[k] == now[k]}:
            held = any(c.metadata.get(key) == now[key] for c in merged.cells)
            in_student = any(_said(c) == _said(before[identity]) for c in case.student.cells)
            if in_student and not held and not reported & {identity, key}:
                missing.append(f"metadata {key} of {identity}")
    return missing
