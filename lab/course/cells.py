"""Cells of notebooks as an update needs them: complete, with an id each, and comparable."""

from __future__ import annotations

import hashlib
import json
import re
from copy import deepcopy
from typing import Any

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
    """A valid copy in nbformat 4.5 whose cells have an id each.

    What is not valid, as outputs of a cell that was made Markdown by hand, goes into the metadata
    or becomes text: nothing is thrown away.
    """
    import nbformat

    copy = nbformat.from_dict(deepcopy(dict(notebook)))
    minor = copy.get("nbformat_minor")
    copy["nbformat"], copy["nbformat_minor"] = 4, max(5, minor if isinstance(minor, int) else 5)
    if not isinstance(copy.get("metadata"), dict):
        copy["metadata"] = nbformat.NotebookNode()
    taken: set[str] = set()
    for place, cell in enumerate(copy.setdefault("cells", [])):
        _complete(cell)
        if not _ID.fullmatch(str(cell.get("id", ""))) or cell["id"] in taken:
            cell["id"] = free_id(fingerprint(cell, place), taken)
        taken.add(cell["id"])
    _repair(copy)
    return copy


def _complete(cell: Cell) -> None:
    """Give a cell the fields that one of its type has, and no others."""
    import nbformat

    if cell.get("cell_type") not in _FIELDS:
        cell["cell_type"] = "raw"
    source = cell.get("source") or ""
    cell["source"] = source if isinstance(source, str) else "".join(map(str, source))
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = nbformat.NotebookNode()
    for key in set(cell) - _FIELDS[cell["cell_type"]]:
        value = cell.pop(key)
        if value:
            cell["metadata"][f"kept_{key}"] = value
    if cell.get("attachments", {}) is None:
        del cell["attachments"]
    if cell["cell_type"] == "code":
        if not isinstance(cell.get("outputs"), list):
            cell["outputs"] = []
        if not isinstance(cell.get("execution_count"), int):
            cell["execution_count"] = None
        cell["outputs"] = [_whole_output(output) for output in cell["outputs"]]


def _whole_output(output: Any) -> Any:
    """An output with the fields that programs leave out which are not strict about them."""
    kind = output.get("output_type") if isinstance(output, dict) else None
    if kind in ("display_data", "execute_result"):
        output.setdefault("metadata", {})
        output.setdefault("data", {})
        if kind == "execute_result":
            output.setdefault("execution_count", None)
    elif kind == "stream":
        output.setdefault("name", "stdout")
    return output


def _repair(notebook: Notebook) -> None:
    """Put what nbformat does not allow where it is allowed; each round mends all that it finds."""
    from nbformat.validator import isvalid, iter_validate

    for _ in range(4):
        if isvalid(notebook):
            return
        places = {tuple(error.absolute_path)[:4] for error in iter_validate(notebook)}
        for place in sorted(places, key=str):
            _put_aside(notebook, place)


def _put_aside(notebook: Notebook, place: tuple[Any, ...]) -> None:
    """Keep one thing that is not valid under another name, or as text."""
    match place:
        case ("metadata", str(key), *_):
            _rename(notebook["metadata"], key)
        case ("cells", int(number), "metadata", str(key)):
            _rename(notebook["cells"][number]["metadata"], key)
        case ("cells", int(number), "outputs", int(output)):
            outputs = notebook["cells"][number]["outputs"]
            outputs[output] = _as_text(outputs[output])
        case ("cells", int(number), "attachments", *_):
            cell = notebook["cells"][number]
            if "attachments" in cell:
                cell["metadata"]["kept_attachments"] = cell.pop("attachments")


def _rename(metadata: Any, key: str) -> None:
    if key in metadata:
        metadata[f"kept_{key}"] = metadata.pop(key)


def _as_text(output: Any) -> Any:
    from nbformat import v4

    text = json.dumps(output, ensure_ascii=False, default=str)
    return v4.new_output("display_data", data={"text/plain": text})


def fingerprint(cell: Cell, salt: object = "") -> str:
    """Ten letters that stand for what a cell says and holds, less what it showed."""
    metadata = {k: v for k, v in cell["metadata"].items() if k != "lab"}
    told = json.dumps([*content(cell), metadata, str(salt)], sort_keys=True, default=str)
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:10]


def imprint(cell: Cell) -> str:
    """Ten letters that stand for what a person wrote into a cell."""
    told = json.dumps(content(cell), sort_keys=True, default=str)
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:10]


def free_id(wish: str, taken: set[str]) -> str:
    """An id that no cell has: the one wished for, or with a number."""
    wish = wish[:56]
    number, found = 2, wish
    while found in taken:
        number, found = number + 1, f"{wish}-{number}"
    return found


def content(cell: Cell) -> tuple[Any, ...]:
    """What a person wrote into a cell."""
    source = cell["source"].replace("\r\n", "\n")
    return (cell["cell_type"], source, cell.get("attachments") or {})


def shown(cell: Cell) -> tuple[Any, ...]:
    """What running a cell left in it."""
    return (cell.get("outputs", []), cell.get("execution_count"))


def headline(cell: Cell) -> str:
    """What names a cell for people: its first line that says something, shortened."""
    lines = [line.strip() for line in cell["source"].splitlines() if line.strip(" #`-*")]
    first = lines[0] if lines else cell["id"]
    return first if len(first) <= 60 else f"{first[:57]}..."
