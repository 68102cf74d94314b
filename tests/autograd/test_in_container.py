"""`inv autograd` and `inv graph` through a real container: the student's file is seen in it, for
reading alone."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CommandLine, wait_for

pytestmark = pytest.mark.container
ENGINE = ("--engine", "docker")


@pytest.fixture
def command(state: Path, tmp_path: Path) -> CommandLine:
    return CommandLine(state=state, env={"LAB_RESULTS": str(tmp_path / "results"), "LANG": "C"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "de la alumna"
    folder.mkdir()
    (folder / "helper.py").write_text("def scores(x, w):\n    return x @ w.detach()\n")
    (folder / "mine.py").write_text(
        "from helper import scores\n\n\ndef cut(x, w):\n    return scores(x, w).tanh()\n\n\n"
        "def nothing(x):\n    open('/target/new', 'w')\n"
    )
    return folder / "mine.py"


def containers() -> str:
    words = ["docker", "ps", "--no-trunc", "--format", "{{.Command}}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_file_and_what_it_imports_are_checked_in_the_image(
    command: CommandLine, file: Path
) -> None:
    target = ("--target", f"{file}:cut", "--shapes", "4x3,3")
    done = command("autograd", *ENGINE, *target, "--json")
    assert done.code == 3, done.err
    document = json.loads(done.out)
    assert document["engine"] == "docker"
    (finding,) = document["results"][0]["report"]["findings"]
    assert finding["cause"] == "detached"
    assert "helper.py:2" in finding["message"]
    drawn = command("graph", *ENGINE, *target, "--output", str(file.parent / "g.svg"))
    assert drawn.code == 0, drawn.err
    assert "✗ detached" in (file.parent / "g.svg").read_text()
    assert "lab.autograd.worker" not in containers()
    assert "lab.graph.worker" not in containers()


def test_folder_of_the_file_cannot_be_written(command: CommandLine, file: Path) -> None:
    done = command("autograd", *ENGINE, "--target", f"{file}:nothing", "--shapes", "3", "--json")
    assert done.code == 2
    assert "Read-only file system" in done.json()["why"]  # type: ignore[operator]
    assert not (file.parent / "new").exists()
    assert "lab.autograd.worker" not in containers()


def test_ctrl_c_leaves_no_container(command: CommandLine, file: Path) -> None:
    file.write_text("def forever(x):\n    while True:\n        x.sum()\n")
    words = ("autograd", *ENGINE, "--target", f"{file}:forever", "--shapes", "3")
    with subprocess.Popen(
        [str(command.root / "inv"), *words], env=command.variables(), stderr=subprocess.PIPE,
        start_new_session=True,
    ) as going:  # fmt: skip
        wait_for(lambda: "lab.autograd.worker" in containers(), "the check in its container")
        os.killpg(going.pid, signal.SIGINT)
        assert going.wait(30) == 130
    assert "lab.autograd.worker" not in containers()
