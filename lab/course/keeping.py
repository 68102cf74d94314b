"""What the course keeps beside the notebooks: versions given out, and the state before each update.

All of it lies in `.lab-course/` in the student's folder, and goes where that goes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from lab.course.cells import Notebook
from lab.course.formats import decode, encode, make_folder, write_whole
from lab.course.progress import FOLDER
from lab.course.shelf import Edition
from lab.records.course import Kept, KeptFile

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
        write_whole(path, data)


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


def begin_backup(folder: Path, moment: str) -> Path:
    """A folder for the state before one update; a second one of the same second has a number."""
    backups = make_folder(folder / FOLDER / "backups")
    number, place = 2, backups / moment
    while place.exists():
        number, place = number + 1, backups / f"{moment}-{number}"
    return make_folder(place)


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
        write_whole(backup / f"{number}-before-{path.name}", before)
    write_whole(backup / f"{number}-after-{path.name}", after)
    entry = KeptFile(
        path=str(path.relative_to(backup.parent.parent.parent)), name=path.name,
        notebook=edition.key, language=edition.language, teacher=edition.teacher,
        before=None if before is None else fingerprint(before), after=fingerprint(after),
    )  # fmt: skip
    kept = msgspec.structs.replace(kept, files=[*kept.files, entry])
    write_manifest(backup, kept)
    return kept


def write_manifest(backup: Path, kept: Kept) -> None:
    """Write what a backup is."""
    write_whole(backup / _MANIFEST, msgspec.json.format(msgspec.json.encode(kept)))


def newest_backup(folder: Path) -> tuple[Path, Kept] | None:
    """The newest update that changed something and was not taken back."""
    for backup in sorted((folder / FOLDER / "backups").glob("*/"), key=_order, reverse=True):
        try:
            kept = msgspec.json.decode((backup / _MANIFEST).read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            continue
        if kept.files and not kept.undone:
            return backup, kept
    return None


def _order(backup: Path) -> tuple[str, int]:
    moment, _, number = backup.name.partition("Z-")
    return moment.rstrip("Z"), int(number) if number.isdigit() else 1
