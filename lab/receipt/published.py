"""What an index says of the wheels that a lock gives on a platform, without fetching them whole.

A wheel is a zip file. Near its end are METADATA, with the licence, and RECORD, the list of its
files with their hashes: some kilobytes of what may be half a gigabyte. That a wheel is what it says
of itself shows where it is installed: its own hash is in the lock, and `inv verify` compares each
file with that list.
"""

import csv
import ssl
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lab.errors import LabError
from lab.locks.install import PYTHON, uv_program
from lab.locks.lockfile import read_pins
from lab.locks.sources import PackageSources, kind_arguments, uv_arguments, uv_environment
from lab.process import run
from lab.receipt.packages import (
    Listed,
    hash_record,
    parse_metadata,
    parse_record,
    plain_name,
    without_installers,
)
from lab.receipt.remote import open_in_parts
from lab.records.receipt import Package, PackageSet, Receipt

Say = Callable[[str], None]
# As `inv verify` names them, and as uv does: the image is Debian 12, whose glibc is 2.36.
PLATFORMS = {"Linux-x86_64": "x86_64-manylinux_2_36", "Linux-aarch64": "aarch64-manylinux_2_36"}
_TIMES = 3
# Where an installer puts what is in a wheel's `….data` folder; other parts depend on the machine.
_PLACES = {"purelib": "", "platlib": "", "scripts": "../../../bin/", "data": "../../../"}


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package that a lock gives; its file where an index has exactly one, else empty."""

    name: str
    version: str
    url: str = ""
    sha256: str = ""


def complete(
    receipt: Receipt, locks: Path, platform: str, sources: PackageSources, say: Say
) -> Receipt:
    """A receipt with what the index says of the locks of which no installation was seen.

    Args:
        receipt: with the packages of at least one installation on that platform.
        locks: their folder.
        platform: such as `Linux-x86_64`.
        sources: where packages come from.
        say: takes a line of progress, and what could not be had.
    """
    sets = list(receipt.environments)
    seen = {e.lock for e in sets if e.platform == platform}
    for lock in sorted({e.lock for e in sets} - seen if platform in PLATFORMS else ()):
        known = [p for e in sets if e.platform == platform for p in e.packages]
        say(f"reading the lists of files of the wheels of {lock} ...")
        try:
            sets.append(publish_set(locks / f"{lock}.txt", platform, known, sources))
        except LabError as error:
            say(f"the receipt has the packages of {lock} without licences and files: {error.why}")
    return replace(receipt, environments=sorted(sets, key=lambda e: (e.lock, e.platform)))


def publish_set(
    lock: Path, platform: str, known: Sequence[Package], sources: PackageSources
) -> PackageSet:
    """The packages that a lock gives on a platform, with licences and lists of files.

    Args:
        lock: its file.
        platform: one of `PLATFORMS`.
        known: packages that were seen installed on that platform; they are not asked for.
        sources: where packages come from.

    Returns:
        The set. A package whose wheel cannot be read has neither licence nor files.

    Raises:
        LabError: the index does not answer, sends no parts of files, or has another file than the
            lock allows.
    """
    seen = {(package.name, package.version): package for package in known}
    wheels = find_wheels(lock, platform, sources)
    context = ssl.create_default_context(cafile=str(sources.ca_file) if sources.ca_file else None)
    with ThreadPoolExecutor(max_workers=8) as threads:
        packages = threads.map(
            lambda w: seen.get((w.name, w.version)) or read_wheel(w, context), wheels
        )
        return PackageSet(
            lock=lock.stem, platform=platform,
            packages=sorted(packages, key=lambda p: (p.name, p.version)),
        )  # fmt: skip


def find_wheels(lock: Path, platform: str, sources: PackageSources) -> list[Wheel]:
    """The wheels that a lock gives on a platform, as uv finds them.

    Raises:
        LabError: the index does not answer, or has another file than the lock allows.
    """
    with tempfile.TemporaryDirectory(prefix="lab-receipt-") as name:
        found = Path(name) / "pylock.toml"
        argv = [
            uv_program(), "pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml",
            "--python-platform", PLATFORMS[platform], "--python-version", PYTHON,
            *kind_arguments(lock.stem), *uv_arguments(sources, torch_cpu=lock.stem == "cpu"),
            "--output-file", str(found), str(lock),
        ]  # fmt: skip
        done = run(argv, env=uv_environment(sources), timeout_s=300)
        if not done.ok:
            raise LabError(
                f"The wheels of the lock {lock.stem} could not be looked up.", why=done.last_words,
                next_step="check the network; for a mirror set PIP_INDEX_URL, behind a private CA"
                " SSL_CERT_FILE",
            )  # fmt: skip
        listed = tomllib.loads(found.read_text(encoding="utf-8"))["packages"]
    allowed = {
        (plain_name(pin.name), value)
        for pin in read_pins(lock.read_text(encoding="utf-8"))
        for value in pin.hashes
    }
    return [_wheel(entry, allowed, found.parent) for entry in listed]


def _wheel(entry: Mapping[str, Any], allowed: set[tuple[str, str]], folder: Path) -> Wheel:
    """One entry of a pylock.toml, https://packaging.python.org/specifications/pylock-toml/."""
    name, version = plain_name(entry["name"]), entry["version"]
    files = [
        f for f in entry.get("wheels", ())
        if (name, f"sha256:{f['hashes']['sha256']}") in allowed
    ]  # fmt: skip
    if entry.get("wheels") and not files:
        raise LabError(
            f"The index has no file of {name} {version} that the lock allows.",
            why="the hashes of its wheels are others", next_step="renew the locks: ./inv lock",
        )  # fmt: skip
    if len(files) != 1:
        return Wheel(name=name, version=version)
    (file,) = files
    url = file.get("url") or (folder / file["path"]).resolve().as_uri()
    return Wheel(name=name, version=version, url=url, sha256=file["hashes"]["sha256"])


def read_wheel(wheel: Wheel, context: ssl.SSLContext) -> Package:
    """What a wheel says of itself; its name and version alone where it says nothing clear.

    Raises:
        LabError: it cannot be fetched.
    """
    alone = Package(name=wheel.name, version=wheel.version)
    if not wheel.url:
        return alone
    try:
        metadata, record = _patiently(wheel.url, context)
        name, version, licence = parse_metadata(metadata.decode("utf-8", errors="replace"))
        listed = installed(record.decode("utf-8"))
    except OSError as error:
        raise LabError(
            f"The list of files of {wheel.name} {wheel.version} could not be fetched.",
            why=str(error), next_step="check the network, and try again",
        ) from error  # fmt: skip
    except (ValueError, KeyError, csv.Error, zipfile.BadZipFile):
        return alone
    if (name, version) != (wheel.name, wheel.version):
        return alone
    return Package(name=name, version=version, licence=licence, files=hash_record(listed))


def _patiently(url: str, context: ssl.SSLContext) -> tuple[bytes, bytes]:
    """METADATA and RECORD; a server that is out of breath is asked again."""
    for _ in range(_TIMES - 1):
        with suppress(OSError):
            return _fetch(url, context)
    return _fetch(url, context)


def _fetch(url: str, context: ssl.SSLContext) -> tuple[bytes, bytes]:
    with open_in_parts(url, context) as file, zipfile.ZipFile(file) as archive:
        info = _info(archive)
        return archive.read(f"{info}/METADATA"), archive.read(f"{info}/RECORD")


def _info(archive: zipfile.ZipFile) -> str:
    folders = {name.partition("/")[0] for name in archive.namelist()}
    (found,) = (name for name in folders if name.endswith(".dist-info"))
    return found


def installed(record: str) -> list[Listed]:
    """The list of a wheel's files as it reads where the wheel is installed.

    Raises:
        ValueError: some go where it depends on the machine.
    """
    listed = [Listed(path=_place(e.path), sha256=e.sha256) for e in parse_record(record)]
    return list(without_installers(listed))


def _place(path: str) -> str:
    folder, _, rest = path.partition("/")
    if not folder.endswith(".data"):
        return path
    kind, _, inside = rest.partition("/")
    if kind not in _PLACES:
        raise ValueError(f"{path} goes where it depends on the machine")
    return _PLACES[kind] + inside
