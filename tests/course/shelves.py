"""Student's folders, and versions of the course that differ from the one before."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab.course import source, undoing, updating
from lab.records.course import NotebookChange

ONE = """\
<!-- #region lang="es" id="title" -->
# 1. Uno
<!-- #endregion -->

<!-- #region lang="en" id="title" -->
# 1. One
<!-- #endregion -->

```python id="first"
x = 1
```

```python exercise="1.1"
answer = ...
```

```python solution="1.1"
answer = 42
```
"""
TWO = ONE.replace("1. Uno", "2. Dos").replace("1. One", "2. Two").replace("1.1", "2.1")


class Course:
    """A course of two notebooks whose text can be changed, in the place of the real one."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        self.write("1-one", ONE)
        self.write("2-two", TWO)
        patch.setattr(source, "SOURCES", folder)

    def write(self, key: str, text: str) -> None:
        (self.folder / f"{key}.md").write_text(text, encoding="utf-8")
        source.sources.cache_clear()

    def change(self, key: str, before: str, after: str) -> None:
        text = (self.folder / f"{key}.md").read_text(encoding="utf-8")
        assert before in text
        self.write(key, text.replace(before, after))

    def drop(self, key: str) -> None:
        (self.folder / f"{key}.md").unlink()
        source.sources.cache_clear()


def place(folder: Path, language: str = "en", **options: bool) -> list[NotebookChange]:
    folder.mkdir(exist_ok=True)
    return updating.place(folder, language, print, **options)  # type: ignore[arg-type]


def update(folder: Path, *open_ones: str) -> list[NotebookChange]:
    return updating.update(folder, "en", print, lambda path: path.name in open_ones)


def undo(folder: Path, *open_ones: str) -> list[NotebookChange]:
    return undoing.undo(folder, print, lambda path: path.name in open_ones)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def edit(path: Path, identity: str, text: str, *printed: str) -> None:
    """As a student does in JupyterLab."""
    notebook = read(path)
    (cell,) = (c for c in notebook["cells"] if c["id"] == identity)
    cell["source"] = text
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": t} for t in printed]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def sources_of(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in read(path)["cells"]]


def states(changes: list[NotebookChange]) -> dict[str, str]:
    return {change.file or change.notebook: change.state for change in changes}


def files(folder: Path) -> dict[str, bytes]:
    """What a student sees."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".lab-course" not in path.parts
    }


def copy(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target
