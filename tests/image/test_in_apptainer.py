"""The lab in a real Apptainer: the same image as Docker's, for root and for everybody else."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.engines.apptainer import try_arguments
from lab.image.sif import not_started
from lab.process import Finished
from tests.conftest import CommandLine, wait_for

pytestmark = [pytest.mark.container, pytest.mark.apptainer]

SHOWN = (
    "id -u; echo $HOME; touch $HOME/a /work/b && echo written; touch /c || echo read-only;"
    " grep CapEff /proc/self/status; python -c 'import torch; print(torch.__version__)'"
)


@pytest.fixture
def command(state: Path, built: dict[str, Any], tmp_path: Path) -> CommandLine:
    return CommandLine(state=state, env={"LAB_RESULTS": str(tmp_path / "results")})


def test_image_file_is_the_image_that_docker_has(built: dict[str, Any], state: Path) -> None:
    asked = ["docker", "image", "inspect", "--format", "{{.Id}}", built["image"]]
    docker = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    assert built["digest"] == docker
    sif = Path(built["sif"])
    assert sif.parent == state / "images"
    assert built["sif_bytes"] == sif.stat().st_size
    asked = ["apptainer", "inspect", "--labels", str(sif)]
    labels = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert f"pytorch-lab.digest: {docker}\n" in labels
    assert f"pytorch-lab.inputs: {built['inputs']}\n" in labels


def test_shell_is_closed_as_in_the_other_engines(command: CommandLine, tmp_path: Path) -> None:
    """Root has no privilege in it; what the work folder takes stays, and nothing else."""
    work = tmp_path / "my work, and more"
    done = command("shell", "--engine", "apptainer", "--work", str(work), "--command", SHOWN)
    assert done.code == 0, done.err
    uid, home, written, read_only, capabilities, torch = done.out.splitlines()
    assert (uid, home) == (str(os.getuid()), "/home/student")
    assert (written, read_only) == ("written", "read-only")
    assert int(capabilities.split()[1], 16) == 0
    assert torch.startswith("2.")
    assert [path.name for path in work.iterdir()] == ["b"]
    code = command("shell", "--engine", "apptainer", "--command", "exit 7").code
    assert code == 7


def test_checks_and_drawings_run_in_it(command: CommandLine, tmp_path: Path) -> None:
    target = tmp_path / "mine.py"
    target.write_text("def double(x):\n    return 2 * x\n")
    words = ("--target", f"{target}:double", "--shapes", "3", "--engine", "apptainer")
    done = command("autograd", *words, "--json")
    assert done.code == 0, done.err
    drawing = tmp_path / "drawing.svg"
    done = command("graph", *words, "--no-check", "--output", str(drawing))
    assert done.code == 0, done.err
    assert "<svg" in drawing.read_text()


def test_container_ends_with_its_runner(command: CommandLine, built: dict[str, Any]) -> None:
    def workers() -> list[psutil.Process]:
        """Those in a container of this image; it is tried before it is used."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                above = " ".join(word for p in process.parents() for word in p.cmdline())
                if "lab.bench.worker" in process.cmdline() and Path(built["sif"]).name in above:
                    found.append(process)
        return found

    words = ("bench", "--engine", "apptainer", "--only", "launch", "--budget", "300")
    process = command.begin(*words)
    try:
        wait_for(workers, "a container that measures")
        seen = workers()
        process.kill()
        process.communicate(timeout=60)
        wait_for(lambda: not any(worker.is_running() for worker in seen), "the container to end")
    finally:
        process.kill()
        process.communicate()


def test_lab_is_found_again_and_ends_with_its_server(
    command: CommandLine, built: dict[str, Any], tmp_path: Path
) -> None:
    """It has no service that keeps it: its lock and its process do, also after `kill -9`."""
    began = command("lab", "--engine", "apptainer", "--work", str(tmp_path / "work"), "--json")
    try:
        assert began.code == 0, began.err
        session = began.json()
        assert (session["engine"], session["image"]) == ("apptainer", built["sif"])
        assert session["work"] == str(tmp_path / "work")
        assert command("status", "--json").json() == session
        assert str(session["url"]) in command("lab").out
        assert "Serving notebooks from local directory: /work" in command("logs").out
        server = psutil.Process(int(str(session["pid"])))
        family = [server, *server.parents()[:2]]
        assert "Apptainer runtime parent" in " ".join(family[-1].cmdline())
        server.kill()
        wait_for(lambda: not any(p.is_running() for p in family), "the container to end")
        assert command("status", "--json").json()["state"] == "stopped"
    finally:
        command("stop")
    assert not (command.state / "server" / "session.json").exists()


@pytest.mark.root
def test_user_who_may_not_mount_it_is_told_what_to_do(
    built: dict[str, Any], entered_by_all: Path
) -> None:
    """Without /dev/fuse nobody but root mounts an image file."""
    image = entered_by_all / "lab.sif"
    os.link(built["sif"], image)
    (entered_by_all / "fuse").touch(mode=0o600)
    inside = (
        "[ ! -e /dev/fuse ] || mount --bind fuse /dev/fuse;"
        ' exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nowhere "$@"'
    )
    argv = ["unshare", "--mount", "sh", "-c", inside, "sh", *try_arguments(str(image))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=entered_by_all)
    ended = Finished(argv=tuple(argv), code=done.returncode, stdout=done.stdout, stderr=done.stderr)
    assert ended.code != 0
    error = not_started(ended, str(image))
    assert "/dev/fuse, which this user may not open" in error.why
    assert f"apptainer build --sandbox FOLDER {image}" in error.next_step
