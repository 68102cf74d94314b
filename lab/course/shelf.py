"""Finds the course's notebooks in a student's folder, whatever they are called there."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lab.course.cells import Notebook
from lab.course.formats import Stamp, as_text, decode, mark_in, stamp
from lab.course.progress import FOLDER
from lab.course.source import KEY, Source, build, sources, title, version_of
from lab.language import LANGUAGES, Language

_DEEPEST = 3


@dataclass(frozen=True, kw_only=True)
class Edition:
    """Which of the course's notebooks one is.

    Args:
        key: the source's.
        language: of its prose.
        teacher: with the solutions.
    """

    key: str
    language: Language
    teacher: bool = False

    @property
    def source(self) -> Source | None:
        """Where it comes from; None where this version of the course has no such notebook."""
        return next((s for s in sources() if s.key == self.key), None)

    @property
    def version(self) -> str:
        """Of what the course has now; empty where it has no such notebook."""
        source = self.source
        return version_of(source, self.language, teacher=self.teacher) if source else ""

    def build(self) -> Notebook:
        """The notebook as the course has it now."""
        source = self.source
        assert source is not None
        return build(source, self.language, teacher=self.teacher)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A notebook of the course in a student's folder.

    Args:
        path: where it is.
        edition: which it is.
        version: which version of the course it was last brought to; empty where it does not say.
        notebook: what it holds; None where its JSON is broken.
        data: the bytes of the file.
        stamp: tells whether it is still this file.
    """

    path: Path
    edition: Edition
    version: str
    notebook: Notebook | None
    data: bytes
    stamp: Stamp | None


def editions(language: Language, *, teacher: bool = False) -> list[Edition]:
    """All notebooks of the course, in its order."""
    return [Edition(key=s.key, language=language, teacher=teacher) for s in sources()]


def file_name(notebook: Notebook) -> str:
    """What a notebook is called in a folder: its heading in small letters without accents."""
    plain = unicodedata.normalize("NFKD", title(notebook)).encode("ascii", "ignore").decode()
    words = "".join(c if c.isalnum() else " " for c in plain.lower()).split()
    told = notebook.metadata[KEY]
    if told.get("teacher"):
        words.append("docente" if told["language"] == "es" else "teacher")
    return "-".join(words) + ".ipynb"


def find(folder: Path) -> list[Found]:
    """All notebooks of the course in a folder and those below it, the last changed first."""
    found = [read for path in _notebooks(folder) if (read := look(path)) is not None]
    return sorted(found, key=lambda f: f.stamp.changed_ns if f.stamp else 0, reverse=True)


def _notebooks(folder: Path, depth: int = 0) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            if depth < _DEEPEST and not _exists(entry / FOLDER):  # that is another student's
                yield from _notebooks(entry, depth + 1)
        elif entry.suffix == ".ipynb":
            yield entry


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:
        return False


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def look(path: Path) -> Found | None:
    """Which of the course's notebooks a file is; None where it is none."""
    try:
        before = stamp(path)
        if not path.is_file():  # a pipe would be waited for
            return None
        data = path.read_bytes()
    except OSError:
        return None
    notebook = decode(data)
    told = _marks(data) if notebook is None else notebook.get("metadata", {}).get(KEY, {})
    edition = _edition(told) if isinstance(told, dict) else None
    if edition is None and notebook is None:
        edition = _named_like(path)  # nothing can be read in it, not even what it was
    if edition is None:
        return None
    return Found(
        path=path, edition=edition, version=_version(told), notebook=notebook, data=data,
        stamp=before,
    )  # fmt: skip


def _version(told: dict[str, Any]) -> str:
    """What a notebook says of its version; empty where that is none."""
    version = str(told.get("version", ""))
    return version if re.fullmatch("[0-9a-f]{16}", version) else ""


def _marks(data: bytes) -> dict[str, Any]:
    """What a broken notebook says of itself."""
    text = as_text(data)
    marks: dict[str, Any] = {k: mark_in(text, k) for k in ("notebook", "version")}
    for language in ("es", "en"):
        if f'"language": "{language}"' in text:
            marks["language"] = language
    if '"teacher": true' in text:
        marks["teacher"] = True
    return marks


def _edition(told: dict[str, Any]) -> Edition | None:
    key, language = told.get("notebook"), told.get("language")
    if not isinstance(key, str) or not key or language not in ("es", "en"):
        return None
    return Edition(
        key=key, language="es" if language == "es" else "en", teacher=bool(told.get("teacher"))
    )  # fmt: skip


def _named_like(path: Path) -> Edition | None:
    return file_names().get(path.name)


def file_names() -> dict[str, Edition]:
    """What the course calls its notebooks."""
    every = tuple(
        edition
        for language in LANGUAGES
        for teacher in (False, True)
        for edition in editions(language, teacher=teacher)
    )
    return _named(tuple((edition, edition.version) for edition in every))


@cache
def _named(every: tuple[tuple[Edition, str], ...]) -> dict[str, Edition]:
    return {file_name(edition.build()): edition for edition, _ in every}
