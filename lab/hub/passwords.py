"""One-time passwords: made for a student, kept as a hash, gone once the student has chosen one.

`<class>/hub/one-time/<key>.json` is there from the moment a password is given until its student
has replaced it; the hub looks there first, and asks for a new one when it fits.
"""

import hashlib
import hmac
import secrets
import time
from pathlib import Path

import msgspec

from lab.errors import LabError
from lab.records.hub import OneTime
from lab.records.save import to_json
from lab.records.unreadable import UNREADABLE
from lab.whole import write_whole

# Printed, no two of these look alike, and without vowels they make no word.
_LETTERS = "bcdfghjkmnpqrtvwxy3478"
_GROUPS, _EACH = 3, 5  # 15 of 22 letters: 66 bits
# What takes 50 ms here: with 66 bits to guess the cost of one guess matters little.
_N, _R, _P = 1 << 14, 8, 1


def make_password() -> str:
    """A new one: three groups of five letters, 66 bits."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_EACH)) for _ in range(_GROUPS))
    return "-".join(groups)


def give(folder: Path, key: str) -> str:
    """Give a student a new one-time password; the one before, used or not, is good no more.

    Args:
        folder: the class's.
        key: the student's.

    Returns:
        The password, which is kept nowhere in clear here.

    Raises:
        OSError: it could not be kept.
    """
    password = make_password()
    path = _path(folder, key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = OneTime(hash=hash_password(password), given_utc=now)
    write_whole(path, to_json(record).encode(), mode=0o600)
    return password


def is_waiting(folder: Path, key: str) -> bool:
    """Whether a student has a one-time password that is not replaced yet."""
    return _path(folder, key).exists()


def fits(folder: Path, key: str, typed: str) -> bool:
    """Whether what was typed is the student's one-time password; capitals, spaces and dashes do
    not matter.

    Raises:
        LabError: there is one, and its file is damaged: then nobody is let in by it.
    """
    try:
        data = _path(folder, key).read_bytes()
    except FileNotFoundError:
        return False
    try:
        kept = msgspec.json.decode(data, type=OneTime).hash
        salt, wanted = (bytes.fromhex(part) for part in kept.split("$"))
    except (*UNREADABLE, ValueError) as error:
        raise LabError(
            f"The one-time password of {key} cannot be read.", why=f"its file is damaged: {error}",
            next_step=f"give the student a new one: ./inv hub.reset --student {key}",
        ) from error  # fmt: skip
    return hmac.compare_digest(_scrypt(typed, salt), wanted)


def used(folder: Path, key: str) -> None:
    """The student has a password of their own now, or is gone."""
    _path(folder, key).unlink(missing_ok=True)


def hash_password(password: str) -> str:
    """Salt and hash, as they are kept."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def _scrypt(typed: str, salt: bytes) -> bytes:
    letters = "".join(c for c in typed.lower() if c.isalnum())
    return hashlib.scrypt(letters.encode("utf-8", "replace"), salt=salt, n=_N, r=_R, p=_P)


def _path(folder: Path, key: str) -> Path:
    return folder / "hub" / "one-time" / f"{key}.json"
