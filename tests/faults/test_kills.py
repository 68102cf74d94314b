"""Killed at any moment: the next command works, nothing is left behind, and no file is lost."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import CommandLine, wait_for
from tests.faults.observe import (
    check_goes_on,
    check_message,
    containers,
    family,
    interrupt_at,
    is_gone,
    servers,
)
from tests.jupyter import Server

pytestmark = pytest.mark.alone

WithRunner = Callable[..., CommandLine]
HOST = ("--engine", "host")
DOCKER = ("--engine", "docker")


def _is_held(state: Path) -> bool:
    """Whether a server holds its lock: it lives, and its page does not answer yet."""
    path = state / "server" / "lock"
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _uses(folder: Path) -> list[psutil.Process]:
    """Processes whose command line names something in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


# --- the first start, which makes everything -----------------------------------------------------


@pytest.mark.host
def test_first_start_goes_on_wherever_it_was_killed(fresh: CommandLine, work: Path) -> None:
    """The whole group, and the first process alone: then pip or uv go on for a while."""
    command = fresh
    words = ("lab", *HOST, "--work", str(work))
    for line in (
        "Making the runner's environment",
        "making an environment with Python",
        "installing the packages",
    ):
        for group in (True, False):
            interrupt_at(command, line, *words, group=group)
    interrupted = interrupt_at(command, "installing the packages", *words, number=signal.SIGINT)
    assert interrupted.code == 130
    assert "Traceback" not in interrupted.err
    check_goes_on(command, work, *HOST)
    assert [p.name for p in command.state.glob("runner-*.new.*")] == []
    wait_for(lambda: not _uses(command.state), "uv and pip to end")


def test_runner_is_made_again_when_its_maker_was_killed(fresh: CommandLine) -> None:
    """The folder that a killed ./inv leaves: half a runner."""
    command = fresh
    interrupt_at(command, "Making the runner's", "status", until=lambda: _half_made(command.state))
    assert _half_made(command.state)
    told = command("status", "--json")
    assert told.code == 0, told.err
    assert told.json()["state"] == "stopped"
    assert [p for p in command.state.glob("runner-*") if ".new." in p.name] == []


def _half_made(state: Path) -> bool:
    return any(state.glob("runner-*.new.*/bin"))


@pytest.mark.host
def test_environment_without_its_settings_is_made_again(
    with_runner: WithRunner, tmp_path: Path, work: Path
) -> None:
    """uv killed between its first and last file: bin/python is then the machine's own Python.

    To install into that one would empty it, so the test gives it a stand-in that tells on us.
    """
    command = with_runner(tmp_path / "state")
    folder = command.state / f"env-cpu-{os.uname().sysname}-{os.uname().machine}"
    (folder / "bin").mkdir(parents=True)
    stand_in = folder / "bin" / "python"
    stand_in.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    stand_in.chmod(0o755)
    interrupt_at(command, "installing the packages", "lab", *HOST, "--work", str(work))
    assert not (tmp_path / "asked").exists()
    assert stand_in.is_symlink()
    assert (folder / "pyvenv.cfg").exists()


# --- the lab on the host ------------------------------------------------------------------------


@pytest.mark.host
@pytest.mark.parametrize("line", ["on the host", "starting the server", "ready after"])
def test_lab_on_the_host_killed_at_a_line(host: CommandLine, work: Path, line: str) -> None:
    interrupt_at(host, line, "lab", *HOST, "--work", str(work))
    check_goes_on(host, work, *HOST)


@pytest.mark.host
@pytest.mark.parametrize("moment", ["lock", "session"])
def test_lab_on_the_host_killed_before_its_page_answers(
    host: CommandLine, work: Path, moment: str
) -> None:
    """The server lives on: the next `lab` must wait for its page, and print that address."""
    there = {
        "lock": lambda: _is_held(host.state),
        "session": (host.state / "server" / "session.json").exists,
    }
    interrupt_at(
        host, "starting the server", "lab", *HOST, "--work", str(work), until=there[moment]
    )
    started = servers(host.state)
    check_goes_on(host, work, *HOST)
    assert len(started) == 1
    assert is_gone(started[0])


@pytest.mark.host
def test_ctrl_c_while_the_server_starts_is_130(host: CommandLine, work: Path) -> None:
    ended = interrupt_at(
        host, "starting the server", "lab", *HOST, "--work", str(work), number=signal.SIGINT
    )
    assert ended.code == 130
    assert "Traceback" not in ended.err
    check_goes_on(host, work, *HOST)


@pytest.mark.host
def test_server_killed_with_a_kernel_running(host: CommandLine, work: Path) -> None:
    first = host("lab", *HOST, "--work", str(work), "--json").json()
    kernel = Server(str(first["url"])).start_kernel()
    kernel.run("x = 1")
    kernel.socket.close()
    server = psutil.Process(int(str(first["pid"])))
    remains = json.loads((host.state / "server" / "session.json").read_text())["runtime"]
    processes = family(server)
    assert len(processes) > 1
    server.kill()
    wait_for(lambda: all(map(is_gone, processes)), "the kernels to end by themselves")
    assert Path(remains).is_dir(), "what a killed server leaves"
    assert host("stop").code == 0
    assert not Path(remains).exists()

    second = host("lab", *HOST, "--work", str(work), "--json").json()
    remains = json.loads((host.state / "server" / "session.json").read_text())["runtime"]
    psutil.Process(int(str(second["pid"]))).kill()
    wait_for(lambda: not _is_held(host.state), "the lock to be free")
    assert host("status", "--json").json()["state"] == "stopped"
    third = host("lab", *HOST, "--work", str(work), "--json").json()
    assert not Path(remains).exists()
    assert len({first["url"], second["url"], third["url"]}) == 3
    check_goes_on(host, work, *HOST)


@pytest.mark.host
def test_two_labs_at_once_are_one(host: CommandLine, work: Path) -> None:
    words = ("lab", *HOST, "--work", str(work), "--json")
    both = [
        subprocess.Popen([str(host.root / "inv"), *words], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=host.variables())
        for _ in range(2)
    ]  # fmt: skip
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len({json.loads(out)["url"] for out, _ in told}) == 1
    assert any("another command is starting or stopping the lab" in err for _, err in told)
    check_goes_on(host, work, *HOST)


@pytest.mark.host
@pytest.mark.parametrize("content", ['{"token": "abc", "po', "[]", '{"token": 1}', ""])
def test_session_file_that_cannot_be_read(host: CommandLine, work: Path, content: str) -> None:
    """Left by a full disk, or a hand that slipped: without a server it is only cleared away."""
    file = host.state / "server" / "session.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(content)
    assert host("status", "--json").json()["state"] == "stopped"
    assert host("stop").code == 0
    assert not file.exists()


@pytest.mark.host
def test_running_lab_whose_session_file_is_spoilt(host: CommandLine, work: Path) -> None:
    assert host("lab", *HOST, "--work", str(work)).code == 0
    (host.state / "server" / "session.json").write_text('{"token": "abc", "po')
    refused = host("lab", *HOST, "--work", str(work))
    check_message(refused)
    assert "its session file is gone or cannot be read" in refused.err
    assert "./inv stop" in refused.err
    assert host("stop").code == 0
    assert servers(host.state) == []
    check_goes_on(host, work, *HOST)


@pytest.mark.host
def test_state_folder_removed_under_a_running_lab(
    with_runner: WithRunner, tmp_path: Path, work: Path
) -> None:
    command = with_runner(tmp_path / "state", environment=True)
    assert command("lab", *HOST, "--work", str(work)).code == 0
    assert len(servers(command.state)) == 1
    shutil.rmtree(command.state)
    with_runner(tmp_path / "state", environment=True)
    told = command("status")
    assert told.code == 0
    assert "unhealthy: its session file is gone" in told.out
    check_message(command("lab", *HOST, "--work", str(work)))
    assert command("stop").code == 0
    assert servers(command.state) == []
    check_goes_on(command, work, *HOST)


@pytest.mark.host
def test_server_that_hangs_is_told_and_can_be_stopped(host: CommandLine, work: Path) -> None:
    """Stopped by a signal, it keeps its lock and its port, and answers nobody."""
    session = host("lab", *HOST, "--work", str(work), "--json").json()
    server = psutil.Process(int(str(session["pid"])))
    server.suspend()
    try:
        with socket.create_connection(("127.0.0.1", int(str(session["port"]))), timeout=5):
            assert "unhealthy: its page does not answer" in host("status").out
    finally:
        server.resume()
    check_goes_on(host, work, *HOST)


# --- the lab in a container ----------------------------------------------------------------------


@pytest.mark.container
@pytest.mark.parametrize("group", [True, False], ids=["all", "first"])
@pytest.mark.parametrize("line", ["on the CPU", "starting the container", "ready after"])
def test_lab_in_a_container_killed_at_a_line(
    inv: CommandLine, work: Path, line: str, group: bool
) -> None:
    """The first process alone: compose goes on for a while."""
    interrupt_at(inv, line, "lab", *DOCKER, "--work", str(work), group=group)
    check_goes_on(inv, work, *DOCKER)


@pytest.mark.container
@pytest.mark.parametrize("moment", ["made", "running"])
def test_lab_killed_as_soon_as_its_container_is_there(
    inv: CommandLine, work: Path, moment: str
) -> None:
    def there() -> bool:
        found = containers(work)
        return bool(found) and (moment == "made" or _status(found[0]) == "running")

    interrupt_at(
        inv, "starting the container", "lab", *DOCKER, "--work", str(work), until=there, group=False
    )
    check_goes_on(inv, work, *DOCKER)


def _status(container: str) -> str:
    return subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Status}}", container],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip


@pytest.mark.container
def test_stop_waits_for_the_compose_of_a_killed_start(inv: CommandLine, work: Path) -> None:
    """Compose is held while it makes the container: `stop` must neither overlook nor outrun it."""

    def hold() -> bool:
        found = _composes(work)
        for process in found:
            process.suspend()
        return bool(found)

    interrupt_at(
        inv, "starting the container", "lab", *DOCKER, "--work", str(work), until=hold, group=False
    )
    with inv.begin("stop") as stop:
        assert stop.stdout is not None
        try:
            assert "waiting for it" in stop.stdout.readline()
        finally:
            for process in _composes(work):
                process.resume()
        stop.stdout.read()
    assert stop.returncode == 0
    assert _composes(work) == []
    assert containers(work) == []


def _composes(work: Path) -> list[psutil.Process]:
    """The compose commands that start a lab on a work folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "compose" in words and process.environ().get("LAB_WORK") == str(work):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.container
def test_ctrl_c_while_the_container_starts_is_130(inv: CommandLine, work: Path) -> None:
    ended = interrupt_at(
        inv, "starting the container", "lab", *DOCKER, "--work", str(work), number=signal.SIGINT
    )
    assert ended.code == 130
    assert "Traceback" not in ended.err
    check_goes_on(inv, work, *DOCKER)


@pytest.fixture
def container(inv: CommandLine, work: Path) -> str:
    started = inv("lab", *DOCKER, "--work", str(work), "--json")
    assert started.code == 0, started.err
    return str(started.json()["container"])


@pytest.mark.container
def test_killed_container_is_told_and_replaced(
    inv: CommandLine, container: str, work: Path
) -> None:
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    told = inv("status", "--json").json()
    assert told["state"] == "ended"
    assert str(told["note"]).startswith("exit code 137, killed")
    assert "ended by itself: exit code 137" in inv("status").out
    check_goes_on(inv, work, *DOCKER)


@pytest.mark.container
def test_removed_container_is_no_lab(inv: CommandLine, container: str, work: Path) -> None:
    subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)
    assert inv("status", "--json").json()["state"] == "stopped"
    assert inv("stop").out == "No lab was running.\n"
    check_goes_on(inv, work, *DOCKER)


@pytest.mark.container
def test_paused_container_is_told_and_can_be_stopped(
    inv: CommandLine, container: str, work: Path
) -> None:
    subprocess.run(["docker", "pause", container], check=True, capture_output=True)
    told = inv("status")
    assert "unhealthy: its container is paused" in told.out
    refused = inv("lab", "--work", str(work))
    check_message(refused)
    assert f"docker unpause {container}" in refused.err
    assert inv("stop").code == 0
    assert containers(work) == []
    check_goes_on(inv, work, *DOCKER)


@pytest.mark.container
def test_two_labs_at_once_are_one_container(inv: CommandLine, work: Path) -> None:
    words = [str(inv.root / "inv"), "lab", *DOCKER, "--work", str(work), "--json"]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=inv.variables())
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len({json.loads(out)["url"] for out in told}) == 1
    check_goes_on(inv, work, *DOCKER)
