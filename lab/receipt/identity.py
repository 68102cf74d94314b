"""Which receipt is which: a hash over what does not depend on where it was looked at."""

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.paths import ROOT
from lab.records.receipt import Receipt
from lab.records.unreadable import UNREADABLE

COMMITTED = "docker/receipt.json"
_MOST_BYTES = 32 << 20


def hash_receipt(receipt: Receipt) -> str:
    """SHA-256 of a receipt without what was seen on one machine."""
    alone = msgspec.structs.replace(receipt, verification=None)
    return hashlib.sha256(msgspec.json.encode(alone, order="sorted")).hexdigest()


def read_receipt(path: Path) -> Receipt:
    """Read a receipt from its file.

    Raises:
        LabError: there is none, or it is damaged; says where.
    """
    what = f"The receipt {path} could not be read."
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise LabError(
            what, why=str(error.strerror), next_step="name a receipt: --receipt FILE"
        ) from error
    if len(data) > _MOST_BYTES:
        raise LabError(
            what, why=f"it has more than {_MOST_BYTES >> 20} MB", next_step="name another file"
        )
    try:
        return msgspec.json.decode(data, type=Receipt)
    except UNREADABLE as error:
        raise LabError(
            what, why=f"it is no whole document of the schema lab/receipt/1: {error}",
            next_step="take a fresh copy: of the repository's by git checkout docker/receipt.json,"
            " of another from whoever made it",
        ) from error  # fmt: skip


@cache
def own_identity(root: Path = ROOT) -> str | None:
    """Which receipt the clone has, for results to carry; None where it has none, as in an image."""
    try:
        return hash_receipt(read_receipt(root / COMMITTED))
    except LabError:
        return None
