"""The ways in which the one image is run, each started, visited and stopped once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lab.engines.docker import run_arguments
from lab.engines.request import LaunchRequest
from lab.server import address, container
from tests.conftest import ROOT, CommandLine, wait_for
from tests.jupyter import Server

Owner = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to run it.

    Args:
        name: what it is called in the table of CONTRIBUTING.md.
        engine: docker, podman or apptainer.
        owner: of the work folder, and so of what is saved in it; None is the second user.
        network: whether the container has one.
    """

    name: str
    engine: str
    owner: Owner | None
    network: bool = True


DOCKER = Way(name="Docker, as the unknown user 54321:54321", engine="docker", owner=(54321, 54321))
WITHOUT_NETWORK = Way(
    name="Docker, without a network, as 12345:0", engine="docker", owner=(12345, 0), network=False
)
PODMAN = Way(name="Podman of root", engine="podman", owner=(1000, 1000))
ROOTLESS = Way(name="rootless Podman", engine="podman", owner=None)
APPTAINER = Way(name="Apptainer", engine="apptainer", owner=None)
WAYS = (DOCKER, WITHOUT_NETWORK, PODMAN, ROOTLESS, APPTAINER)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What there was to be seen of one way.

    Args:
        visit: what `tests.conformance.visit` printed, through the container's own network.
        from_outside: whether the page answered on the machine's loopback.
        watched: the engine looks after the page by itself, with the image's health check.
        owners: of what was saved, each once.
        saved: what the files hold after the stop.
        wanted: the owner that was wanted.
        left: what is there after the stop and ought not to be.
    """

    visit: dict[str, Any]
    from_outside: bool
    watched: bool
    owners: set[Owner]
    saved: dict[str, str]
    wanted: Owner
    left: list[str]

    @property
    def inside(self) -> dict[str, Any]:
        found: dict[str, Any] = self.visit["inside"]
        return found


@dataclass(frozen=True, kw_only=True)
class Running:
    """A lab that runs: its address, its main process here, and the words that name its
    processes; `reach` is what a command is started by to be in its network."""

    url: str
    pid: int
    marks: tuple[str, ...]
    reach: tuple[str, ...] = ()
    describe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a way is gone.

    Args:
        command: the command line of whoever runs it.
        work: the student's folder.
        image: what the engine calls the image.
        owner: of the work folder.
    """

    command: CommandLine
    work: Path
    image: str
    owner: Owner


def see(way: Way, place: Place) -> Seen:
    """Start it, visit it, stop it, and look at what is left."""
    work = place.work
    with (_by_command if way.network else _without_network)(way, place) as running:
        family = _family(running)
        argv = [*running.reach, sys.executable, "-m", "tests.conformance.visit", running.url]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        told = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, env=env, check=False)
        assert told.returncode == 0, told.stderr
        outside = _answers(running.url)
        family += _family(running)
    saved = [path for path in work.iterdir() if path.suffix == ".txt"]
    return Seen(
        visit=json.loads(told.stdout), from_outside=outside,
        watched=bool(running.describe.get("State", {}).get("Health", {}).get("Status")),
        owners={(path.stat().st_uid, path.stat().st_gid) for path in work.rglob("*")},
        saved={path.name: path.read_text() for path in saved}, wanted=place.owner,
        left=_left(way, place.command, running, family),
    )  # fmt: skip


@contextmanager
def _by_command(way: Way, place: Place) -> Iterator[Running]:
    """With `inv lab`, as everybody does."""
    command, work, image = place.command, place.work, place.image
    named = ("--image", image) if way.engine == "apptainer" else ()
    began = command("lab", "--engine", way.engine, "--work", str(work), *named, "--json")
    assert began.code == 0, began.err
    session: dict[str, Any] = dict(began.json())
    try:
        if way.engine == "apptainer":
            yield Running(url=session["url"], pid=session["pid"], marks=(image, str(command.state)))
        else:
            asked = asked_of(command, way.engine, "inspect", session["container"])
            found = json.loads(asked)[0]
            yield Running(
                url=session["url"], pid=found["State"]["Pid"], marks=(found["Id"],), describe=found
            )
    finally:
        stopped = command("stop")
    assert stopped.code == 0, stopped.err


@contextmanager
def _without_network(way: Way, place: Place) -> Iterator[Running]:
    """By the same line, but for the network, which `inv lab` would publish a port of."""
    user, command = "{}:{}".format(*place.owner), place.command
    request = LaunchRequest(command=(), image=place.image, work=place.work, user=user, stdin=False)
    program, run, *rest = run_arguments(request, way.engine)
    line = [program, run, "--detach", "--network=none", *rest]
    name = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    try:
        secret = container.read_secret(way.engine, name)
        assert secret is not None
        found = json.loads(asked_of(command, way.engine, "inspect", name))[0]
        pid = found["State"]["Pid"]
        yield Running(
            url=f"http://127.0.0.1:8888/lab?token={secret.token}", pid=pid, marks=(name,),
            reach=("nsenter", f"--net=/proc/{pid}/ns/net"), describe=found,
        )  # fmt: skip
    finally:
        subprocess.run([way.engine, "stop", "--time=30", name], capture_output=True, check=True)


def asked_of(command: CommandLine, *words: str) -> str:
    """What an engine says to whoever runs the lab."""
    done = subprocess.run(
        [*command.prefix, *words], capture_output=True, text=True, env=command.variables(),
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _answers(url: str) -> bool:
    """Whether this very server answers on the address as this machine has it."""
    server = Server(url)
    return address.answers(int(server.base.rpartition(":")[2]), server.token)


def _family(running: Running) -> list[psutil.Process]:
    main = psutil.Process(running.pid)
    return [main, *main.children(recursive=True)]


def _left(
    way: Way, command: CommandLine, running: Running, family: list[psutil.Process]
) -> list[str]:
    """Processes, containers and files that outlast a stop."""

    server = command.state / "server"

    def remains() -> list[str]:
        found = [*(str(p) for p in family if p.is_running()), *_marked(running.marks)]
        if way.engine != "apptainer":  # Docker removes one that was run by --rm after its stop
            named = ("--all", "--quiet", "--filter", f"id={running.marks[0]}")
            found += asked_of(command, way.engine, "ps", *named).split()
        return found + [str(path) for path in server.glob("session.json")]

    with suppress(AssertionError):
        wait_for(lambda: not remains(), "the stop to have ended", timeout_s=30)
    return remains()


def _marked(marks: tuple[str, ...]) -> list[str]:
    """Processes of this machine whose command line names a container or an image file."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(mark in word for mark in marks for word in process.cmdline()):
                found.append(str(process))
    return found
