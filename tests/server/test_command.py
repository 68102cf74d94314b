"""The command line of a server in the background."""

from pathlib import Path

import pytest

from lab.engines.choose import Choice
from lab.engines.request import LaunchRequest
from lab.server.command import server_command

START = ("python", "-m", "lab.server.start")


def test_server_on_the_host_has_the_locked_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    choice = Choice(engine="host", device="cpu", gpu="none", why="")
    request = LaunchRequest(command=START, image="", work=Path("/home/ana/w"))
    launch = server_command(choice, request, 8890)
    assert launch.argv == [
        *START, "--port", "8890", "--device", "cpu", "--root", "/home/ana/w",
    ]  # fmt: skip
    assert launch.env["LAB_STATE"] == str(tmp_path)
    assert launch.image is None


def test_server_in_apptainer_writes_into_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it cannot know inside is told: its folder, its image, and by what it is found."""
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    choice = Choice(engine="apptainer", device="cpu", gpu="none", why="")
    request = LaunchRequest(
        command=START, image="/i/lab.sif", work=Path("/home/ana/w"),
        environment=(("LAB_LANGUAGE", "es"),),
    )  # fmt: skip
    launch = server_command(choice, request, 8890)
    assert launch.argv == [
        "apptainer", "--quiet", "exec", "--containall", "--no-privs", "--home", "/home/student",
        "--pwd", "/work", "--mount", "type=bind,source=/home/ana/w,destination=/work",
        "--mount", f"type=bind,source={tmp_path}/server,destination=/lab-on-node",
        "--env", "LAB_LANGUAGE=es", "/i/lab.sif", *START, "--port", "8890", "--device", "cpu",
        "--root", "/work", "--state", "/lab-on-node", "--found-by", str(tmp_path),
        "--image", "/i/lab.sif", "--seen-as", "/home/ana/w",
    ]  # fmt: skip
