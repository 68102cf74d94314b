"""A server in the background, found by its lock and by its process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from lab.server import background

SECRET = {
    "token": "abc", "port": 8890, "pid": 1, "started": 1e9, "work": "/home/ana/w", "device": "cpu",
    "runtime": "/tmp/lab-1", "page": "/lab", "image": "/i/lab.sif",
}  # fmt: skip
HOLD = "import sys, time; print(flush=True); time.sleep(600)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    background.folder().mkdir()
    (background.folder() / "session.json").write_bytes(msgspec.json.encode(SECRET))
    return background.folder()


@contextmanager
def process(*words: str, lock: Path | None = None, user: int | None = None) -> Iterator[int]:
    """A process that holds the lock as a server does, with these words in its command line."""
    locked = ["flock", str(lock)] if lock else []
    # Of another user, who may not get to the Python of these tests: Debian's own.
    python = "/usr/bin/python3" if user else sys.executable
    argv = [*locked, python, "-c", HOLD, *words]
    child = subprocess.Popen(
        argv, stdout=subprocess.PIPE, start_new_session=True, user=user, cwd="/"
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
    finally:
        background.end_family(child.pid, 0)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_server_in_apptainer_has_the_number_that_this_machine_gives_it(
    folder: Path, tmp_path: Path
) -> None:
    """What it wrote is the number inside, which here is another process: nobody may end that."""
    others = ("lab.server.start", background.FOUND_BY, str(tmp_path / "another"))
    own = ("lab.server.start", background.FOUND_BY, str(tmp_path))
    with process(lock=folder / "lock"), process(*others):
        assert background.find() is None
        with process(*own) as pid:
            found = background.find()
    assert found is not None
    assert (found.pid, found.image, found.work) == (pid, "/i/lab.sif", "/home/ana/w")


@pytest.mark.root
def test_another_users_process_is_not_taken_for_the_server(folder: Path, tmp_path: Path) -> None:
    """Its command line is theirs to choose; `inv stop` would be theirs to trouble."""
    words = ("lab.server.start", background.FOUND_BY, str(tmp_path))
    with process(*words, user=65534), process(lock=folder / "lock"):
        assert background.find() is None
        assert background.lost() == []
        with process(*words) as pid:
            assert background.lost() == [pid]


def test_remains_of_a_container_are_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name on this machine is somebody else's."""
    other = tmp_path / "lab-1"
    other.mkdir()
    (folder / "session.json").write_bytes(msgspec.json.encode({**SECRET, "runtime": str(other)}))
    background.clear_remains()
    assert other.is_dir()
    assert not (folder / "session.json").exists()
