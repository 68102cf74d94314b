"""What is left after a fault: processes, containers, and the words that a person reads."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.conftest import CommandLine, Result, wait_for
from tests.jupyter import Server


def check_message(result: Result, code: int = 2) -> None:
    """One clear error: what happened, why, what to do next; its exit code; no traceback."""
    assert result.code == code, result.out + result.err
    assert "Traceback" not in result.out + result.err
    assert result.err.count("\n  why:  ") == 1, result.err
    assert result.err.count("\n  next: ") == 1, result.err


def servers(state: Path) -> list[psutil.Process]:
    """The servers on the host that belong to a state folder, whatever its files say."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("LAB_STATE") == str(state)
            if ours and "lab.server.start" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started."""
    return [process, *process.children(recursive=True)]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def containers(work: Path, **env: str) -> list[str]:
    """The containers, running or not, that serve a work folder."""
    listed = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label=pytorch-lab.work={work}"],
        capture_output=True, text=True, check=True, env={**os.environ, **env},
    ).stdout  # fmt: skip
    return listed.split()


def interrupt_at(
    command: CommandLine,
    line: str,
    *words: str,
    group: bool = True,
    number: signal.Signals = signal.SIGKILL,
    until: Callable[[], object] | None = None,
    **env: str,
) -> Result:
    """Start a command and send it a signal as soon as it says a line.

    Args:
        command: the command line.
        line: part of the line of progress to wait for.
        words: the task and its arguments.
        group: all processes of the command get the signal, as from a terminal; else only the first.
        number: the signal.
        until: what must hold as well before the signal is sent.
        env: variables for the command.

    Returns:
        Its exit code, and all that it said, as `err`.
    """
    said = ""
    with command.begin(*words, **env) as process:
        assert process.stdout is not None
        while line not in said:
            text = process.stdout.readline()
            assert text, f"it ended without saying {line!r}:\n{said}"
            said += text
        if until is not None:
            wait_for(until, f"the moment after {line!r}")
        (os.killpg if group else os.kill)(process.pid, number)
        if number != signal.SIGKILL:  # after that one a child may live on and hold the pipe
            said += process.stdout.read()
        process.wait(timeout=60)
    return Result(code=process.returncode, out="", err=said)


def check_goes_on(command: CommandLine, work: Path, *words: str) -> None:
    """The next `lab` works, whatever was killed; `stop` leaves nothing but the files."""
    note = work / "nota.txt"
    again = command("lab", "--work", str(work), "--json", *words)
    assert again.code == 0, again.err
    session = again.json()
    assert session["state"] == "running"
    server = Server(str(session["url"]))
    assert server.request("GET", "/api/contents/nota.txt")["content"] == note.read_text()
    on_host = session["engine"] == "host"
    assert len(servers(command.state)) == (1 if on_host else 0)
    if not on_host:
        assert len(containers(work)) == 1
    stopped = command("stop")
    assert stopped.code == 0, stopped.err
    assert servers(command.state) == []
    if not on_host:
        assert containers(work) == []
    assert note.read_text() == "hola"
    assert command("status", "--json").json()["state"] == "stopped"
