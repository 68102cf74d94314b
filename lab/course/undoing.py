"""Takes an update back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from lab.course import keeping, shelf
from lab.course.desk import TRIES, Desk, Say, put_beside, take_turn
from lab.course.formats import ChangedMeanwhile, decode, encode, salvage, stamp
from lab.course.merging import merge
from lab.course.progress import FOLDER
from lab.course.shelf import Edition, Found
from lab.errors import LabError
from lab.records.course import Kept, KeptFile, NotebookChange


def undo(folder: Path, say: Say, is_open: Callable[[Path], bool]) -> list[NotebookChange]:
    """Take the newest update back; what was done since stays.

    Raises:
        LabError: there is none.
    """
    with take_turn(folder, say):
        newest = keeping.newest_backup(folder)
        if newest is None:
            raise LabError(
                f"There is no update to take back in {folder}.",
                why="none was made, or the last one was taken back",
                next_step=_states(folder),
            )
        return _Undoing(folder, undone=True).undo(*newest, is_open)


class _Undoing(Desk):
    def undo(
        self, backup: Path, kept: Kept, is_open: Callable[[Path], bool]
    ) -> list[NotebookChange]:
        places = [self._now_at(file) for file in kept.files]
        for path in places:
            if path is not None and is_open(path):
                raise LabError(
                    f"{path.name} is open in the lab.",
                    why="what is in the browser would be written over what is taken back",
                    next_step="save and close it there (or ./inv stop), then run this again",
                )
        changes = []
        for number, (file, path) in enumerate(zip(kept.files, places, strict=True)):
            edition = _edition(file)
            changes.append(
                self.guarded(path, edition, partial(self._one, backup, kept, number, path))
            )
        if not any(change.state == "failed" for change in changes):
            keeping.write_manifest(backup, msgspec.structs.replace(kept, undone=True))
        return changes

    def _one(self, backup: Path, kept: Kept, number: int, path: Path | None) -> NotebookChange:
        before, after = keeping.states(backup, kept, number)
        return self._take_back(path, _edition(kept.files[number]), before, after)

    def _now_at(self, file: KeptFile) -> Path | None:
        """Where a notebook is now, also where it was renamed since; None where it is gone."""
        path = self.folder / file.path
        if path.exists():
            return path
        return next((f.path for f in shelf.find(self.folder) if f.edition == _edition(file)), None)

    def _take_back(
        self, path: Path | None, edition: Edition, before: bytes | None, after: bytes
    ) -> NotebookChange:
        if path is None:  # the student deleted it since
            return self.told(None, edition, "removed" if before is None else "deleted")
        for _ in range(TRIES):
            try:
                return self._take_one_back(path, edition, before, after)
            except ChangedMeanwhile:
                continue
        return self.told(path, edition, "busy")

    def _take_one_back(
        self, path: Path, edition: Edition, before: bytes | None, after: bytes
    ) -> NotebookChange:
        at = stamp(path)
        now = path.read_bytes()
        if now == before:
            return self.told(path, edition, "current")
        if before is None:  # it came with the update
            if now != after:
                return self.told(path, edition, "kept")
            self.keep_before(path, now, edition)
            path.unlink()
            return self.told(None, edition, "removed")
        if now == after:
            self.write(path, now, before, edition, at)
            return self.told(path, edition, "restored")
        if decode(before) is None:  # it was damaged then, and worked in since
            return self.told(path, edition, "kept")
        found = Found(path=path, edition=edition, version="", notebook=None, data=now, stamp=at)
        current, reports = decode(now), []
        if current is None:
            current = salvage(now)
            current["metadata"] = keeping.nothing(decode(after))["metadata"]
            reports.append(put_beside(path, now, edition))
        # Worked in since: the way back is a merge as well, and what was done since stays.
        merged = merge(decode(after), current, decode(before))
        self.write(path, now, encode(merged.notebook), edition, at)
        told = self.of_merge(found, "restored", merged)
        return msgspec.structs.replace(told, reports=[*reports, *told.reports])


def _states(folder: Path) -> str:
    backups = folder / FOLDER / "backups"
    if backups.is_dir():
        return f"the states before all updates are in {backups}"
    return "./inv course --update brings a new version, where there is one"


def _edition(file: KeptFile) -> Edition:
    return Edition(key=file.notebook, language=file.language, teacher=file.teacher)
