"""How a container gets the GPU: a real CDI specification that hands over a stand-in device."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandLine
from tests.nvml.cdi import skip_beside_others, specification

# Alone, since all that asks the engine meanwhile is given the GPU too.
pytestmark = [pytest.mark.container, pytest.mark.root, pytest.mark.alone]

STAND_IN = {
    "deviceNodes": [{"path": "/dev/nvidia-stand-in", "hostPath": "/dev/null", "permissions": "rw"}],
    "env": ["LAB_STAND_IN=here"],
}


@pytest.fixture
def no_gpu() -> None:
    skip_beside_others()


@pytest.fixture
def stand_in() -> Iterator[None]:
    with specification(STAND_IN):
        yield


@pytest.fixture
def cpu_image(inv: CommandLine) -> str:
    """An image to start with the device: what is tested is the device, and the cuda image has 3
    GB."""
    built = inv("build", "--json")
    assert built.code == 0, built.err
    return str(built.json()["image"])


def _inside(container: object, *words: str) -> str:
    return subprocess.run(
        ["docker", "exec", str(container), *words], capture_output=True, text=True, check=True
    ).stdout


def test_cuda_gets_the_device_into_the_container(
    stand_in: None, cpu_image: str, inv: CommandLine, tmp_path: Path
) -> None:
    started = inv(
        "lab", "--device", "cuda", "--image", cpu_image, "--work", str(tmp_path), "--json"
    )
    assert started.code == 0, started.err
    assert started.json()["device"] == "cuda"
    assert "with the GPU through CDI" in started.err
    container = started.json()["container"]
    assert _inside(container, "ls", "/dev/nvidia-stand-in").strip() == "/dev/nvidia-stand-in"
    assert "LAB_STAND_IN=here" in _inside(container, "cat", "/proc/1/environ")


def test_auto_takes_the_gpu_where_there_is_one(
    stand_in: None, cpu_image: str, inv: CommandLine, tmp_path: Path
) -> None:
    started = inv("lab", "--image", cpu_image, "--work", str(tmp_path), "--json")
    assert started.json()["device"] == "cuda"


def test_shell_gets_the_device_too(
    stand_in: None, cpu_image: str, inv: CommandLine, tmp_path: Path
) -> None:
    listed = inv(
        "shell", "--device", "cuda", "--image", cpu_image, "--work", str(tmp_path),
        "--command", "ls /dev/nvidia-stand-in",
    )  # fmt: skip
    assert (listed.code, listed.out.strip()) == (0, "/dev/nvidia-stand-in")


def test_cpu_leaves_the_gpu_alone(
    stand_in: None, cpu_image: str, inv: CommandLine, tmp_path: Path
) -> None:
    listed = inv(
        "shell", "--device", "cpu", "--image", cpu_image, "--work", str(tmp_path),
        "--command", "ls /dev/nvidia-stand-in",
    )  # fmt: skip
    assert listed.code == 2


def test_cuda_without_a_gpu_is_exit_2_with_the_remedy(
    no_gpu: None, inv: CommandLine, tmp_path: Path
) -> None:
    refused = inv("lab", "--engine", "docker", "--device", "cuda", "--work", str(tmp_path))
    assert refused.code == 2
    assert "Docker has no GPU to give to a container." in refused.err
    assert "nvidia-ctk cdi generate" in refused.err
    assert "--device cpu" in refused.err


def test_auto_says_in_one_line_that_it_runs_on_the_cpu_and_why(
    no_gpu: None, inv: CommandLine, tmp_path: Path
) -> None:
    started = inv("lab", "--engine", "docker", "--work", str(tmp_path))
    lines = [line for line in started.err.splitlines() if "on the CPU" in line]
    assert len(lines) == 1
    assert "no NVIDIA device, no CDI specification" in lines[0]


def test_image_that_is_not_there_is_named(inv: CommandLine, tmp_path: Path) -> None:
    refused = inv(
        "lab", "--engine", "docker", "--image", "nobody/nothing:1", "--work", str(tmp_path)
    )
    assert refused.code == 2
    assert "There is no image nobody/nothing:1 here." in refused.err
