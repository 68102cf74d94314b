"""Work folders with a file to lose, and state folders that cost nothing to make."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandLine, copy_checkout
from tests.fakes import NOBODY
from tests.seeded import copy_runner

# What a machine without an engine looks like: a client that finds no daemon.
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# A machine that reaches nothing and has nothing at hand: no index, no wheelhouse, no cache.
NOTHING_AT_HAND = {"PIP_FIND_LINKS": "", "UV_FIND_LINKS": "", "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A student's folder with a file in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "nota.txt").write_text("hola")
    return folder


@pytest.fixture
def host(state: Path) -> Iterator[CommandLine]:
    """The command line where no engine answers."""
    command = CommandLine(state=state, env=NO_ENGINE)
    yield command
    command("stop")


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user reaches: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def nobody(open_folder: Path) -> CommandLine:
    """The command line of a user who is not root, on a clone and a state folder in reach."""
    root = copy_checkout(open_folder / "clone")
    state = open_folder / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else path.stat().st_mode | 0o444)
    command = CommandLine(
        state=state, root=root, env={**NO_ENGINE, "HOME": str(state)}, prefix=AS_NOBODY
    )
    made = command("status")
    assert made.code == 0, made.err
    return command


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line with a state folder that has nothing yet."""
    command = CommandLine(state=tmp_path / "state", env=NO_ENGINE)
    yield command
    command("stop")


@pytest.fixture
def with_runner(state: Path) -> Iterator[Callable[..., CommandLine]]:
    """Makes another state folder that has the runner, and the environment where that is asked for.

    The environment is a link: a fault may remove the folder, and must not take the packages.
    """

    made: list[CommandLine] = []

    def make(folder: Path, *, environment: bool = False) -> CommandLine:
        first = CommandLine(state=state, env=NO_ENGINE)
        assert first("status").code == 0
        folder.mkdir(parents=True, exist_ok=True)
        copy_runner(state, folder)
        if environment:
            assert first("shell", "--engine", "host", "--command", "true").code == 0
            for path in state.glob("env-cpu-L*"):
                (folder / path.name).symlink_to(path)
        made.append(CommandLine(state=folder, env=NO_ENGINE))
        return made[-1]

    yield make
    for command in made:
        if command.state.exists() and any(command.state.iterdir()):
            command("stop")
