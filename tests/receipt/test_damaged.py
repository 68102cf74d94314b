"""Receipts and the clone's own files, damaged at random: compared, or refused, and left as they
are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.locks.lockfile import read_epoch
from lab.receipt.compare import verify
from lab.receipt.groups import group_class
from lab.receipt.identity import read_receipt
from lab.receipt.make import describe
from lab.records.save import to_json
from lab.render.verify import class_text, verify_text
from tests.damage import fuzzed, refused_or, spoilt, spoilt_text
from tests.receipt.samples import COMMITTED, TEACHERS, in_container, seen

SEEN = seen()
ONES = [to_json(receipt).encode() for receipt in (COMMITTED, TEACHERS, SEEN, in_container())]
LOCK = (
    b"invoke==2.2.0 \\\n    --hash=sha256:" + b"a" * 64 + b"\n    # via x\nuv==0.9.1 \\\n"
    b"    --hash=sha256:" + b"b" * 64 + b"\n"
)


@fuzzed
@given(content=st.one_of(*map(spoilt, ONES)))
def test_damaged_receipt_is_compared_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(content)

    def compare() -> None:
        reference = read_receipt(path)
        verify_text(replace(SEEN, verification=verify(reference, SEEN)))

    error = refused_or(compare)
    assert error is None or str(path) in error.what
    assert path.read_bytes() == content


@fuzzed
@given(content=st.one_of(*map(spoilt, ONES)))
def test_damaged_receipt_of_a_student_costs_its_own_place_alone(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "ana.json").write_bytes(to_json(SEEN).encode())
    path = tmp_path / "eva.json"
    path.write_bytes(content)
    report = group_class(COMMITTED, tmp_path)
    members = [name for group in report.groups for name in group.members]
    assert "ana" in members
    assert ("eva" in members) != ("eva.json" in report.unreadable)
    class_text(report)
    assert path.read_bytes() == content


@fuzzed
@given(lock=spoilt_text(LOCK), dockerfile=spoilt_text(b"FROM python:3.11@sha256:1 AS base\n"))
def test_damaged_files_of_the_clone_are_told_as_they_are(
    tmp_path: Path, lock: bytes, dockerfile: bytes
) -> None:
    locks = tmp_path / "docker" / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    for name in ("cpu", "cuda", "runner"):
        (locks / f"{name}.txt").write_bytes(lock)
    (tmp_path / "docker" / "Dockerfile").write_bytes(dockerfile)
    found = describe(tmp_path)
    assert set(found.locks) == {"cpu", "cuda", "runner"}
    assert (locks / "cpu.txt").read_bytes() == lock


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", b"1\n2", None])
def test_damaged_time_of_the_locks_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "epoch.txt").write_bytes(content)
    error = refused_or(lambda: read_epoch(tmp_path))
    assert error is not None
    assert "epoch.txt" in error.what
