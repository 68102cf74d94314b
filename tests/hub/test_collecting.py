"""The archive of a class holds all that can be had, and names the rest."""

import csv
import io
import json
import os
import resource
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.course.progress import note_attempt
from lab.hub.collecting import Order, collect
from lab.hub.folder import enrol, work_of
from lab.hub.students import student_named
from lab.records.hub import Collected, Student
from tests.fakes import AsNobody
from tests.receipt.samples import COMMITTED

ANA, LUIS = student_named("Ana García", "ana"), student_named("=cmd|' /C calc'!A0", "luis")
NUMBERS = ["1.1", "1.2"]


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "class"
    enrol(folder, [ANA, LUIS], silent)
    for student in (ANA, LUIS):
        (work_of(folder, student) / "1-tensors.ipynb").write_text(student.login)
    return folder


def gather(place: Path, students: tuple[Student, ...] = (ANA, LUIS), **more: object) -> Collected:
    order = Order(folder=place, students=list(students), archive=place / "all.tar.gz",
                  numbers=NUMBERS, **more)  # type: ignore[arg-type]  # fmt: skip
    return collect(order, silent)


def inside(place: Path) -> dict[str, bytes]:
    with tarfile.open(place / "all.tar.gz") as tar:
        found = {}
        for member in tar:
            assert member.isreg()
            file = tar.extractfile(member)
            assert file
            found[member.name.removeprefix("all/")] = file.read()
    return found


def test_archive_holds_files_progress_and_receipt_of_each(place: Path) -> None:
    note_attempt(work_of(place, ANA), "1.1", right=True, mistake=None)
    note_attempt(work_of(place, ANA), "1.2", right=False, mistake="=sign")
    told = gather(place, receipts={ANA.key: COMMITTED, LUIS.key: "no engine"})
    found = inside(place)
    assert found[f"{ANA.key}/files/1-tensors.ipynb"] == b"ana"
    assert json.loads(found[f"{ANA.key}/progress.json"])["right"] == 1
    assert json.loads(found[f"{ANA.key}/receipt.json"])["schema"] == "lab/receipt/1"
    assert f"{LUIS.key}/receipt.json" not in found
    assert json.loads(found["class.json"])[0]["login"] == "ana"
    ana, luis = told.students
    assert (ana.right, ana.total, ana.files, ana.receipt) == (1, 2, 1, "cannot tell")
    assert luis.receipt_unknown == "no engine"
    assert told.bytes == (place / "all.tar.gz").stat().st_size
    assert (place / "all.tar.gz").stat().st_mode & 0o777 == 0o600


def test_table_opens_in_a_spreadsheet_and_computes_nothing(place: Path) -> None:
    note_attempt(work_of(place, ANA), "1.2", right=False, mistake="sign")
    gather(place)
    data = inside(place)["class.csv"]
    assert data.startswith(b"\xef\xbb\xbf")
    heading, ana, luis = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    assert heading[:3] == ["name", "login", "folder"]
    assert dict(zip(heading, ana, strict=True))["1.2"] == "wrong (1)"
    assert dict(zip(heading, luis, strict=True))["1.1"] == ""
    assert luis[0].startswith("'=cmd")


def test_what_is_left_out_is_named_with_the_reason(place: Path) -> None:
    work = work_of(place, ANA)
    (work / "link.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(work / "pipe")
    (work / "data.bin").write_bytes(b"x" * 1001)
    told = gather(place, largest_bytes=1000)
    left = {one.path: one.why for one in told.students[0].left_out}
    assert set(left) == {"link.ipynb", "pipe", "data.bin"}
    assert "1,001 bytes" in left["data.bin"]
    assert not any(one.failed for one in told.students[0].left_out)
    assert not [name for name in inside(place) if "link" in name or "pipe" in name]


def test_odd_names_are_kept_apart_and_stay_in_the_archive(place: Path) -> None:
    work = work_of(place, ANA)
    names = [b"a:b", b"a%3Ab", b"line\nbreak", b"\xff\xfe", b"A.txt", b"a.txt", b"back\\slash"]
    for name in names:
        Path(os.fsdecode(os.fsencode(work) + b"/" + name)).write_bytes(name)
    assert gather(place).students[0].files == len(names) + 1
    found = {n: d for n, d in inside(place).items() if n.startswith(f"{ANA.key}/files/")}
    assert sorted(found.values()) == sorted([*names, b"ana"])
    assert len({name.casefold() for name in found}) == len(names) + 1
    assert all(name.isprintable() and "\\" not in name for name in found)


def test_progress_that_is_no_file_of_the_students_is_not_read(place: Path) -> None:
    own = work_of(place, ANA) / ".lab-course"
    own.mkdir()
    (own / "progress.jsonl").symlink_to("/dev/zero")
    ana, luis = gather(place).students
    assert (ana.right, ana.progress_unknown) == (None, "it is a link")
    assert luis.right == 0


@pytest.mark.root
def test_what_may_not_be_read_is_named_and_costs_the_rest_nothing(
    place: Path, as_nobody: AsNobody, entered_by_all: Path
) -> None:
    moved = entered_by_all / "class"
    place.rename(moved)
    closed = work_of(moved, ANA) / "closed"
    closed.mkdir()
    (closed / "mine.ipynb").write_text("mine")
    for path in (moved, *moved.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(work_of(moved, LUIS), 0, 0)
    closed.chmod(0)
    with as_nobody():
        ana, luis = gather(moved).students
    assert [(one.path, one.failed) for one in ana.left_out] == [("closed", True)]
    assert [(one.path, one.failed) for one in luis.left_out] == [(".", True)]
    assert ana.files == 1
    assert f"{ANA.key}/files/1-tensors.ipynb" in inside(moved)


def test_archive_that_cannot_be_written_leaves_the_earlier_one(place: Path) -> None:
    gather(place)
    before = (place / "all.tar.gz").read_bytes()
    (work_of(place, ANA) / "data.bin").write_bytes(os.urandom(100_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # the kernel refuses, as it does
    try:
        with pytest.raises(OSError, match="File too large"):
            gather(place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (place / "all.tar.gz").read_bytes() == before
    assert not [path for path in place.iterdir() if path.name.endswith(".new")]


def test_student_who_was_removed_is_collected_too(place: Path) -> None:
    gone = replace(ANA, removed="2026-11-27T10:00:00Z")
    assert gather(place, (gone,)).students[0].removed
    assert inside(place)[f"{ANA.key}/files/1-tensors.ipynb"] == b"ana"
