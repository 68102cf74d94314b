"""The student's folder, as it is made."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.server import work


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_new_folder_is_its_users_alone(tmp_path: Path) -> None:
    made = work.prepare_work(tmp_path / "on the way" / "work")
    assert (mode(made.parent), mode(made)) == ("0o755", "0o700")


def test_folder_of_a_fresh_clone_becomes_its_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "ROOT", tmp_path)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / ".gitkeep").touch()
    assert mode(work.prepare_work(folder)) == "0o700"


def test_folder_that_is_in_use_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opened it to others, meant it."""
    monkeypatch.setattr(work, "ROOT", tmp_path)
    for name in ("work", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / ".gitkeep").touch()
        if name == "work":
            (folder / "nota.txt").touch()
        assert mode(work.prepare_work(folder)) == "0o755"
