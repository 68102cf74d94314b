"""A hash lock as data: packages, versions, hashes; and what changed between two of them."""

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)={2,3}(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One line of a lock: a package at a version, with the hashes of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read_pins(text: str) -> list[Pin]:
    """Read the pins of a lock, in their order; the text of `uv pip compile --generate-hashes`."""
    pins: list[Pin] = []
    for block in _blocks(text):
        match = _PIN.match(block)
        if match:
            hashes = tuple(_HASH.findall(block))
            pins.append(Pin(name=match["name"], version=match["version"], hashes=hashes))
    return pins


def _blocks(text: str) -> list[str]:
    """Split a lock where a line begins that is neither indented nor a comment."""
    blocks: list[str] = []
    for line in text.splitlines():
        if line[:1] in (" ", "#", "") and blocks:
            blocks[-1] += "\n" + line
        else:
            blocks.append(line)
    return blocks


@dataclass(frozen=True, kw_only=True)
class Change:
    """A package that differs between two locks; a side that lacks it is empty."""

    lock: str
    name: str
    before: str
    after: str


def compare(lock: str, before: str, after: str) -> list[Change]:
    """Say which packages two texts of one lock hold at other versions, or with other files."""
    old, new = _versions(before), _versions(after)
    changes = []
    for name in sorted(old.keys() | new.keys()):
        was, becomes = old.get(name, {}), new.get(name, {})
        if was == becomes:
            continue
        left, right = ", ".join(was), ", ".join(becomes)
        note = " (other files)" if left == right else ""
        changes.append(Change(lock=lock, name=name, before=left, after=right + note))
    return changes


def _versions(text: str) -> dict[str, dict[str, frozenset[str]]]:
    versions: dict[str, dict[str, frozenset[str]]] = {}
    for pin in read_pins(text):
        versions.setdefault(pin.name, {})[pin.version] = frozenset(pin.hashes)
    return versions


def without(text: str, name: str) -> str:
    """The same lock with every pin of one package left out."""
    kept = [b for b in _blocks(text) if not ((m := _PIN.match(b)) and m["name"] == name)]
    return "\n".join(kept) + "\n"


def add_hashes(text: str, name: str, version: str, hashes: list[str]) -> str:
    """The same lock with further hashes for one pin, sorted, none twice."""
    blocks = _blocks(text)
    for position, block in enumerate(blocks):
        match = _PIN.match(block)
        if not match or (match["name"], match["version"]) != (name, version):
            continue
        head = block.splitlines()[0].removesuffix("\\").rstrip()
        known = sorted({*_HASH.findall(block), *hashes})
        comments = [line for line in block.splitlines()[1:] if line.lstrip().startswith("#")]
        lines = [head, *(f"    --hash={value}" for value in known)]
        blocks[position] = " \\\n".join(lines) + "".join("\n" + line for line in comments)
    return "\n".join(blocks) + "\n"


def pin_exactly(text: str, name: str, version: str) -> str:
    """The same lock with one pin as `===`, which no other build of that version matches.

    `==2.13.0` also takes `2.13.0+cpu` from a wheelhouse that has it, and then fails by its hash.
    """
    pin = re.compile(rf"^{re.escape(name)}==(?={re.escape(version)}[ ;\\\\])", re.MULTILINE)
    return pin.sub(f"{name}===", text)


def published_hashes(path: Path) -> list[str]:
    """Read hashes from a file in sha256sum's format, as `sha256:…`; `#` begins a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"sha256:{line.split()[0]}" for line in lines if line and not line.startswith("#")]


def read_epoch(folder: Path) -> int:
    """The time of the locks' making, in seconds since 1970; every file of an image carries it.

    Args:
        folder: of the locks.

    Raises:
        LabError: it cannot be read.
    """
    path = folder / "epoch.txt"
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise LabError(
            f"The time of the locks cannot be read: {path}",
            why=str(error),
            next_step="git checkout docker/locks brings it back",
        ) from error
