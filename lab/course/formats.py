"""Reads and writes notebook files: never half of one, and as much as possible of a broken one."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from lab.course.cells import Cell, Notebook
from lab.whole import unfinished, write_whole

# Where a cell may begin in the text of a notebook.
_CELL = re.compile(
    r'\{\s*"(?:attachments|cell_type|execution_count|id|metadata|outputs|source)"\s*:'
)


class Stamp(NamedTuple):
    """What tells whether a file is still the one that was read."""

    inode: int
    size: int
    changed_ns: int


class ChangedMeanwhile(Exception):
    """Somebody saved the file between reading and writing it."""


def lighten() -> None:
    """Spare this process 1.1 s, more than the rest of JupyterLab's import: the grammar that a
    package builds for one check (of internationalized addresses in JSON) that no schema asks for.

    jsonschema goes without the package where it is not installed; None makes it look so."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def stamp(path: Path) -> Stamp | None:
    """Its stamp; None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def encode(notebook: Notebook) -> bytes:
    """A notebook as JupyterLab writes it."""
    import nbformat

    text: str = nbformat.writes(notebook, version=4)
    # Half of a pair, as a broken emoji, is no UTF-8, but in JSON it can be written by its number.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def decode(data: bytes) -> Notebook | None:
    """The notebook in a file's bytes; None where they are none."""
    import nbformat

    try:
        read = json.loads(data)  # UTF-8, with a mark or without, or UTF-16
        if not _is_notebook(read):
            return None
        if "cells" not in read:  # nbformat 3 and before
            return nbformat.convert(nbformat.reads(json.dumps(read), nbformat.NO_CONVERT), 4)
        return nbformat.from_dict(read)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _is_notebook(read: Any) -> bool:
    if not isinstance(read, dict) or not isinstance(read.get("metadata", {}), dict):
        return False
    cells = read.get("cells", read.get("worksheets"))
    return isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells)


ANY = Stamp(-1, -1, -1)


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, for whoever owns the one that they are made in."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        give(made, made.parent)
    return path


def give(path: Path, like: Path) -> None:
    """Where root works in a student's folder, what it makes is the student's."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def write_notebook(path: Path, data: bytes, *, was: Stamp | None = ANY) -> None:
    """Write a notebook, or what the course keeps of one: whole, and as its owner had it.

    Args:
        path: the file; of a link the file that it leads to.
        data: what it is to hold.
        was: the file's stamp when it was read, None where there was none; ANY writes whatever
            is there.

    Raises:
        ChangedMeanwhile: it is another file now.
        OSError: it could not be written; the old one stays, and nothing else is left.
    """
    path = path.resolve()
    for left in unfinished(path):
        left.unlink(missing_ok=True)  # of a run that was killed

    def finish(beside: Path) -> None:
        there = path.exists()
        if there:
            beside.chmod(path.stat().st_mode & 0o777)
        give(beside, path if there else path.parent)
        if was is not ANY and stamp(path) != was:
            raise ChangedMeanwhile

    write_whole(path, data, finish=finish)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the disk know the new name too: a power cut would bring the old file back otherwise."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not every file system can
    finally:
        os.close(descriptor)


def as_text(data: bytes) -> str:
    """The text of a file that may be damaged."""
    return data.decode(json.detect_encoding(data), errors="replace")


def mark_in(text: str, key: str) -> str:
    """The first value of a key in the text of a notebook that cannot be read as JSON."""
    found = re.search(rf'"{key}":\s*"([^"\\]{{1,64}})"', text)
    return found[1] if found else ""


def salvage(data: bytes) -> Notebook:
    """What can be read of a notebook whose JSON is broken: every cell that is whole.

    Returns:
        nbformat.NotebookNode of nbformat 4.5 with those cells, in their order and as they are
        (`cells.normal` makes them valid), and no metadata.
    """
    from nbformat import from_dict

    text = as_text(data)
    decoder, cells, at = json.JSONDecoder(), [], 0
    while (begin := _CELL.search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at = begin.end()
            continue
        if _is_cell(value):
            cells.append(from_dict(value))
        else:
            at = begin.end()  # the notebook's own braces, or a broken cell's: look inside
    return with_cells(cells)


def with_cells(cells: list[Cell]) -> Notebook:
    """A notebook of cells that may not be valid, or have one id: nbformat's own way refuses them,
    or gives other ids and warns."""
    from nbformat import v4

    notebook = v4.new_notebook()
    notebook["cells"] = cells
    return notebook


def _is_cell(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(value.get("source"), str | list)
        and isinstance(value.get("metadata", {}), dict)
    )
