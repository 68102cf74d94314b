"""A machine without network or room, and folders and ports that cannot be used."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CommandLine, Result
from tests.disks import fill, mounted
from tests.faults.conftest import AS_NOBODY, NO_ENGINE, NOBODY, NOTHING_AT_HAND
from tests.faults.observe import check_message, containers
from tests.jupyter import Server

WithRunner = Callable[..., CommandLine]
HOST = ("--engine", "host")
# What breaks careless quoting; a dash first, a space last.
NAME = "-mi carpeta, ñandú 'y' \"z\" $HOME `id` \\n "


# --- no network ----------------------------------------------------------------------------------


@pytest.mark.root
def test_runner_without_network(tmp_path: Path) -> None:
    command = CommandLine(
        state=tmp_path / "state", env={**NOTHING_AT_HAND, "PIP_RETRIES": "1"},
        prefix=("unshare", "--net"),
    )  # fmt: skip
    refused = command("lab", *HOST)
    check_message(refused)
    assert "The runner's environment could not be made." in refused.err
    assert "check the network" in refused.err
    assert "PIP_FIND_LINKS" in refused.err
    assert list(command.state.glob("runner-*/")) == []


@pytest.mark.root
def test_environment_without_network(with_runner: WithRunner, tmp_path: Path, work: Path) -> None:
    made = with_runner(tmp_path / "state")
    env = {**NO_ENGINE, **NOTHING_AT_HAND, "UV_CACHE_DIR": str(tmp_path / "cache")}
    command = CommandLine(state=made.state, env=env, prefix=("unshare", "--net"))
    refused = command("lab", *HOST, "--work", str(work))
    check_message(refused)
    assert "The lab's packages could not be installed." in refused.err
    assert "check the network" in refused.err
    assert (work / "nota.txt").read_text() == "hola"


# --- no room -------------------------------------------------------------------------------------


@pytest.mark.root
def test_runner_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "state", "12m") as state:
        command = CommandLine(state=state, env=NO_ENGINE)
        refused = command("status")
        check_message(refused)
        assert "the disk is full, or nearly" in refused.err
        fill(state)
        refused = command("status")
        check_message(refused)
        assert "No space left on device" in refused.err  # tried before anything is made
        assert str(state) in refused.err


@pytest.mark.root
@pytest.mark.host
def test_disk_full_while_the_packages_are_installed(
    with_runner: WithRunner, tmp_path: Path, work: Path
) -> None:
    with mounted(tmp_path / "state", "500m") as state:
        command = with_runner(state)
        refused = command("lab", *HOST, "--work", str(work))
        check_message(refused)
        assert "the disk is full, or nearly" in refused.err
        assert str(state) in refused.err
        subprocess.run(["mount", "-o", "remount,size=4g", state], check=True)
        again = command(
            "shell", *HOST, "--work", str(work), "--command", "python -c 'import torch'"
        )
        assert again.code == 0, again.err


# --- work folders that cannot be used ------------------------------------------------------------


def test_work_folder_that_is_a_file(host: CommandLine, work: Path) -> None:
    refused = host("lab", *HOST, "--work", str(work / "nota.txt"))
    check_message(refused)
    assert "is a file" in refused.err


def test_work_folder_in_the_home_of_nobody_known(host: CommandLine) -> None:
    refused = host("lab", *HOST, "--work=~no-such-user/course")
    check_message(refused)
    assert "no user of that name" in refused.err


def test_work_folder_under_a_file(host: CommandLine, work: Path) -> None:
    refused = host("lab", *HOST, "--work", str(work / "nota.txt" / "x"))
    check_message(refused)
    assert "Not a directory" in refused.err


def test_error_is_one_json_document_where_json_was_asked_for(host: CommandLine, work: Path) -> None:
    refused = host("lab", *HOST, "--work", str(work / "nota.txt"), "--json")
    assert refused.code == 2
    report = refused.json()
    assert report["schema"] == "lab/error/1"
    assert report["exit_code"] == 2
    assert "is a file" in str(report["what"])


@pytest.mark.root
def test_work_folder_on_a_read_only_mount(host: CommandLine, tmp_path: Path) -> None:
    with mounted(tmp_path / "mount", "1m") as folder:
        (folder / "work").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        for name in ("work", "new"):
            refused = host("lab", *HOST, "--work", str(folder / name))
            check_message(refused)
            assert "Read-only file system" in refused.err
            assert "free some space" not in refused.err


@pytest.mark.root
def test_work_folder_on_a_full_disk(host: CommandLine, tmp_path: Path) -> None:
    with mounted(tmp_path / "mount", "1m") as folder:
        (folder / "work").mkdir()
        fill(folder)
        refused = host("lab", *HOST, "--work", str(folder / "work"))
        check_message(refused)
        assert "No space left on device" in refused.err
        assert "free some space" in refused.err


@pytest.mark.root
def test_work_folder_of_root(nobody: CommandLine, open_folder: Path) -> None:
    folder = open_folder / "de root"
    folder.mkdir()
    refused = nobody("lab", *HOST, "--work", str(folder))
    check_message(refused)
    assert f"The work folder cannot be written: {folder}" in refused.err
    assert "it belongs to root, and you are nobody" in refused.err
    assert "sudo chown -R $(id -u):$(id -g)" in refused.err


@pytest.mark.root
def test_work_folder_of_ones_own_without_the_right_to_write(
    nobody: CommandLine, open_folder: Path
) -> None:
    folder = open_folder / "cerrada"
    folder.mkdir(mode=0o555)
    os.chown(folder, NOBODY, NOBODY)
    refused = nobody("lab", *HOST, "--work", str(folder))
    check_message(refused)
    assert "chmod u+rwx" in refused.err


@pytest.mark.root
@pytest.mark.parametrize("closed", ["parent", "parent/child"])
def test_work_folder_in_a_folder_of_root(
    nobody: CommandLine, open_folder: Path, closed: str
) -> None:
    refused = nobody("lab", *HOST, "--work", str(open_folder / "no" / closed))
    check_message(refused)
    assert f"The work folder cannot be made: {open_folder / 'no' / closed}" in refused.err
    assert f"{open_folder} belongs to root" in refused.err


@pytest.mark.root
def test_work_folder_that_may_not_even_be_looked_at(nobody: CommandLine, open_folder: Path) -> None:
    (open_folder / "privada").mkdir(mode=0o700, exist_ok=True)
    refused = nobody("lab", *HOST, "--work", str(open_folder / "privada" / "work"))
    check_message(refused)
    assert "Permission denied" in refused.err


# --- work folders that must work -----------------------------------------------------------------


def _saves(started: Result, folder: Path) -> None:
    assert started.code == 0, started.err
    session = started.json()
    assert session["work"] == str(folder)
    Server(str(session["url"])).save("ñ $x.txt", "guardado")
    assert (folder / "ñ $x.txt").read_text() == "guardado"


@pytest.mark.host
def test_strange_name_works_on_the_host(host: CommandLine, tmp_path: Path) -> None:
    """Named as a shell would give it, relative to the folder that the person is in."""
    started = host("lab", *HOST, f"--work={NAME}", "--json", cwd=tmp_path)
    _saves(started, tmp_path / NAME)
    assert not (host.root / NAME).exists()
    stopped = host("stop")
    assert f"its files are in {tmp_path / NAME}" in stopped.out


@pytest.mark.container
def test_strange_name_works_in_a_container(inv: CommandLine, tmp_path: Path) -> None:
    started = inv("lab", "--engine", "docker", f"--work={NAME}", "--json", cwd=tmp_path)
    _saves(started, tmp_path / NAME)
    assert inv("stop").code == 0
    assert containers(tmp_path / NAME) == []


@pytest.mark.host
def test_tilde_is_the_home(host: CommandLine, tmp_path: Path) -> None:
    """Some shells leave it as it is, as in --work=~/course."""
    started = host("lab", *HOST, "--work=~/course", "--json", HOME=str(tmp_path))
    _saves(started, tmp_path / "course")
    assert host("stop").code == 0


# --- ports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "88 88", "8888.0", "٨٨٨٨"])
def test_port_that_is_none(host: CommandLine, work: Path, port: str) -> None:
    refused = host("lab", *HOST, f"--port={port}", "--work", str(work))
    check_message(refused)
    assert refused.err.startswith(f"There is no port {port!r}.")


@pytest.mark.root
def test_port_of_the_administrator(nobody: CommandLine, open_folder: Path) -> None:
    """In a network of its own, where the kernel's default for such ports holds."""
    inside = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    command = CommandLine(
        state=nobody.state, root=nobody.root, env=nobody.env, prefix=(*inside, *AS_NOBODY)
    )
    work = nobody.state / "work"
    refused = command("lab", *HOST, "--port", "80", "--work", str(work))
    check_message(refused)
    assert "Port 80 needs the administrator's rights." in refused.err
    assert "1024" in refused.err


@pytest.mark.host
def test_busy_port_names_its_holder(host: CommandLine, work: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        refused = host("lab", *HOST, "--work", str(work), "--port", port)
    check_message(refused)
    assert f"Port {port} is in use." in refused.err
    assert f"process {os.getpid()}" in refused.err
