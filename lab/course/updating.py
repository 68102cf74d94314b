"""Puts the notebooks into a student's folder, brings new versions, and takes an update back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab.course import keeping, shelf
from lab.course.cells import Notebook, normal
from lab.course.formats import (
    ChangedMeanwhile,
    Stamp,
    decode,
    encode,
    make_folder,
    salvage,
    stamp,
    write_whole,
)
from lab.course.merging import Merged, merge
from lab.course.progress import FOLDER
from lab.course.shelf import Edition, Found
from lab.course.texts import phrase
from lab.errors import LabError
from lab.language import Language, parse_language
from lab.records.course import ChangeReport, Kept, NotebookChange, State
from lab.turn import turn

Say = Callable[[str], None]
_TRIES = 5


def place(
    folder: Path, language: Language, say: Say, *, teacher: bool = False
) -> list[NotebookChange]:
    """Put every notebook that is not there yet into a folder; touch none that is.

    Args:
        folder: the student's, or for a teacher's copies the teacher's.
        language: of the prose.
        say: takes lines of progress.
        teacher: with the solutions.
    """
    with _turn(folder, say):
        return _Run(folder).place(shelf.editions(language, teacher=teacher))


def update(
    folder: Path, language: Language, say: Say, is_open: Callable[[Path], bool]
) -> list[NotebookChange]:
    """Bring every notebook of the course in a folder to the version that the course has now.

    Args:
        folder: the student's.
        language: of notebooks that are new to the course.
        say: takes lines of progress.
        is_open: whether somebody has a file open, who would write over it.

    Raises:
        LabError: there is no notebook of the course.
    """
    with _turn(folder, say):
        found = shelf.find(folder)
        if not found:
            raise LabError(
                f"There is no notebook of the course in {folder}.",
                why="an update changes those that are there, under any name",
                next_step="put them there: ./inv course --work FOLDER",
            )
        return _Run(folder).update(found, language, is_open)


def undo(folder: Path, say: Say, is_open: Callable[[Path], bool]) -> list[NotebookChange]:
    """Take the newest update back; what was done since stays.

    Raises:
        LabError: there is none.
    """
    with _turn(folder, say):
        newest = keeping.newest_backup(folder)
        if newest is None:
            raise LabError(
                f"There is no update to take back in {folder}.",
                why="none was made, or the last one was taken back",
                next_step=f"the states before all updates are in {folder / FOLDER / 'backups'}",
            )
        return _Run(folder, undone=True).undo(*newest, is_open)


def offered(folder: Path) -> list[Path]:
    """The notebooks in a folder for which the course has a newer version."""
    return [
        f.path for f in _primary(shelf.find(folder))[0]
        if f.edition.version and f.version != f.edition.version
    ]  # fmt: skip


def language_of(folder: Path) -> Language | None:
    """The language of the notebooks that are there: of the one changed last; None without any."""
    found = shelf.find(folder)
    return found[0].edition.language if found else None


def has_course(folder: Path, language: Language) -> bool:
    """Whether the course was ever put into this folder in a language."""
    return any(keeping.was_given(folder, edition) for edition in shelf.editions(language))


def spoken_in(folder: Path, variables: Mapping[str, str]) -> Language:
    """The language that LAB_LANGUAGE names, else that of the course in a folder, else the
    terminal's.

    Raises:
        LabError: LAB_LANGUAGE names another.
    """
    asked = parse_language("", variables)
    return asked if variables.get("LAB_LANGUAGE") else language_of(folder) or asked


def _turn(folder: Path, say: Say) -> contextlib.AbstractContextManager[int]:
    make_folder(folder / FOLDER)
    waiting = "another command is changing the course in this folder; waiting for it ..."
    return turn(folder / FOLDER / "lock", waiting, say)


def _primary(found: list[Found]) -> tuple[list[Found], list[Found]]:
    """Of each notebook the one that is worked in, and the copies that a student made of it."""
    chosen: dict[Edition, Found] = {}
    for one in found:  # the last changed comes first
        before = chosen.get(one.edition)
        if before is None or (_is_named(one) and not _is_named(before)):
            chosen[one.edition] = one
    primary = sorted(chosen.values(), key=lambda f: f.edition.key)
    return primary, [one for one in found if one not in primary]


def _is_named(found: Found) -> bool:
    """Whether a file has the name that the course gave it, which its copies have not."""
    if found.edition.source is None:
        return True
    return found.path.name == shelf.file_name(found.edition.build())


@dataclass
class _Run:
    """One command's changes in a folder, kept so that they can be taken back."""

    folder: Path
    # What it keeps is no update for the next undo to take back.
    undone: bool = False
    backup: Path | None = None

    def __post_init__(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.kept = Kept(made_utc=now, files=[], undone=self.undone)

    def place(self, editions: list[Edition]) -> list[NotebookChange]:
        there = {found.edition: found.path for found in shelf.find(self.folder)}
        return [
            self._told(there[edition], edition, "present") if edition in there
            else self._first(edition)
            for edition in editions
        ]  # fmt: skip

    def _first(self, edition: Edition) -> NotebookChange:
        """A notebook where there is none: nothing to keep, and no update to take back."""
        notebook = edition.build()
        path = _free(self.folder / shelf.file_name(notebook))
        keeping.keep_version(self.folder, edition, notebook)
        write_whole(path, encode(notebook), was=None)
        return self._told(path, edition, "placed")

    def update(
        self, found: list[Found], language: Language, is_open: Callable[[Path], bool]
    ) -> list[NotebookChange]:
        primary, copies = _primary(found)
        changes = [self._update(one, is_open) for one in primary]
        changes += [self._told(one.path, one.edition, "copy") for one in copies]
        changes += self._new(primary, language)
        return changes

    def _new(self, there: list[Found], language: Language) -> Iterator[NotebookChange]:
        """Notebooks that the course has and the folder has not; one that was deleted stays so."""
        languages = {f.edition.language for f in there if not f.edition.teacher} or {language}
        present = {f.edition for f in there}
        for spoken in sorted(languages):
            for edition in shelf.editions(spoken):
                if edition in present:
                    continue
                if keeping.was_given(self.folder, edition):
                    yield self._told(None, edition, "deleted")
                else:
                    yield self._added(edition)

    def _added(self, edition: Edition) -> NotebookChange:
        """A notebook that is new to the course."""
        notebook = edition.build()
        path = _free(self.folder / shelf.file_name(notebook))
        keeping.keep_version(self.folder, edition, notebook)
        self._write(path, None, encode(notebook), edition, None)
        return self._told(path, edition, "placed")

    def _update(self, found: Found, is_open: Callable[[Path], bool]) -> NotebookChange:
        if found.edition.source is None:
            return self._told(found.path, found.edition, "retired")
        for _ in range(_TRIES):
            if found.notebook is not None and found.version == found.edition.version:
                return self._told(found.path, found.edition, "current")
            if is_open(found.path):
                return self._told(found.path, found.edition, "open")
            try:
                return self._bring(found)
            except ChangedMeanwhile:
                again = shelf.look(found.path)
                if again is None:
                    break
                found = again
        return self._told(found.path, found.edition, "busy")

    def _bring(self, found: Found) -> NotebookChange:
        teacher = found.edition.build()
        base = keeping.kept_version(self.folder, found.edition, found.version)
        if found.notebook is None:
            return self._recover(found, base, teacher)
        merged = merge(base or _nothing(teacher), found.notebook, teacher)
        keeping.keep_version(self.folder, found.edition, teacher)
        self._write(found.path, found.data, encode(merged.notebook), found.edition, found.stamp)
        return self._of_merge(found, "updated", merged)

    def _recover(self, found: Found, base: Notebook | None, teacher: Notebook) -> NotebookChange:
        """A notebook whose JSON is broken: what can be read of it is merged, and the file stays
        beside, as it was."""
        saved = salvage(found.data)
        names = {cell.get("id") for cell in saved.cells}
        known = base or teacher
        # A cell that was lost in the damage was not deleted: it comes anew.
        before = _nothing(known)
        before["cells"] = [cell for cell in known.cells if cell["id"] in names]
        saved["metadata"] = _nothing(known)["metadata"]
        merged = merge(before, saved, teacher)
        keeping.keep_version(self.folder, found.edition, teacher)
        beside = _free(found.path.with_name(f"{found.path.stem}.broken.txt"))
        write_whole(beside, found.data)
        self._write(found.path, found.data, encode(merged.notebook), found.edition, found.stamp)
        report = ChangeReport(
            kind="broken",
            text=phrase(
                "report_broken", found.edition.language, n=len(saved.cells), file=beside.name
            ),
        )
        told = self._of_merge(found, "recovered", merged)
        return msgspec.structs.replace(told, reports=[report, *told.reports])

    def undo(
        self, backup: Path, kept: Kept, is_open: Callable[[Path], bool]
    ) -> list[NotebookChange]:
        changes = []
        for number, file in enumerate(kept.files):
            path = self.folder / file.path
            edition = Edition(key=file.notebook, language=file.language, teacher=file.teacher)
            if is_open(path):
                raise LabError(
                    f"{path.name} is open in the lab.",
                    why="what is in the browser would be written over what is taken back",
                    next_step="save and close it there, then run the same command again",
                )
            before = None
            if file.before is not None:
                before = (backup / f"{number}-before-{file.name}").read_bytes()
            after = (backup / f"{number}-after-{file.name}").read_bytes()
            changes.append(self._take_back(path, edition, before, after))
        keeping.write_manifest(backup, msgspec.structs.replace(kept, undone=True))
        return changes

    def _take_back(
        self, path: Path, edition: Edition, before: bytes | None, after: bytes
    ) -> NotebookChange:
        at = stamp(path)
        now = path.read_bytes() if at is not None else None
        if now is None and before is None:
            return self._told(None, edition, "removed")
        if now == before:
            return self._told(path, edition, "current")
        if before is None:  # it came with the update
            assert now is not None
            if now != after:
                return self._told(path, edition, "kept")
            self._keep_before(path, now, edition)
            path.unlink()
            return self._told(None, edition, "removed")
        if now is None or now == after or decode(now) is None or decode(before) is None:
            self._write(path, now, before, edition, at)
            return self._told(path, edition, "restored")
        # Worked in since: the way back is a merge as well, and what was done since stays.
        merged = merge(decode(after), decode(now), decode(before))
        self._write(path, now, encode(merged.notebook), edition, at)
        return self._of_merge(
            Found(path=path, edition=edition, version="", notebook=None, data=now, stamp=at),
            "restored", merged,
        )  # fmt: skip

    def _write(
        self, path: Path, before: bytes | None, after: bytes, edition: Edition, at: Stamp | None
    ) -> None:
        self._keep_before(path, before, edition, after)
        write_whole(path, after, was=at)

    def _keep_before(
        self, path: Path, before: bytes | None, edition: Edition, after: bytes = b""
    ) -> None:
        if self.backup is None:
            self.backup = keeping.begin_backup(self.folder, self.kept.made_utc.replace(":", ""))
        self.kept = keeping.note_file(self.backup, self.kept, path, before, after, edition)

    def _of_merge(self, found: Found, state: State, merged: Merged) -> NotebookChange:
        told = self._told(found.path, found.edition, state)
        return msgspec.structs.replace(told, reports=list(merged.reports), stale=list(merged.stale))

    def _told(self, path: Path | None, edition: Edition, state: State) -> NotebookChange:
        return NotebookChange(
            notebook=edition.key, language=edition.language, teacher=edition.teacher, state=state,
            file=None if path is None else str(path.relative_to(self.folder)),
            backup=None if self.backup is None else str(self.backup.relative_to(self.folder)),
        )  # fmt: skip


def _nothing(like: Notebook) -> Notebook:
    """A version without cells, for a base that is not there any more: then nothing is known to be
    unchanged."""
    empty = normal(like)
    empty["cells"] = []
    return empty


def _free(path: Path) -> Path:
    """A name that no file has: the one wished for, or with a number."""
    number, found = 2, path
    while found.exists():
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found
