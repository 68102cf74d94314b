"""Cells of notebooks as an update needs them: complete, with an id each, and comparable."""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from typing import Any

import msgspec

Cell = Any  # nbformat.NotebookNode
Notebook = Any  # nbformat.NotebookNode

_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_COMMON = {"id", "cell_type", "source", "metadata"}
_FIELDS = {
    "code": _COMMON | {"outputs", "execution_count"},
    "markdown": _COMMON | {"attachments"},
    "raw": _COMMON | {"attachments"},
}


def normal(notebook: Notebook) -> Notebook:
    """A copy in nbformat 4.5 whose cells all have their fields and an id of their own.

    What a cell of its type must not have, as outputs of one that was made Markdown by hand, goes
    into its metadata: nothing is thrown away.
    """
    import nbformat

    copy = nbformat.from_dict(deepcopy(dict(notebook)))
    if copy.get("nbformat", 4) < 4:
        copy = nbformat.convert(copy, 4)
    copy["nbformat"], copy["nbformat_minor"] = 4, max(5, int(copy.get("nbformat_minor", 5)))
    copy.setdefault("metadata", nbformat.NotebookNode())
    taken: set[str] = set()
    for place, cell in enumerate(copy.setdefault("cells", [])):
        _complete(cell)
        if not _ID.fullmatch(str(cell.get("id", ""))) or cell["id"] in taken:
            cell["id"] = free_id(fingerprint(cell, place), taken)
        taken.add(cell["id"])
    return copy


def _complete(cell: Cell) -> None:
    import nbformat

    if cell.get("cell_type") not in _FIELDS:
        cell["cell_type"] = "raw"
    source = cell.get("source", "")
    cell["source"] = source if isinstance(source, str) else "".join(source)
    cell.setdefault("metadata", nbformat.NotebookNode())
    for key in set(cell) - _FIELDS[cell["cell_type"]]:
        value = cell.pop(key)
        if value:
            cell["metadata"][f"kept_{key}"] = value
    if cell["cell_type"] == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)


def fingerprint(cell: Cell, salt: object = "") -> str:
    """Ten letters that stand for what a cell says."""
    told = msgspec.json.encode([cell["cell_type"], cell["source"], str(salt)])
    return hashlib.sha256(told).hexdigest()[:10]


def free_id(wish: str, taken: set[str]) -> str:
    """An id that no cell has: the one wished for, or with a number."""
    wish = wish[:56]
    number, found = 2, wish
    while found in taken:
        number, found = number + 1, f"{wish}-{number}"
    return found


def content(cell: Cell) -> tuple[Any, ...]:
    """What a person wrote into a cell."""
    return (cell["cell_type"], cell["source"], cell.get("attachments") or {})


def shown(cell: Cell) -> tuple[Any, ...]:
    """What running a cell left in it."""
    return (cell.get("outputs", []), cell.get("execution_count"))


def headline(cell: Cell) -> str:
    """What names a cell for people: its first line that says something, shortened."""
    lines = [line.strip() for line in cell["source"].splitlines() if line.strip(" #`-*")]
    first = lines[0] if lines else cell["id"]
    return first if len(first) <= 60 else f"{first[:57]}..."
