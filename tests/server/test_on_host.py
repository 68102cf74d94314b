"""The lab on the host: the locked environment and a background server, from first to last
command."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT, CommandLine, Result
from tests.jupyter import Server
from tests.server.seed import check_seed, run_seed

pytestmark = pytest.mark.host

# What a machine without an engine looks like: a client that finds no daemon.
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


@pytest.fixture(scope="module")
def command(state: Path) -> CommandLine:
    return CommandLine(state=state, env=NO_ENGINE)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("w") / "mi carpeta, ñandú 'y' $HOME"


@pytest.fixture(scope="module")
def started(command: CommandLine, work: Path) -> Iterator[Result]:
    result = command("lab", "--work", str(work), "--json")
    assert result.code == 0, result.err
    yield result
    command("stop")


@pytest.fixture(scope="module")
def session(started: Result) -> dict[str, object]:
    return started.json()


@pytest.fixture(scope="module")
def server(session: dict[str, object]) -> Server:
    return Server(str(session["url"]))


def test_auto_takes_the_host_and_says_so(started: Result, session: dict[str, object]) -> None:
    assert session["engine"] == "host"
    assert "on the host (no container engine answers: docker is not running" in started.err


def test_engine_that_was_asked_for_and_is_down_is_exit_2(
    command: CommandLine, tmp_path: Path
) -> None:
    other = CommandLine(state=tmp_path / "state", env=command.env)
    shutil.copytree(
        command.state, other.state, ignore=shutil.ignore_patterns("env-*", "server"), symlinks=True
    )
    refused = other("lab", "--engine", "docker", "--work", str(tmp_path / "w"))
    assert refused.code == 2
    assert refused.err.startswith(
        "Docker cannot start containers here.\n  why:  its daemon does not"
    )
    assert "systemctl start docker" in refused.err


def test_page_answers_with_the_token_alone(server: Server) -> None:
    assert server.request("GET", "/api/status")["started"]
    assert server.status_of("GET", "/api/contents", token="wrong") == 403


def test_meter_answers_with_the_token_alone(server: Server) -> None:
    assert server.request("GET", "/api/metrics/v1")["pss"] > 0
    assert server.status_of("GET", "/api/metrics/v1", token="wrong") == 403


def test_second_lab_and_status_tell_the_address(
    command: CommandLine, session: dict[str, object]
) -> None:
    again = command("lab")
    assert again.code == 0
    assert str(session["url"]) in again.out
    assert command("status", "--json").json() == session


def test_seed_notebook_runs_cell_by_cell(server: Server) -> None:
    check_seed(run_seed(server))


def test_saved_file_is_the_users_own(server: Server, work: Path) -> None:
    server.save("nota ñ.txt", "hola")
    assert (work / "nota ñ.txt").read_text() == "hola"
    assert (work / "nota ñ.txt").stat().st_uid == os.geteuid()


def test_nothing_outside_the_folder_is_shown(server: Server) -> None:
    assert server.status_of("GET", "/api/contents/../../etc/passwd") == 404


def test_server_listens_on_loopback_alone(session: dict[str, object]) -> None:
    process = psutil.Process(int(str(session["pid"])))
    listening = {c.laddr.ip for c in process.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_kernel_talks_over_private_sockets(server: Server) -> None:
    """Other users of the machine reach every loopback port; they do not reach a socket in a
    private folder."""
    with server.start_kernel() as kernel:
        outcome = kernel.run(
            "import json, os\nfrom ipykernel.connect import get_connection_file\n"
            "path = get_connection_file()\nprint(json.load(open(path))['transport'])\n"
            "print(oct(os.stat(os.path.dirname(path)).st_mode & 0o777))"
        )
    assert outcome.text.split() == ["ipc", "0o700"]


def test_token_is_in_no_argument_environment_or_log(
    command: CommandLine, server: Server, session: dict[str, object]
) -> None:
    shown = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert server.token not in shown
    log = command("logs")
    assert "Serving notebooks from local directory" in log.out
    assert server.token not in log.out


def test_files_with_the_token_are_private(command: CommandLine, session: dict[str, object]) -> None:
    folder = command.state / "server"
    holding = [p for p in folder.rglob("*") if p.is_file() and p.name == "session.json"]
    assert [oct(p.stat().st_mode & 0o777) for p in [folder, *holding]] == ["0o700", "0o600"]


def test_users_own_jupyter_settings_stay_out(server: Server) -> None:
    with server.start_kernel() as kernel:
        outcome = kernel.run(
            "import os, sys\nprint(os.environ['JUPYTER_CONFIG_DIR'], os.environ['IPYTHONDIR'],"
            " sys.prefix)"
        )
    assert str(Path.home() / ".jupyter") not in outcome.text
    assert "env-cpu-" in outcome.text.split()[-1]


def test_packages_are_those_of_the_lock(command: CommandLine, tmp_path: Path) -> None:
    code = (
        "import jupyterlab, lab, sys, torch; print(torch.__version__, sys.version_info[:2],"
        " lab.__file__)"
    )
    done = command("shell", "--work", str(tmp_path), "--command", f'python -c "{code}"')
    assert done.code == 0
    assert done.out.strip() == f"2.13.0+cpu (3, 11) {ROOT / 'lab' / '__init__.py'}"


def test_shell_ends_with_the_commands_code_in_the_work_folder(
    command: CommandLine, tmp_path: Path
) -> None:
    done = command("shell", "--work", str(tmp_path), "--command", "pwd; exit 5")
    assert (done.code, done.out.strip()) == (5, str(tmp_path))


def test_inv_in_the_shell_finds_the_tasks(command: CommandLine, tmp_path: Path) -> None:
    done = command("shell", "--work", str(tmp_path), "--command", "inv --list")
    assert done.code == 0, done.err
    assert "Start JupyterLab" in done.out


def test_user_packages_cannot_leak_in(command: CommandLine, tmp_path: Path) -> None:
    site = tmp_path / "user" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "torch.py").write_text("raise SystemExit('the user\\'s own torch')")
    done = command(
        "shell", "--work", str(tmp_path), "--command", "python -c 'import torch'",
        PYTHONUSERBASE=str(tmp_path / "user"),
    )  # fmt: skip
    assert done.code == 0, done.err


def test_stop_ends_every_process_and_keeps_the_files(
    command: CommandLine, session: dict[str, object], server: Server, work: Path
) -> None:
    kernel = server.start_kernel()
    kernel.run("import time")
    kernel.socket.close()
    family = [psutil.Process(int(str(session["pid"])))]
    family += family[0].children(recursive=True)
    assert len(family) > 1
    before = sorted(p.name for p in work.iterdir())
    stopped = command("stop")
    assert stopped.code == 0
    assert f"its files are in {work}" in stopped.out
    assert [p for p in family if p.is_running()] == []
    assert sorted(p.name for p in work.iterdir()) == before
    assert not (command.state / "server" / "session.json").exists()
    assert command("stop").out == "No lab was running.\n"


def test_each_start_has_a_new_token(
    command: CommandLine, session: dict[str, object], tmp_path: Path
) -> None:
    anew = command("lab", "--work", str(tmp_path), "--json").json()
    assert anew["url"] != session["url"]
    command("stop")


def test_ssh_line_is_printed_over_ssh(command: CommandLine, tmp_path: Path) -> None:
    told = command(
        "lab", "--work", str(tmp_path), "--open",
        SSH_CONNECTION="192.0.2.7 50000 192.0.2.1 22", USER="ana", DISPLAY="",
    )  # fmt: skip
    assert told.code == 0
    port = command("status", "--json").json()["port"]
    assert f"ssh -N -L {port}:127.0.0.1:{port} ana@192.0.2.1" in told.out
    assert "no browser can be opened over ssh" in told.err
    command("stop")


def test_open_gives_the_browser_no_token_in_its_arguments(
    command: CommandLine, tmp_path: Path
) -> None:
    """The browser is a program that writes down how it was called."""
    browser, called = tmp_path / "browser", tmp_path / "called"
    browser.write_text(f'#!/bin/sh\necho "$@" >{called}\n')
    browser.chmod(0o755)
    told = command(
        "lab", "--work", str(tmp_path / "w"), "--open", "--json",
        BROWSER=str(browser), DISPLAY=":99", SSH_CONNECTION="",
    )  # fmt: skip
    token = str(told.json()["url"]).rpartition("=")[2]
    page = Path(called.read_text().strip().removeprefix("file://"))
    assert token not in called.read_text()
    assert token in page.read_text()
    assert page.stat().st_mode & 0o077 == 0
    command("stop")
