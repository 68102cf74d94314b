"""Saving a file in the page: whole or not at all, whatever comes in between."""

import asyncio
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from tornado.web import HTTPError

from lab.server.contents import Contents
from tests.disks import leave, loop_mounted
from tests.fakes import NOBODY, AsNobody

OLD = "antes\n" * 100


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.py").write_text(OLD)
    return folder


def text(content: str) -> dict[str, Any]:
    return {"type": "file", "format": "text", "content": content}


def notebook(source: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [],
            "execution_count": None}  # fmt: skip
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return {"type": "notebook", "content": content}


def contents_of(folder: Path) -> Contents:
    contents = Contents(root_dir=str(folder))
    contents.notary.db_file = ":memory:"
    return contents


def save(folder: Path, name: str, model: dict[str, Any]) -> None:
    asyncio.run(contents_of(folder).save(model, name))


def test_file_is_saved_with_its_mode_under_its_name(work: Path) -> None:
    (work / "a.py").chmod(0o640)
    (work / "link.py").symlink_to("a.py")
    save(work, "link.py", text("después"))
    assert (work / "link.py").is_symlink()
    assert (work / "a.py").read_text() == "después"
    assert stat.S_IMODE((work / "a.py").stat().st_mode) == 0o640
    save(work, "nuevo.ipynb", notebook("1 + 1"))
    assert '"1 + 1"' in (work / "nuevo.ipynb").read_text()
    name = "ñandú " * 30 + ".txt"
    save(work, name, text("largo"))
    assert (work / name).read_text() == "largo"
    assert {path.name for path in work.iterdir()} == {
        "a.py", "link.py", "nuevo.ipynb", ".ipynb_checkpoints", name,
    }  # fmt: skip


def test_file_with_a_second_name_keeps_it(work: Path) -> None:
    os.link(work / "a.py", work / "b.py")
    save(work, "a.py", text("después"))
    assert (work / "b.py").read_text() == "después"


@pytest.mark.parametrize("name", ["a.py", "b.ipynb"])
def test_kill_while_a_file_is_saved_leaves_the_old_one(work: Path, name: str) -> None:
    """Jupyter's own way leaves half of it, and a copy that only its page would find."""
    model = text if name == "a.py" else notebook
    save(work, name, model(OLD))
    before = (work / name).read_bytes()
    child = os.fork()
    if child == 0:
        try:
            os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
            save(work, name, model("después\n" * 100))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (work / name).read_bytes() == before
    save(work, name, model("luego"))
    assert "luego" in (work / name).read_text()
    assert not list(work.glob(".*.new"))


def _refused(folder: Path, name: str, model: dict[str, Any]) -> HTTPError | None:
    try:
        save(folder, name, model)
    except HTTPError as error:
        return error
    return None


@pytest.mark.root
@pytest.mark.parametrize("language", ["es", "en"])
def test_disk_that_is_full_costs_nothing_that_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """Filled up to each block that the save takes."""
    monkeypatch.setenv("LAB_LANGUAGE", language)
    with loop_mounted(tmp_path / "disk", 2048) as work:
        for name, model in (("a.py", text), ("b.ipynb", notebook)):
            save(work, name, model(OLD))
            before = (work / name).read_bytes()
            refused = 0
            for kib in range(40):
                filler = leave(work, kib)
                error = _refused(work, name, model("después\n" * 1000))
                filler.unlink()
                if error is None:
                    break
                refused += 1
                said = str(error.log_message)
                assert str(work) in said
                assert ("Libera espacio" if language == "es" else "Free some space") in said
                assert error.status_code == 507
                assert (work / name).read_bytes() == before
                assert not list(work.glob(".*.new"))
            assert refused >= 5
            assert "después" in (work / name).read_text()


def test_folder_that_is_gone_is_told(work: Path, tmp_path: Path) -> None:
    contents = contents_of(work)
    work.rename(tmp_path / "otra")
    with pytest.raises(HTTPError, match=r"is gone|ya no existe"):
        asyncio.run(contents.save(notebook("2"), "a.ipynb"))
    assert not work.exists()


@pytest.mark.root
def test_folder_and_file_that_are_closed_are_told(
    entered_by_all: Path, as_nobody: AsNobody
) -> None:
    contents = contents_of(entered_by_all)
    for path in (entered_by_all / "a.py", entered_by_all):
        (entered_by_all / "a.py").write_text(OLD)
        os.chown(path, NOBODY, NOBODY)
    (entered_by_all / "a.py").chmod(0o444)
    entered_by_all.chmod(0o555)
    with as_nobody(), pytest.raises(HTTPError, match=r"Permission denied") as refused:
        asyncio.run(contents.save(text("después"), "a.py"))
    assert refused.value.status_code == 403
    with as_nobody(), pytest.raises(HTTPError, match=r"Permission denied"):
        asyncio.run(contents.save(text("después"), "b.py"))
    assert (entered_by_all / "a.py").read_text() == OLD
    assert [path.name for path in entered_by_all.iterdir()] == ["a.py"]


def test_trust_that_cannot_be_noted_costs_the_save_nothing(work: Path, tmp_path: Path) -> None:
    contents = Contents(root_dir=str(work))
    contents.notary.db_file = str(tmp_path / "signatures.db")
    connection = contents.notary.store.db
    connection.execute("PRAGMA query_only = ON")
    asyncio.run(contents.save(notebook("1 + 1"), "a.ipynb"))
    assert '"1 + 1"' in (work / "a.ipynb").read_text()
