"""The lab as a job on a node of a real Slurm, from the queue to its end in any way."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import CommandLine, wait_for
from tests.jupyter import Server

pytestmark = [pytest.mark.cluster, pytest.mark.host]

UNAVAILABLE = ("sinfo", "--noheader", "--Node", "--states=down,drain,no_respond,power_down")
SITE = '[lab]\npartition = "main"\ntime = "30"\nssh = "-J ana@login.example.org"\n'


@pytest.fixture
def command(state: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line with a site's file; whatever a test leaves is ended."""
    site = tmp_path / "cluster.toml"
    site.write_text(SITE)
    command = CommandLine(state=state, env={"LAB_CLUSTER": str(site), "USER": "ana"})
    yield command
    command("stop")
    assert "lab-" not in slurm("squeue", "--noheader", "--format=%j")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "mi carpeta, ñandú 'y' $HOME"


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def status(command: CommandLine) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(command("status", "--json").out)
    return document


def has_state(command: CommandLine, state: str) -> Callable[[], bool]:
    return lambda: status(command)["state"] == state


def ended(command: CommandLine, note: str) -> Callable[[], bool]:
    def holds() -> bool:
        session = status(command)
        return (session["state"], session["note"]) == ("ended", note)

    return holds


def started(command: CommandLine, work: Path) -> dict[str, Any]:
    result = command("lab", "--slurm", "--work", str(work), "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def processes(command: CommandLine) -> list[psutil.Process]:
    """What runs of the labs of this state folder: the host sees the virtual nodes' processes."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(command.state / "slurm") in " ".join([*process.cmdline(), process.cwd()]) or (
                process.environ()
                .get("JUPYTER_DATA_DIR", "")
                .startswith(str(command.state / "slurm"))
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_lab_waits_runs_on_its_node_and_stop_frees_it(command: CommandLine, work: Path) -> None:
    """Held first, so that it waits: Ctrl-C leaves the job, and the next command finds it."""
    Path(command.env["LAB_CLUSTER"]).write_text(f'{SITE}options = ["--hold"]\n')
    client = command.begin("lab", "--slurm", "--work", str(work))
    wait_for(has_state(command, "waiting"), "the job to wait")
    os.killpg(client.pid, signal.SIGINT)
    said = client.communicate(timeout=30)[0]
    assert client.returncode == 2
    assert "held" in said
    assert "./inv lab --slurm waits on" in said
    assert "Traceback" not in said
    waiting = status(command)
    assert "JobHeldUser" in waiting["note"]
    assert waiting["url"] is None

    # As where the client is killed before it heard the number: the job is found by its name.
    note = command.state / "slurm" / "lab.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "job": ""}))
    slurm("scontrol", "release", waiting["job"])
    session = started(command, work)
    assert session["job"] == waiting["job"]
    assert session["state"] == "running"
    assert session["ends_utc"] > session["started_utc"]
    port = session["port"]
    assert session["ssh"] == (
        f"ssh -N -J ana@login.example.org -L {port}:127.0.0.1:{port} ana@{session['node']}"
    )

    server = Server(session["url"])
    assert server.request("GET", "/api/status")["started"]
    assert server.status_of("GET", "/api/contents", token="wrong") == 403
    with server.start_kernel() as kernel:
        assert (
            kernel.run("import socket\nprint(socket.gethostname())").text.strip() == session["node"]
        )
    server.save("nota ñ.txt", "hola")
    assert (work / "nota ñ.txt").read_text() == "hola"

    shown = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert server.token not in shown + slurm("scontrol", "show", "job", "--details", session["job"])
    log = command("logs")
    assert "Serving notebooks from local directory" in log.out
    assert server.token not in log.out
    holding = [
        p
        for p in command.state.glob("slurm/**/*")
        if p.is_file() and server.token in p.read_text(errors="replace")
    ]
    assert holding
    assert {p.stat().st_mode & 0o077 for p in (command.state / "slurm", *holding)} == {0}

    assert status(command) == session
    refused = command("lab", "--work", str(work))
    assert refused.code == 2
    assert refused.err.startswith("A lab runs already, on a node of the cluster.")

    family = processes(command)
    assert len(family) > 1
    stopped = command("stop")
    assert stopped.code == 0
    assert f"its files are in {work}" in stopped.out
    asked = ("squeue", "--noheader", "--states=pending,running,completing")
    assert not slurm(*asked, f"--nodelist={session['node']}")
    assert [p for p in family if p.is_running()] == []
    assert has_state(command, "stopped")()
    assert server.token not in "".join(
        p.read_text(errors="replace") for p in command.state.glob("slurm/**/*") if p.is_file()
    )


def test_lab_that_ends_by_itself_says_how(command: CommandLine, work: Path) -> None:
    """Its time is up: the signal is the one that Slurm sends then. Somebody cancels it. Its node
    crashes."""
    first = started(command, work)
    Server(first["url"]).save("saved.txt", "kept")
    slurm("scancel", "--batch", "--signal=USR1", first["job"])
    wait_for(ended(command, "the time of its job was up"), "the lab to end")
    assert (work / "saved.txt").read_text() == "kept"
    assert "Shutting down" in command("logs").out

    second = started(command, work)
    slurm("scancel", second["job"])
    wait_for(ended(command, "its job was cancelled"), "the lab to end")

    third = started(command, work)
    control = os.environ["TEST_CLUSTER"]
    update = ("scontrol", "update", f"nodename={third['node']}")
    slurm(control, "crash", third["node"])
    try:
        slurm(
            *update, "state=down", "reason=power"
        )  # it would notice by itself, half a minute later
        wait_for(ended(command, "the node failed"), "the lab to end")
        assert processes(command) == []
    finally:
        slurm(control, "start", third["node"])

        def is_back() -> bool:
            """It may have registered by itself, and is not to be resumed then."""
            subprocess.run([*update, "state=resume"], capture_output=True, check=False)
            return slurm(*UNAVAILABLE) == ""

        wait_for(is_back, "all nodes to be back")


def test_folder_that_the_node_does_not_see_is_an_error_with_its_reason(
    command: CommandLine, tmp_path: Path
) -> None:
    local = Path(os.environ["SLURM_LAB_DIR"]) / "local" / tmp_path.name
    refused = command("lab", "--slurm", "--work", str(local))
    assert refused.code == 2
    assert "does not see the work folder" in refused.err
    assert "why:  on n1: it has none there" in refused.err
    assert "--work FOLDER" in refused.err


def test_what_slurm_refuses_is_an_error_with_its_reason(command: CommandLine, work: Path) -> None:
    refused = command("lab", "--slurm", "--work", str(work), "--constraint", "nothing")
    assert refused.code == 2
    assert "Slurm did not take the lab's job." in refused.err
    assert "Invalid feature specification" in refused.err
    assert has_state(command, "stopped")()
