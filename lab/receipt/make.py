"""Makes receipts: the repository's, which holds what does not depend on the base, and a class's."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from lab.errors import LabError
from lab.image.inputs import hash_file
from lab.locks.install import PYTHON
from lab.locks.lockfile import read_pins
from lab.receipt.bits import compare_fingerprints
from lab.receipt.code import hash_code
from lab.receipt.identity import COMMITTED, read_receipt
from lab.receipt.worker import Look
from lab.records.receipt import BuiltImage, Fingerprint, Package, PackageSet, Receipt

# What installations are made from; the other locks serve the lab's own tests.
_LOCKS = ("cpu", "cuda", "runner")
_TARGETS = ("cpu", "cuda")
_TOOLS = ("invoke", "uv")


def describe(root: Path) -> Receipt:
    """What the clone's own files say: base, locks and what they pin; nothing that was installed."""
    locks = root / "docker" / "locks"
    runner = {pin.name: pin.version for pin in read_pins(_text(locks / "runner.txt"))}
    return Receipt(
        base=_base(root), python=PYTHON,
        tools={name: runner[name] for name in _TOOLS if name in runner},
        locks={
            name: hash_file(path) for name in _LOCKS
            if (path := locks / f"{name}.txt").is_file()
        },
        environments=[
            PackageSet(lock=name, platform="any", packages=_pinned(locks / f"{name}.txt"))
            for name in _TARGETS if (locks / f"{name}.txt").is_file()
        ],
        fingerprints=[],
    )  # fmt: skip


def _text(path: Path) -> str:
    """The text of a file; one that is damaged has another hash, which says so."""
    return path.read_text(encoding="utf-8", errors="replace")


def _base(root: Path) -> str:
    """The base that the Dockerfile names; empty in an image, which has no Dockerfile."""
    path = root / "docker" / "Dockerfile"
    lines = _text(path).splitlines() if path.exists() else []
    return next((line.split()[1] for line in lines if line.startswith("FROM python:")), "")


def _pinned(lock: Path) -> list[Package]:
    """A lock may pin one package twice, for different platforms."""
    pins = sorted({(pin.name, pin.version) for pin in read_pins(_text(lock))})
    return [Package(name=name, version=version) for name, version in pins]


def renew(root: Path, look: Look, lock: str) -> Receipt:
    """The repository's receipt with what was seen in an installation from a lock.

    Sets of packages from locks that have not changed stay. So do fingerprints with which the new
    ones agree, so that the file does not depend on who renewed it.
    """
    fresh = describe(root)
    earlier = read_earlier(root / COMMITTED)
    kept = [e for e in (earlier.environments if earlier else []) if e.platform != "any"]
    seen = observed(look, lock)
    others = [
        e for e in kept
        if (e.lock, e.platform) != (seen.lock, seen.platform)
        and earlier is not None and earlier.locks.get(e.lock) == fresh.locks.get(e.lock)
    ]  # fmt: skip
    sets = sorted([*fresh.environments, *others, seen], key=lambda e: (e.lock, e.platform))
    prints = [f for f in look.fingerprints if f.device == "cpu"]
    if earlier and _agree(earlier.fingerprints, prints):
        prints = earlier.fingerprints
    return replace(fresh, environments=sets, fingerprints=prints)


def read_earlier(path: Path) -> Receipt | None:
    """A receipt that is to be replaced; None where there is none that can be read."""
    try:
        return read_receipt(path)
    except LabError:
        return None


def _agree(earlier: Sequence[Fingerprint], now: Sequence[Fingerprint]) -> bool:
    names = [[r.name for r in f.results] for f in earlier]
    if names != [[r.name for r in f.results] for f in now]:
        return False
    return all(found.status == "same" for found in compare_fingerprints(earlier, now))


def observed(look: Look, lock: str) -> PackageSet:
    """The packages of an installation."""
    return PackageSet(lock=lock, platform=look.platform, packages=look.packages)


def for_class(
    root: Path, committed: Receipt, image: BuiltImage, earlier: Receipt | None
) -> Receipt:
    """The receipt that a teacher hands out: with images by digest, and each file of the lab.

    Args:
        root: the clone.
        committed: the repository's.
        image: that was just built.
        earlier: the one made before; its other images stay where they were built of the same files.
    """
    others = [
        other for other in (earlier.images if earlier else [])
        if other.inputs == image.inputs
        and (other.target, other.platform) != (image.target, image.platform)
    ]  # fmt: skip
    images = sorted([*others, image], key=lambda i: (i.target, i.platform))
    return replace(committed, images=images, code=hash_code(root))
