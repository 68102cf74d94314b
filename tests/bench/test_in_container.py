"""`inv bench` through a real container, and inside one."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import CommandLine, wait_for

pytestmark = pytest.mark.container
SHORT = ("bench", "--quick", "--only", "launch,transfer", "--budget", "10")


@pytest.fixture
def command(state: Path, tmp_path: Path) -> CommandLine:
    return CommandLine(state=state, env={"LAB_RESULTS": str(tmp_path / "results")})


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def _measuring() -> list[str]:
    """Containers that measure."""
    listed = docker("ps", "--no-trunc", "--format", "{{.ID}} {{.Command}}").splitlines()
    return [line.split()[0] for line in listed if "lab.bench.worker" in line]


def test_run_names_the_image_that_it_was_measured_in(command: CommandLine, tmp_path: Path) -> None:
    done = command(*SHORT, "--engine", "docker", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    environment = document["environment"]
    image = environment["image"]
    assert environment["engine"] == "docker"
    assert environment["image_digest"] == docker("image", "inspect", "-f", "{{.Id}}", image).strip()
    label = docker("image", "inspect", "-f", '{{index .Config.Labels "pytorch-lab.lock"}}', image)
    assert environment["lock_sha256"] == label.strip()
    launch, transfer = document["cases"]
    assert launch["samples_s"]
    assert transfer["verdict"] == "not_run"
    (kept,) = (tmp_path / "results").iterdir()
    assert json.loads(kept.read_text()) == document
    assert kept.stat().st_uid == os.getuid()
    assert _measuring() == []


def test_page_is_drawn_in_the_image(command: CommandLine, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = command(*SHORT, "--engine", "docker", "--report", str(page))
    assert done.code == 0, done.err
    assert "<svg" in page.read_text()


def test_inside_the_image_it_is_the_same_command(command: CommandLine, tmp_path: Path) -> None:
    """What a student types in JupyterLab's terminal; the run stays in their folder."""
    work = tmp_path / "work"
    done = command(
        "shell", "--engine", "docker", "--work", str(work),
        "--command", "inv bench --quick --only launch --budget 8",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "back_to_back" in done.out
    (kept,) = (work / "results").iterdir()
    assert json.loads(kept.read_text())["ended"] == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_container_ends_with_its_runner(command: CommandLine, number: int) -> None:
    process = command.begin("bench", "--engine", "docker", "--only", "launch", "--budget", "300")
    try:
        wait_for(_measuring, "a container that measures", timeout_s=300)
        (process.send_signal if number == signal.SIGINT else lambda n: os.kill(process.pid, n))(
            number
        )
        out, _ = process.communicate(timeout=60)
        if number == signal.SIGINT:
            assert process.returncode == 2, out
        wait_for(lambda: not _measuring(), "the container to end")
    finally:
        process.kill()
        process.communicate()
