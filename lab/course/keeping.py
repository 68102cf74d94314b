"""What the course keeps beside the notebooks: versions given out, and the state before each update.

All of it lies in `.lab-course/` in the student's folder, and goes where that goes.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from pathlib import Path

import msgspec

from lab.course.cells import Cell, Notebook, content, imprint, normal
from lab.course.formats import decode, encode, make_folder, with_cells, write_notebook
from lab.course.progress import FOLDER
from lab.course.shelf import Edition
from lab.course.source import KEY
from lab.records.course import Kept, KeptFile
from lab.records.unreadable import UNREADABLE

_MANIFEST = "manifest.json"


def fingerprint(data: bytes) -> str:
    """What tells two contents of a file apart."""
    return hashlib.sha256(data).hexdigest()


def _versions(folder: Path) -> Path:
    return folder / FOLDER / "versions"


def _version_file(folder: Path, edition: Edition, version: str) -> Path:
    kind = "-teacher" if edition.teacher else ""
    return _versions(folder) / f"{edition.key}-{edition.language}{kind}-{version}.ipynb"


def keep_version(folder: Path, edition: Edition, notebook: Notebook) -> None:
    """Keep what a student is given: the next update compares with it."""
    path = _version_file(folder, edition, edition.version)
    make_folder(path.parent)
    data = encode(notebook)
    if not path.exists() or path.read_bytes() != data:
        write_notebook(path, data)


def kept_version(folder: Path, edition: Edition, version: str) -> Notebook | None:
    """A version that was given out; None where it is not there any more."""
    try:
        return decode(_version_file(folder, edition, version).read_bytes())
    except OSError:
        return None


def was_given(folder: Path, edition: Edition) -> bool:
    """Whether the student was given any version of a notebook."""
    kind = "-teacher" if edition.teacher else ""
    beginning = f"{edition.key}-{edition.language}{kind}-"
    # The version has no dash, so that a teacher's copy is not taken for a student's.
    return any(
        "-" not in path.stem.removeprefix(beginning)
        for path in _versions(folder).glob(f"{beginning}*.ipynb")
    )


def rebuilt_version(student: Notebook, teacher: Notebook) -> Notebook:
    """The version that a student was given, as far as it can be known without it.

    The notebook says of each cell what it was by a few letters (source.py): a cell that one side
    left as it was is known by that side, and of one that both changed no more is needed than that.
    """
    from nbformat import v4

    marks = student.get("metadata", {}).get(KEY, {}).get("cells")
    sides = [{cell["id"]: cell for cell in normal(side).cells} for side in (student, teacher)]
    version = nothing(teacher)
    for identity, mark in marks.items() if isinstance(marks, dict) else ():
        known = [side[identity] for side in sides if identity in side]
        cell = next((deepcopy(c) for c in known if imprint(c) == mark), None)
        cell = cell or v4.new_markdown_cell(source=f"{identity} {mark}", id=identity)
        if "outputs" in cell:
            cell["outputs"], cell["execution_count"] = [], None
        version["cells"].append(cell)
    return version


def nothing(like: Notebook) -> Notebook:
    """A version without cells: then nothing is known to be unchanged."""
    empty = normal(like)
    empty["cells"] = []
    return empty


def best_version(folder: Path, edition: Edition, cells: list[Cell]) -> Notebook | None:
    """Of the versions that a student was given, the one that most of these cells are of.

    For a notebook that does not say any more which version it is of."""
    kind = "-teacher" if edition.teacher else ""
    said = [content(cell) for cell in normal(with_cells(cells)).cells]
    found = []
    for path in sorted(_versions(folder).glob(f"{edition.key}-{edition.language}{kind}-*.ipynb")):
        notebook = decode(path.read_bytes())
        if notebook is not None:
            found.append((sum(content(c) in said for c in normal(notebook).cells), notebook))
    return max(found, key=lambda one: one[0])[1] if found else None


def begin_backup(folder: Path, moment: str) -> Path:
    """A folder for the state before one update. Their order is their number's: a clock goes back.

    Args:
        folder: the student's.
        moment: for people.
    """
    backups = make_folder(folder / FOLDER / "backups")
    number = 1 + max((_number(path) for path in backups.iterdir()), default=0)
    return make_folder(backups / f"{number:04d}-{moment}")


def note_file(
    backup: Path, kept: Kept, path: Path, before: bytes | None, after: bytes, edition: Edition
) -> Kept:
    """Keep a file's states before and after, and say so in the manifest, before it is written.

    Args:
        backup: folder of this update.
        kept: what the manifest says so far.
        path: the file, in the student's folder.
        before: its bytes; None where there is none yet.
        after: what it will hold.
        edition: which notebook it is.

    Returns:
        What the manifest says now.
    """
    number = len(kept.files)
    if before is not None:
        write_notebook(backup / f"{number}-before.ipynb", before)
    write_notebook(backup / f"{number}-after.ipynb", after)
    entry = KeptFile(
        path=str(path.relative_to(backup.parent.parent.parent)),
        notebook=edition.key, language=edition.language, teacher=edition.teacher,
        before=None if before is None else fingerprint(before), after=fingerprint(after),
    )  # fmt: skip
    kept = msgspec.structs.replace(kept, files=[*kept.files, entry])
    write_manifest(backup, kept)
    return kept


def write_manifest(backup: Path, kept: Kept) -> None:
    """Write what a backup is."""
    write_notebook(backup / _MANIFEST, msgspec.json.format(msgspec.json.encode(kept)))


def newest_backup(folder: Path) -> tuple[Path, Kept] | None:
    """The newest update that changed something and was not taken back."""
    for backup in sorted((folder / FOLDER / "backups").glob("*/"), key=_number, reverse=True):
        try:
            kept = msgspec.json.decode((backup / _MANIFEST).read_bytes(), type=Kept)
        except (OSError, *UNREADABLE):
            continue
        if kept.files and not kept.undone:
            return backup, kept
    return None


def states(backup: Path, kept: Kept, number: int) -> tuple[bytes | None, bytes]:
    """A file's states before and after an update.

    Raises:
        OSError: they are not there any more.
    """
    before = None
    if kept.files[number].before is not None:
        before = (backup / f"{number}-before.ipynb").read_bytes()
    return before, (backup / f"{number}-after.ipynb").read_bytes()


def _number(backup: Path) -> int:
    number = backup.name.partition("-")[0]
    return int(number) if number.isdigit() else 0
