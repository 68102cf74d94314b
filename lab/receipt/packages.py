"""The packages of an environment, and whether their files are those that were installed.

An installer writes beside each package the list of its files with their hashes, RECORD
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/). A file that
is not what the list says was changed by hand; a package put in another's place brings its own list,
which is then not the receipt's. Bytecode is in no list, and is not looked at."""

import base64
import csv
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from lab.records.receipt import Package

# What each installation writes anew: by whom, with which options, and scripts with a path in them.
_OF_INSTALLER = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
_SCRIPTS = "../../../bin/"
# On a host the lab puts its own in their place.
_REPLACED = (f"{_SCRIPTS}inv", f"{_SCRIPTS}invoke")
# Beside the packages: the lab's own path, and what virtualenv and uv put there.
_KNOWN = ("lab.pth", "_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth", "README.txt")
_MOST_STRANGERS = 20


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of a RECORD: a path relative to site-packages, and its hash in hexadecimal."""

    path: str
    sha256: str


def read_packages(site: Path) -> tuple[list[Package], list[str]]:
    """Read every package of a site-packages folder, and hash every file of theirs.

    Args:
        site: the folder.

    Returns:
        The packages by name, and files that belong to none of them: at most 20.
    """
    folders = sorted(site.glob("*.dist-info"))
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as threads:
        packages = list(threads.map(lambda folder: _package(site, folder), folders))
    owned = {listed.path for folder in folders for listed in _every_line(folder)}
    return sorted(packages, key=lambda p: (p.name, p.version)), _strangers(site, owned)


def _package(site: Path, folder: Path) -> Package:
    listed = list(read_record(folder))
    name, version, licence = read_metadata(folder)
    return Package(
        name=name, version=version, licence=licence, files=hash_record(listed),
        changed=sorted(entry.path for entry in listed if _is_changed(site, entry)),
    )  # fmt: skip


def read_record(folder: Path) -> Iterator[Listed]:
    """The files of a package with a hash, without those that each installation writes anew."""
    yield from without_installers(_every_line(folder))


def without_installers(entries: Iterable[Listed]) -> Iterator[Listed]:
    """Those with a hash, without what each installation writes anew."""
    for entry in entries:
        name = entry.path.rpartition("/")[2]
        if entry.sha256 and name not in _OF_INSTALLER and entry.path not in _REPLACED:
            yield entry


def _every_line(folder: Path) -> list[Listed]:
    try:
        return parse_record((folder / "RECORD").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def parse_record(text: str) -> list[Listed]:
    """Every line of a RECORD.

    Raises:
        csv.Error: it is none.
    """
    rows = [row for row in csv.reader(text.splitlines()) if len(row) == 3]
    return [Listed(path=path, sha256=_hexadecimal(value)) for path, value, _ in rows]


def _hexadecimal(value: str) -> str:
    """`sha256=` and base64 without padding, as RECORD writes it; empty where it is no such
    hash."""
    kind, _, encoded = value.partition("=")
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return ""
    return raw.hex() if kind == "sha256" else ""


def hash_record(listed: Sequence[Listed]) -> str | None:
    """One hash over a package's list of files, the same wherever the same wheel is installed."""
    lines = sorted(
        f"{entry.path} {entry.sha256}\n" for entry in listed if not entry.path.startswith(_SCRIPTS)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None


def _is_changed(site: Path, entry: Listed) -> bool:
    try:
        with (site / entry.path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256
    except (OSError, ValueError):  # a name with a null byte
        return True


def _strangers(site: Path, owned: set[str]) -> list[str]:
    """Files in site-packages that no package lists."""
    found = []
    for folder, folders, files in os.walk(site):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            path = Path(folder, name).relative_to(site).as_posix()
            if path not in owned and not name.endswith(".pyc") and path not in _KNOWN:
                found.append(path)
            if len(found) == _MOST_STRANGERS:
                return found
    return found


def read_metadata(folder: Path) -> tuple[str, str, str | None]:
    """Name as locks write it, version and licence of a package; the licence where it is told."""
    try:
        text = (folder / "METADATA").read_text(encoding="utf-8", errors="replace")
    except OSError:
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        return plain_name(name), version, None
    return parse_metadata(text)


def parse_metadata(text: str) -> tuple[str, str, str | None]:
    """The same, from the text of a METADATA."""
    told = HeaderParser().parsestr(text)
    return plain_name(str(told["Name"])), str(told["Version"]), _licence(told)


def _licence(told: Message) -> str | None:
    """The SPDX expression; else the free text where it begins with a name; else the classifiers."""
    if expression := told["License-Expression"]:
        return str(expression).strip()
    classifiers = [
        str(line).rpartition(" :: ")[2]
        for line in told.get_all("Classifier", [])
        if str(line).startswith("License :: ") and not str(line).endswith("OSI Approved")
    ]
    free = str(told["License"] or "").strip().partition("\n")[0][:60]
    is_name = free[:1].isalnum() and not free.startswith("Copyright") and free != "UNKNOWN"
    return (free if is_name else "") or " AND ".join(classifiers) or None


def plain_name(name: str) -> str:
    """A package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()
