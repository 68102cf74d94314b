"""A student's lab on the host, in folders that another user of the machine can walk into."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import CommandLine
from tests.jupyter import Server
from tests.seeded import seed

# What a machine without an engine looks like: a client that finds no daemon.
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab: `home` holds all that its student has, `told` is the result that was kept."""

    command: CommandLine
    home: Path
    work: Path
    told: Path
    session: dict[str, object]

    @property
    def server(self) -> Server:
        return Server(str(self.session["url"]))


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """One lab for these tests, started with the umask that lets others read."""
    with tempfile.TemporaryDirectory(prefix="lab-test-") as name:
        home = Path(name).resolve()
        home.chmod(0o755)
        umask = os.umask(0o022)
        try:
            state = home / "state"
            state.mkdir()
            seed(state)
            command = CommandLine(state=state, env={**NO_ENGINE, "TMPDIR": str(home)})
            work, told = home / "work", home / "lab.json"
            began = command("lab", "--work", str(work), "--json", "--output", str(told))
            assert began.code == 0, began.err
            yield Lab(command=command, home=home, work=work, told=told, session=began.json())
            command("stop")
        finally:
            os.umask(umask)
