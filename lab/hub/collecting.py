"""Makes one archive of a class: each student's files, progress and receipt, and a table of all."""

import io
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from lab.hub import beneath
from lab.hub.folder import Say, work_of
from lab.hub.progress import progress_of
from lab.hub.table import table
from lab.records.course import StudentProgress
from lab.records.hub import Collected, CollectedStudent, LeftOut, Student
from lab.records.receipt import Receipt
from lab.whole import writing_whole

_NAMED = 100
_MOST_FILES = 20_000
# Of one student; notebooks come first.
_MOST_BYTES = 2 << 30


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be collected.

    Args:
        folder: the class's.
        students: of whom.
        archive: the file to make; an older one is replaced once the new one is whole.
        numbers: all exercises of the course.
        receipts: by the student's key: a receipt with its verification, or why there is none.
        largest_bytes: larger files are left out, and named.
    """

    folder: Path
    students: list[Student]
    archive: Path
    numbers: list[str]
    receipts: Mapping[str, Receipt | str] = field(default_factory=dict)
    largest_bytes: int = 100 << 20


def collect(order: Order, say: Say) -> Collected:
    """Make the archive.

    Raises:
        OSError: it cannot be written; an earlier one is as it was.
    """
    now = time.time()
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    top = order.archive.name.removesuffix(".tar.gz")
    with writing_whole(order.archive, mode=0o600) as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
            packing = _Packing(order, tar, top, now)
            told = []
            for number, student in enumerate(order.students, start=1):
                say(f"{number} of {len(order.students)}: {student.login}")
                told.append(packing.pack(student))
            packing.add("class.csv", table(told, packing.progress, order.numbers))
            packing.add("class.json", _json(told))
        size = file.tell()
    return Collected(archive=str(order.archive), bytes=size, made_utc=made, students=told)


def _json(told: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(told), indent=2)


class _Packing:
    def __init__(self, order: Order, tar: tarfile.TarFile, top: str, now: float) -> None:
        self.order, self.tar, self.top, self.now = order, tar, top, int(now)
        self.progress: dict[str, StudentProgress] = {}

    def add(self, name: str, data: bytes) -> None:
        """Put a file of ours into the archive."""
        told = tarfile.TarInfo(f"{self.top}/{name}")
        told.size, told.mtime, told.mode = len(data), self.now, 0o600
        self.tar.addfile(told, io.BytesIO(data))

    def pack(self, student: Student) -> CollectedStudent:
        """Put all of a student's into the archive."""
        work = work_of(self.order.folder, student)
        files = _Files(self, work, f"{student.key}/files")
        files.pack()
        right, unknown = self._progress(work, student)
        verdict, no_receipt = self._receipt(student)
        return CollectedStudent(
            login=student.login, name=student.name, key=student.key,
            removed=student.removed is not None, right=right, total=len(self.order.numbers),
            progress_unknown=unknown, files=files.count, bytes=files.bytes,
            left_out=files.left[:_NAMED], left_out_more=max(0, len(files.left) - _NAMED),
            receipt=verdict, receipt_unknown=no_receipt,
        )  # fmt: skip

    def _progress(self, work: Path, student: Student) -> tuple[int | None, str | None]:
        try:
            progress = progress_of(work, student, self.order.numbers)
        except OSError as error:
            return None, str(error.strerror)
        self.progress[student.key] = progress
        self.add(f"{student.key}/progress.json", _json(progress))
        return progress.right, None

    def _receipt(
        self, student: Student
    ) -> tuple[Literal["same", "differs", "cannot tell"] | None, str | None]:
        found = self.order.receipts.get(student.key, "it was not looked at")
        if isinstance(found, str):
            return None, found
        self.add(f"{student.key}/receipt.json", _json(found))
        return found.verification.verdict if found.verification else "cannot tell", None


class _Files:
    """One student's files on their way into the archive."""

    def __init__(self, packing: _Packing, work: Path, place: str) -> None:
        self.packing, self.work, self.place = packing, work, place
        self.count = self.bytes = 0
        self.left: list[LeftOut] = []
        self.names: set[str] = set()

    def pack(self) -> None:
        found = list(beneath.walk(self.work))
        for entry in found:
            if entry.why:
                self._leave(entry.way, entry.why, failed=entry.failed)
        files = [entry for entry in found if not entry.why]
        for entry in sorted(files, key=lambda e: (not e.way[-1].endswith(".ipynb"), e.way)):
            self._one(entry)

    def _one(self, entry: beneath.Entry) -> None:
        if self.count >= _MOST_FILES:
            self._leave(entry.way, f"the student has more than {_MOST_FILES:,} files")
        elif entry.size_bytes > self.packing.order.largest_bytes:
            self._leave(entry.way, f"it has {entry.size_bytes:,} bytes: --largest takes more")
        elif self.bytes + entry.size_bytes > _MOST_BYTES:
            self._leave(entry.way, f"the student's files have more than {_MOST_BYTES >> 30} GB")
        else:
            self._take(entry)

    def _take(self, entry: beneath.Entry) -> None:
        try:
            data = beneath.read(self.work, entry.way, self.packing.order.largest_bytes)
        except OSError as error:
            odd = isinstance(error, beneath.NotOrdinary)
            self._leave(entry.way, str(error.strerror), failed=not odd)
            return
        self.packing.add(f"{self.place}/{self._free(shown(entry.way))}", data)
        self.count, self.bytes = self.count + 1, self.bytes + len(data)

    def _leave(self, way: tuple[str, ...], why: str, *, failed: bool = False) -> None:
        self.left.append(LeftOut(path=shown(way) or ".", why=why, failed=failed))

    def _free(self, name: str) -> str:
        """A name that no other file in the archive has, on any file system."""
        found, number = name, 2
        while found.casefold() in self.names:
            found, number = f"{name}-{number}", number + 1
        self.names.add(found.casefold())
        return found


def shown(way: tuple[str, ...]) -> str:
    """A path as text that any system can have in a name."""
    return "/".join(
        "".join(c if c.isprintable() and c not in '\\:*?"<>|' else f"%{ord(c):02X}" for c in name)
        for name in way
    )
