"""Puts the notebooks into a student's folder, and brings new versions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from lab.course import keeping, shelf
from lab.course.cells import Notebook, normal
from lab.course.desk import TRIES, Desk, Say, free, put_beside, take_turn
from lab.course.formats import ChangedMeanwhile, encode, salvage, write_notebook
from lab.course.merging import merge
from lab.course.shelf import Edition, Found
from lab.errors import LabError
from lab.language import Language, parse_language
from lab.records.course import NotebookChange


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
    with take_turn(folder, say):
        return _Updating(folder).place(shelf.editions(language, teacher=teacher))


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
    with take_turn(folder, say):
        found = shelf.find(folder)
        if not found:
            raise LabError(
                f"There is no notebook of the course in {folder}.",
                why="an update changes those that are there, under any name",
                next_step="put them there: ./inv course --work FOLDER",
            )
        return _Updating(folder).update(found, language, is_open)


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
    return shelf.file_names().get(found.path.name) == found.edition


class _Updating(Desk):
    def place(self, editions: list[Edition]) -> list[NotebookChange]:
        there = {found.edition: found for found in shelf.find(self.folder)}
        changes = []
        for edition in editions:
            found = there.get(edition)
            if found is not None:
                self._keep_current(found)
                changes.append(self.told(found.path, edition, "present"))
            elif self._unreadable(edition) is not None:
                changes.append(self.told(self._unreadable(edition), edition, "unreadable"))
            else:
                changes.append(self._first(edition))
        return changes

    def _keep_current(self, found: Found) -> None:
        """Keep the version that a notebook is of, for folders that were copied without it."""
        if found.edition.source is not None and found.version == found.edition.version:
            keeping.keep_version(self.folder, found.edition, found.edition.build())

    def _unreadable(self, edition: Edition) -> Path | None:
        """A file of this notebook's name that cannot be read, or is a link to nothing."""
        path = self.folder / shelf.file_name(edition.build())
        return path if os.path.lexists(path) and not os.access(path, os.R_OK) else None

    def _first(self, edition: Edition) -> NotebookChange:
        """A notebook where there is none: nothing to keep, and no update to take back."""
        notebook = edition.build()
        path = free(self.folder / shelf.file_name(notebook))
        keeping.keep_version(self.folder, edition, notebook)
        write_notebook(path, encode(notebook), was=None)
        return self.told(path, edition, "placed")

    def update(
        self, found: list[Found], language: Language, is_open: Callable[[Path], bool]
    ) -> list[NotebookChange]:
        primary, copies = _primary(found)
        changes = [
            self.guarded(one.path, one.edition, partial(self._update, one, is_open))
            for one in primary
        ]
        changes += [self.told(one.path, one.edition, "copy") for one in copies]
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
                if self._unreadable(edition) is not None:
                    yield self.told(self._unreadable(edition), edition, "unreadable")
                elif keeping.was_given(self.folder, edition):
                    yield self.told(None, edition, "deleted")
                else:
                    yield self.guarded(None, edition, partial(self._added, edition))

    def _added(self, edition: Edition) -> NotebookChange:
        """A notebook that is new to the course."""
        notebook = edition.build()
        path = free(self.folder / shelf.file_name(notebook))
        keeping.keep_version(self.folder, edition, notebook)
        self.write(path, None, encode(notebook), edition, None)
        return self.told(path, edition, "placed")

    def _update(self, found: Found, is_open: Callable[[Path], bool]) -> NotebookChange:
        if found.edition.source is None:
            return self.told(found.path, found.edition, "retired")
        for _ in range(TRIES):
            if found.notebook is not None and found.version == found.edition.version:
                self._keep_current(found)
                return self.told(found.path, found.edition, "current")
            if not found.path.stat().st_mode & 0o222:
                return self.told(found.path, found.edition, "read_only")
            if is_open(found.path):
                return self.told(found.path, found.edition, "open")
            try:
                return self._bring(found)
            except ChangedMeanwhile:
                again = shelf.look(found.path)
                if again is None:
                    break
                found = again
        return self.told(found.path, found.edition, "busy")

    def _bring(self, found: Found) -> NotebookChange:
        teacher = found.edition.build()
        base = keeping.kept_version(self.folder, found.edition, found.version)
        if found.notebook is None:
            return self._recover(found, base, teacher)
        merged = merge(
            base or keeping.rebuilt_version(found.notebook, teacher), found.notebook, teacher
        )
        keeping.keep_version(self.folder, found.edition, teacher)
        self.write(found.path, found.data, encode(merged.notebook), found.edition, found.stamp)
        return self.of_merge(found, "updated", merged)

    def _recover(self, found: Found, base: Notebook | None, teacher: Notebook) -> NotebookChange:
        """A notebook whose JSON is broken: what can be read of it is merged, and the file stays
        beside, as it was."""
        saved = normal(salvage(found.data))
        if base is None:  # the end of the file, where the version stands, is what is cut first
            base = keeping.best_version(self.folder, found.edition, saved.cells)
        names = {cell.get("id") for cell in saved.cells}
        known = base or keeping.nothing(teacher)
        # A cell that was lost in the damage was not deleted: it comes anew.
        before = keeping.nothing(known)
        before["cells"] = [cell for cell in known.cells if cell["id"] in names]
        saved["metadata"] = keeping.nothing(base or teacher)["metadata"]
        merged = merge(before, saved, teacher)
        keeping.keep_version(self.folder, found.edition, teacher)
        report = put_beside(found.path, found.data, found.edition)
        self.write(found.path, found.data, encode(merged.notebook), found.edition, found.stamp)
        told = self.of_merge(found, "recovered", merged)
        return msgspec.structs.replace(told, reports=[report, *told.reports])
