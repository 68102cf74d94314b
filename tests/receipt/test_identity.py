"""Receipts from their files: whole, damaged, and which is which."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from lab.errors import LabError
from lab.paths import ROOT
from lab.receipt.compare import verify
from lab.receipt.identity import hash_receipt, own_identity, read_receipt
from tests.receipt.samples import COMMITTED, TEACHERS, seen

WHOLE = msgspec.json.encode(TEACHERS)


def test_receipt_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(WHOLE)
    assert read_receipt(path) == TEACHERS


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "null", "{}", '{"schema": "lab/receipt/2"}', "\udcff"]
)
def test_other_documents_are_no_receipts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LabError):
        read_receipt(path)


def test_receipt_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(LabError, match="could not be read"):
            read_receipt(path)


def test_huge_file_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    with pytest.raises(LabError) as caught:
        read_receipt(path)
    assert "more than 32 MB" in caught.value.why


def test_identity_is_of_what_was_seen_and_not_of_the_verdict() -> None:
    receipt = seen()
    verified = replace(receipt, verification=verify(COMMITTED, receipt))
    assert hash_receipt(verified) == hash_receipt(receipt)
    assert hash_receipt(TEACHERS) != hash_receipt(COMMITTED)
    assert verified.verification is not None
    assert verified.verification.against == hash_receipt(COMMITTED)


def test_results_carry_the_identity_of_the_clones_receipt(tmp_path: Path) -> None:
    assert own_identity(tmp_path) is None
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "receipt.json").write_bytes(WHOLE)
    own_identity.cache_clear()
    assert own_identity(tmp_path) == hash_receipt(TEACHERS)
    assert own_identity() == hash_receipt(read_receipt(ROOT / "docker" / "receipt.json"))
