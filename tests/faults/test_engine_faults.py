"""The container engine fails: killed, full, closed to the user, without network."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import CommandLine
from tests.daemon import Engine, Net, engine_beside
from tests.faults.conftest import AS_NOBODY, NOBODY, NOTHING_AT_HAND
from tests.faults.killing import Killer, count, generator, saving, wait_until_nothing_lives
from tests.faults.observe import (
    check_message,
    containers,
    interrupt_at,
    is_gone,
    servers,
)
from tests.jupyter import Kernel, Server

pytestmark = [pytest.mark.container, pytest.mark.root, pytest.mark.alone]

BASE = "localhost/python:3.11-slim-bookworm"
DOCKER = ("--engine", "docker")
NET = Net(bridge="labfault0", address="172.31.77.1")


@pytest.fixture(scope="module")
def image(state: Path) -> str:
    """The lab's image, from the machine's own engine."""
    built = CommandLine(state=state)("build", "--json")
    assert built.code == 0, built.err
    return str(built.json()["image"])


@pytest.fixture(scope="module")
def engine(image: str) -> Iterator[Engine]:
    with engine_beside(image, BASE, net=NET) as made:
        yield made


@pytest.fixture
def command(engine: Engine, state: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line, at the tests' own daemon; no other engine answers."""
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text("#!/bin/sh\necho 'Cannot connect to Podman' >&2\nexit 125\n")
    podman.chmod(0o755)
    path = f"{podman.parent}:{os.environ['PATH']}"
    command = CommandLine(state=state, env={**engine.env, "PATH": path})
    yield command
    command("stop")


def test_build_without_network(command: CommandLine) -> None:
    """Killed in its midst, and then left to find out that it reaches nothing."""
    interrupt_at(command, "installing git", "build", "--no-cache", **NOTHING_AT_HAND)
    refused = command("build", "--no-cache", **NOTHING_AT_HAND)
    check_message(refused)
    assert "could not be fetched from the network" in refused.err
    assert "check the network" in refused.err


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """A file has all the room that is left; nothing is written into it."""
    filler, size = folder / "filler", 0
    try:
        with filler.open("wb") as file:
            for part in (1 << 30, 1 << 25, 1 << 20):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), size, part)
                        size += part
        assert os.statvfs(folder).f_bavail < 1000  # blocks of 4 KiB; some are the file system's own
        yield
    finally:
        filler.unlink(missing_ok=True)


def test_build_on_a_full_disk(command: CommandLine, engine: Engine) -> None:
    """The daemon refuses the layer, or does not outlive it: its databases are on that disk too."""
    try:
        with filled(engine.data):
            refused = command("build", "--no-cache")
    finally:
        engine.revive()
    check_message(refused)
    assert "disk is full" in refused.err
    assert "docker system df" in refused.err or "start the engine again" in refused.err
    assert command("build", "--dry-run").code == 0


def test_daemon_killed_under_a_running_lab(
    command: CommandLine, engine: Engine, work: Path
) -> None:
    started = command("lab", *DOCKER, "--work", str(work), "--json")
    assert started.code == 0, started.err
    Server(str(started.json()["url"])).save("guardado.txt", "antes")
    inside = [p for shim in engine.shims() for p in shim.children(recursive=True)]
    assert inside
    engine.kill()
    try:
        for words in (("status",), ("stop",), ("lab", *DOCKER, "--work", str(work))):
            refused = command(*words)
            check_message(refused)
            assert "A lab was started with docker, which does not answer now." in refused.err
            assert "start docker again" in refused.err
    finally:
        engine.start()
    told = command("status", "--json").json()
    assert told["state"] == "ended"
    again = command("lab", *DOCKER, "--work", str(work), "--json")
    assert again.code == 0, again.err
    assert Server(str(again.json()["url"])).request("GET", "/api/status")["started"]
    assert len(containers(work, **engine.env)) == 1
    assert all(map(is_gone, inside))
    assert command("stop").code == 0
    assert containers(work, **engine.env) == []
    assert engine.shims() == []
    assert (work / "guardado.txt").read_text() == "antes"
    assert (work / "nota.txt").read_text() == "hola"


def test_daemon_down_before_the_lab_starts(
    command: CommandLine, engine: Engine, work: Path
) -> None:
    engine.kill()
    try:
        refused = command("lab", *DOCKER, "--work", str(work))
        check_message(refused)
        assert refused.err.startswith("Docker cannot start containers here.\n  why:  its daemon")
        assert "systemctl start docker" in refused.err
        check_message(command("build"))
        check_message(command("shell", *DOCKER, "--command", "true"))
        assert command("status", "--json").json()["state"] == "stopped"
    finally:
        engine.start()


@pytest.mark.host
def test_auto_falls_back_to_the_host_while_the_daemon_is_down(
    command: CommandLine, engine: Engine, work: Path
) -> None:
    """A lab was in a container, its daemon is gone; the student goes on, later all is put away."""
    assert command("lab", "--work", str(work)).code == 0
    assert len(containers(work, **engine.env)) == 1
    engine.kill()
    try:
        fallen = command("lab", "--work", str(work), "--json")
        assert fallen.code == 0, fallen.err
        assert fallen.json()["engine"] == "host"
        lines = [line for line in fallen.err.splitlines() if "on the host" in line]
        assert len(lines) == 1
        assert "docker is not running" in lines[0]
        server = Server(str(fallen.json()["url"]))
        assert server.request("GET", "/api/contents/nota.txt")["content"] == "hola"
    finally:
        engine.start()
    assert command("stop").code == 0
    assert servers(command.state) == []
    assert containers(work, **engine.env) == []
    assert engine.shims() == []


def test_container_removed_by_the_daemons_restart_is_not_a_lab(
    command: CommandLine, engine: Engine, work: Path
) -> None:
    """`docker rm` behind our back while the lab's command is away."""
    assert command("lab", *DOCKER, "--work", str(work)).code == 0
    engine.kill()
    for shim in engine.shims():
        for process in (*shim.children(recursive=True), shim):
            process.kill()
    psutil.wait_procs(engine.shims(), timeout=10)
    engine.start()
    assert command("status", "--json").json()["state"] == "ended"
    assert command("stop").code == 0
    assert containers(work, **engine.env) == []


def test_daemon_killed_at_random_points(
    command: CommandLine, engine: Engine, work: Path, state: Path
) -> None:
    """While a page saves, while a lab starts and while it stops: it is found again, or told."""
    killer = Killer(command, generator("daemon"))
    words = ("lab", *DOCKER, "--work", str(work), "--json")
    killer.whole(*words)
    for number in range(count("daemon")):
        server = Server(str(killer.whole(*words).json()["url"]))
        with saving(server, work):
            time.sleep(killer.rng.uniform(0, 0.3))
            task = [("status",), words, ("stop",)][number % 3]
            with command.begin(*task) as begun:
                time.sleep(killer.rng.uniform(0, 2))
                engine.kill()
                assert begun.stdout is not None
                assert "Traceback" not in begun.stdout.read()
            assert begun.returncode in (0, 2)
            for shim in engine.shims():  # what a crash of the machine ends as well
                for process in (*shim.children(recursive=True), shim):
                    process.kill()
            engine.start()
    killer.whole(*words)
    assert len(containers(work, **engine.env)) == 1
    killer.whole("stop")
    assert containers(work, **engine.env) == []
    assert engine.shims() == []
    wait_until_nothing_lives(state)
    assert (work / "nota.txt").read_text() == "hola"


def test_engine_replaced_with_its_containers_kept(
    command: CommandLine, engine: Engine, work: Path
) -> None:
    """As a package's upgrade does where the engine has live-restore: the lab goes on throughout."""
    settings = engine.folder / "daemon.json"
    before = settings.read_text()
    settings.write_text(json.dumps({**json.loads(before), "live-restore": True}))
    engine.kill()
    engine.start()
    try:
        words = ("lab", *DOCKER, "--work", str(work), "--json")
        session = command(*words).json()
        server = Server(str(session["url"]))
        server.save("a.txt", "antes")
        kernel = server.start_kernel()
        kernel.run("x = 41")
        kernel.socket.close()
        assert engine.daemon is not None
        engine.daemon.terminate()
        engine.daemon.wait()
        assert engine.shims()
        check_message(command("status"))
        engine.start()
        assert command("status", "--json").json()["url"] == session["url"]
        assert command(*words).json()["url"] == session["url"]
        server.save("a.txt", "después")
        with Kernel(server, kernel.id) as again:
            assert again.run("print(x + 1)").text == "42\n"
        assert (work / "a.txt").read_text() == "después"
        assert command("stop").code == 0
        assert containers(work, **engine.env) == []
        assert engine.shims() == []
    finally:
        settings.write_text(before)
        engine.kill()
        engine.start()


def test_socket_without_permission(nobody: CommandLine, engine: Engine, open_folder: Path) -> None:
    user = CommandLine(
        state=nobody.state, root=nobody.root, env={**nobody.env, **engine.env}, prefix=AS_NOBODY
    )
    assert engine.socket.stat().st_uid != NOBODY
    work = nobody.state / "work"
    for words in (
        ("lab", "--work", str(work)),
        ("shell", "--work", str(work), "--command", "true"),
    ):
        refused = user(*words, *DOCKER)
        check_message(refused)
        assert "this user may not use its socket" in refused.err
        assert "usermod -aG docker" in refused.err
    check_message(user("build"))
