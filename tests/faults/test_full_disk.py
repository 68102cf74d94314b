"""A real file system that is full at each step that writes: nothing half, and a word that helps."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError, of_full_disk
from lab.records.lines import append_line, read_lines
from lab.records.save import save
from lab.records.session import Session
from tests.conftest import CommandLine
from tests.disks import leave, loop_mounted
from tests.faults.conftest import NO_ENGINE
from tests.faults.observe import check_message, servers
from tests.jupyter import Server

pytestmark = pytest.mark.root
HOST = ("--engine", "host")
# KiB that are left, from none to what all small files of a start take together.
STEPS = (0, 1, 2, 3, 5, 8, 12, 20, 40, 100, 300, 1000)


def test_result_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    """Every `--output`, every run that is kept, every receipt is written by this."""
    with loop_mounted(tmp_path / "disk", 1024) as disk:
        path = disk / "result.json"
        save("old", path)
        refused = 0
        for kib in range(40):
            filler = leave(disk, kib)
            try:
                save("new " * 5000, path)
                break
            except LabError as error:
                refused += 1
                assert (str(path) in error.what, error.why) == (True, "No space left on device")  # noqa: PT017
            finally:
                filler.unlink()
            assert path.read_text() == "old\n"
            assert {found.name for found in disk.iterdir()} == {"lost+found", "result.json"}
        assert refused > 15
        assert path.read_text() == "new " * 5000 + "\n"


def test_line_that_does_not_fit_costs_no_other(tmp_path: Path) -> None:
    with loop_mounted(tmp_path / "disk", 1024) as disk:
        path = disk / "jobs.jsonl"
        append_line(path, Session(state="running", note="x" * 900))
        filler = leave(disk, 0)
        with pytest.raises(OSError, match="No space left"):
            append_line(path, Session(state="stopped", note="y" * 9000))
        filler.unlink()
        append_line(path, Session(state="ended"))
        assert [found.state for found in read_lines(path, Session)] == ["running", "ended"]


@pytest.fixture
def small(state: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line with a state folder on a small disk; what is installed is elsewhere."""
    CommandLine(state=state, env=NO_ENGINE)("status")
    CommandLine(state=state, env=NO_ENGINE)("shell", *HOST, "--command", "true")
    with loop_mounted(tmp_path / "state", 4096) as disk:
        for path in (*state.glob("runner-*/"), *state.glob("env-cpu-L*/")):
            (disk / path.name).symlink_to(path)
        command = CommandLine(state=disk, env=NO_ENGINE)
        yield command
        command("stop")


@pytest.mark.host
def test_state_folder_that_is_full_when_the_lab_starts(small: CommandLine, work: Path) -> None:
    """Each start gets a little further; the one that runs saves, though its own disk is full."""
    words = ("lab", *HOST, "--work", str(work), "--json")
    refused = 0
    for kib in STEPS:
        filler = leave(small.state, kib)
        started = small(*words)
        if started.code == 0:
            break
        refused += 1
        check_message(started)
        assert re.search("No space left|disk is full", started.err)
        assert str(small.state) in started.err
        assert servers(small.state) == []
        filler.unlink()
        assert small("status", "--json").json()["state"] == "stopped"
    assert refused >= 3
    filler.unlink()
    leave(small.state, 0)
    server = Server(str(started.json()["url"]))
    server.save("nuevo.txt", "guardado")
    with server.start_kernel() as kernel:
        assert kernel.run("1 + 1").data[0]["text/plain"] == "2"
    assert (work / "nuevo.txt").read_text() == "guardado"
    assert (work / "nota.txt").read_text() == "hola"
    assert small("stop").code == 0
    assert servers(small.state) == []


@pytest.mark.host
def test_work_folder_that_is_full(host: CommandLine, tmp_path: Path) -> None:
    """The lab starts or says why not; the course is put there later, and no notebook is half."""
    with loop_mounted(tmp_path / "disk", 4096) as disk:
        folder = disk / "work"
        folder.mkdir()
        (folder / "nota.txt").write_text("hola")
        for kib, starts in ((2, False), (60, True)):
            filler = leave(disk, kib)
            started = host("lab", *HOST, "--work", str(folder), "--json")
            assert (started.code == 0) == starts, started.err
            if not starts:
                check_message(started)
                assert str(folder) in started.err
            else:
                server = Server(str(started.json()["url"]))
                assert server.request("GET", "/api/contents/nota.txt")["content"] == "hola"
                assert host("stop").code == 0
            filler.unlink()
        for kib in (4, 100):
            filler = leave(disk, kib)
            refused = host("course", "--work", str(folder))
            check_message(refused)
            assert str(folder) in refused.err
            filler.unlink()
        assert host("course", "--work", str(folder)).code == 0
        assert len(list(folder.glob("*.ipynb"))) == 6
        assert (folder / "nota.txt").read_text() == "hola"


@pytest.mark.host
def test_temporary_folder_that_is_full(host: CommandLine, work: Path, tmp_path: Path) -> None:
    """Only the sockets of kernels go there: the lab starts without room for more, or says it."""
    with loop_mounted(tmp_path / "disk", 1024) as disk:
        filler = leave(disk, 1)
        started = host("lab", *HOST, "--work", str(work), "--json", TMPDIR=str(disk))
        if started.code:
            check_message(started)
            assert f"The disk is full at {disk}" in started.err
        else:
            Server(str(started.json()["url"])).save("nuevo.txt", "guardado")
            assert (work / "nuevo.txt").read_text() == "guardado"
        assert host("stop", TMPDIR=str(disk)).code == 0
        assert servers(host.state) == []
        filler.unlink()
        assert [found.name for found in disk.iterdir()] == ["lost+found"]


def test_no_temporary_folder_at_all_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop_mounted(tmp_path / "disk", 1024) as disk:
        leave(disk, 0)
        monkeypatch.setattr("tempfile.tempdir", None)
        monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [str(disk)])
        with pytest.raises(FileNotFoundError) as caught:
            tempfile.gettempdir()
        told = of_full_disk(caught.value)
        assert told is not None
        assert "TMPDIR=FOLDER" in told.next_step
