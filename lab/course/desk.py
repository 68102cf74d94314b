"""Where one command changes a student's folder: what it wrote is kept, and can be taken back."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab.course import keeping
from lab.course.formats import ChangedMeanwhile, Stamp, give, make_folder, salvage, write_notebook
from lab.course.merging import Merged
from lab.course.progress import FOLDER, not_yours
from lab.course.shelf import Edition, Found
from lab.course.texts import phrase
from lab.records.course import ChangeReport, Kept, NotebookChange, State
from lab.turn import turn

Say = Callable[[str], None]
# How often a notebook that is saved meanwhile is taken up anew.
TRIES = 5


def take_turn(folder: Path, say: Say) -> contextlib.AbstractContextManager[int]:
    """Hold a student's folder: one command at a time."""
    try:
        lock = make_folder(folder / FOLDER) / "lock"
        if not lock.exists():
            lock.touch()
            give(lock, folder)
        with lock.open("r+"), tempfile.TemporaryFile(dir=lock.parent):
            pass
    except PermissionError as error:
        raise not_yours(folder, error) from error
    waiting = "another command is changing the course in this folder; waiting for it ..."
    return turn(lock, waiting, say)


@dataclass
class Desk:
    """One command's changes in a folder, kept so that they can be taken back."""

    folder: Path
    # What it keeps is no update for the next undo to take back.
    undone: bool = False
    backup: Path | None = None

    def __post_init__(self) -> None:
        """Begin with nothing kept."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.kept = Kept(made_utc=now, files=[], undone=self.undone)

    def guarded(
        self, path: Path | None, edition: Edition, work: Callable[[], NotebookChange]
    ) -> NotebookChange:
        """One notebook's fault costs the others nothing, not even their reports."""
        try:
            return work()
        except Exception as error:  # whatever is wrong with one file
            told = self.told(path, edition, "failed")
            words = error.strerror if isinstance(error, OSError) else ""
            reason = words or f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return msgspec.structs.replace(told, reason=reason)

    def write(
        self, path: Path, before: bytes | None, after: bytes, edition: Edition, at: Stamp | None
    ) -> None:
        """Write a notebook, after keeping its states before and after.

        Args:
            path: the file.
            before: its bytes; None where there is none.
            after: what it is to hold.
            edition: which notebook it is.
            at: the file's stamp when `before` was read.

        Raises:
            ChangedMeanwhile: somebody saved it since; nothing was written.
        """
        earlier = self.kept
        self.keep_before(path, before, edition, after)
        try:
            write_notebook(path, after, was=at)
        except ChangedMeanwhile:
            assert self.backup is not None
            self.kept = earlier  # what was not written is not to be taken back
            keeping.write_manifest(self.backup, earlier)
            raise

    def keep_before(
        self, path: Path, before: bytes | None, edition: Edition, after: bytes = b""
    ) -> None:
        """Keep a file's states, in a backup that begins with the first of them."""
        if self.backup is None:
            self.backup = keeping.begin_backup(self.folder, self.kept.made_utc.replace(":", ""))
        self.kept = keeping.note_file(self.backup, self.kept, path, before, after, edition)

    def of_merge(self, found: Found, state: State, merged: Merged) -> NotebookChange:
        """What is told of a notebook that was merged."""
        told = self.told(found.path, found.edition, state)
        return msgspec.structs.replace(told, reports=list(merged.reports), stale=list(merged.stale))

    def told(self, path: Path | None, edition: Edition, state: State) -> NotebookChange:
        """What is told of a notebook."""
        return NotebookChange(
            notebook=edition.key, language=edition.language, teacher=edition.teacher, state=state,
            file=None if path is None else _shown(path.relative_to(self.folder)),
            backup=None if self.backup is None else str(self.backup.relative_to(self.folder)),
        )  # fmt: skip


def _shown(path: Path) -> str:
    """A path as text, also one whose name is in no known encoding."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def put_beside(path: Path, data: bytes, edition: Edition) -> ChangeReport:
    """Keep a damaged file beside the notebook, where a student sees it, and say so."""
    beside = free(path.with_name(f"{path.stem}.broken.txt"))
    write_notebook(beside, data)
    cells = len(salvage(data).cells)
    text = phrase("report_broken", edition.language, n=cells, file=_shown(Path(beside.name)))
    return ChangeReport(kind="broken", text=text)


def free(path: Path) -> Path:
    """A name that no file has: the one wished for, or with a number."""
    number, found = 2, path
    while os.path.lexists(found):
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found
