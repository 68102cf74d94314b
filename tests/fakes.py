"""Programs that stand in for real ones, and folders as another user sees them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
AsNobody = Callable[[], AbstractContextManager[None]]


class Programs:
    """A folder that is the whole PATH, so that no real engine of this machine is found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, script: str) -> Path:
        """Put a program there; every call adds a line with its arguments to `calls`."""
        path = self.folder / name
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>"{self.folder}/calls"\n{script}\n'
        )
        path.chmod(0o755)
        return path

    def add_answer(self, name: str, *, out: str = "", err: str = "", code: int = 0) -> Path:
        """A program that says the same whatever it is asked."""
        (self.folder / f"{name}.out").write_text(out)
        (self.folder / f"{name}.err").write_text(err)
        answer = f'/bin/cat "{self.folder}/{name}.out"; /bin/cat "{self.folder}/{name}.err" >&2'
        return self.add(name, f"{answer}; exit {code}")

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    found = Programs(tmp_path / "path with spaces")
    monkeypatch.setenv("PATH", str(found.folder))
    return found


@pytest.fixture
def entered_by_all() -> Iterator[Path]:
    """A folder on the way to which no other user is stopped, as pytest's own would stop them."""
    folder = Path(tempfile.mkdtemp(prefix="lab-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody() -> AsNobody:
    """Lets root act as an ordinary user for a while."""

    @contextmanager
    def act() -> Iterator[None]:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    return act
