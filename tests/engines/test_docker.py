"""The whole command line of Docker and Podman, for several requests."""

import copy
import csv
import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.engines.docker import (
    compose_environment,
    compose_up_arguments,
    run_arguments,
    serve_arguments,
)
from lab.engines.request import LaunchRequest, Mount

HARDENING = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=4096",
    "--tmpfs=/tmp:exec,mode=1777",
    "--tmpfs=/home/student:exec,mode=1777",
]
SMALL = LaunchRequest(command=("true",), image="lab:cpu", work=Path("/w"))
FULL = LaunchRequest(
    command=("bash", "-c", "echo one two; exit 3"),
    image="pytorch-lab:cuda-0123",
    work=Path("/home/maría/mi curso"),
    user="1001:1002",
    device="cuda",
    gpu="cdi",
    gpu_name="nvidia.com/gpu=1",
    terminal=True,
    mounts=(
        Mount(source=Path("/data, all"), target="/data", read_only=True),
        Mount(source=Path('/a "b"'), target="/more"),
    ),
    environment=(("LANG", "C.UTF-8"), ("NOTE", "a, b = c")),
    shm_bytes=1 << 30,
    memory_bytes=8 << 30,
)
NVIDIA = LaunchRequest(
    command=("nvidia-smi",), image="i", work=Path("/w"), gpu="nvidia", stdin=False
)
EXPECTED = {
    "small": (
        SMALL,
        ["run", "--rm", "--pull=never", *HARDENING, "--interactive",
         "--shm-size=2147483648", "--workdir=/work",
         "--mount", "type=bind,source=/w,target=/work",
         "lab:cpu", "true"],
    ),
    "full": (
        FULL,
        ["run", "--rm", "--pull=never", *HARDENING, "--interactive", "--tty", "--user=1001:1002",
         "--shm-size=1073741824", "--workdir=/work", "--memory=8589934592",
         "--mount", "type=bind,source=/home/maría/mi curso,target=/work",
         "--mount", 'type=bind,"source=/data, all",target=/data,readonly',
         "--mount", 'type=bind,"source=/a ""b""",target=/more',
         "--env", "LANG=C.UTF-8", "--env", "NOTE=a, b = c",
         "--device=nvidia.com/gpu=1",
         "pytorch-lab:cuda-0123", "bash", "-c", "echo one two; exit 3"],
    ),
    "nvidia": (
        NVIDIA,
        ["run", "--rm", "--pull=never", *HARDENING,
         "--shm-size=2147483648", "--workdir=/work",
         "--mount", "type=bind,source=/w,target=/work",
         "--gpus=all", "i", "nvidia-smi"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", ["docker", "podman"])
@pytest.mark.parametrize("name", EXPECTED)
def test_run_arguments_are_the_whole_line(name: str, program: str) -> None:
    request, (run, gone, *expected) = EXPECTED[name]
    own = ["--read-only-tmpfs=false"] if program == "podman" else []
    assert run_arguments(request, program) == [program, run, gone, *own, *expected]


def test_run_arguments_call_docker_unless_told() -> None:
    assert run_arguments(SMALL)[0] == "docker"


@pytest.mark.parametrize("name", EXPECTED)
def test_run_arguments_leave_the_request_as_it_was(name: str) -> None:
    """A second call gives the same line: no list of the request has grown."""
    request, _ = EXPECTED[name]
    before = copy.deepcopy(request)
    assert run_arguments(request) == run_arguments(request)
    assert request == before


# No carriage return: Python's reader of CSV ends a line at one, Docker's (Go's) does not.
paths = st.text(
    st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=40
)


@given(source=paths, read_only=st.booleans())
def test_mount_value_survives_any_path(source: str, read_only: bool) -> None:
    """Docker reads it as CSV: commas, quotes, accents and line breaks come back as they were."""
    path = Path("/", source)
    mount = Mount(source=path, target="/in", read_only=read_only)
    line = run_arguments(LaunchRequest(command=(), image="i", work=Path("/w"), mounts=(mount,)))
    value = [after for word, after in pairwise(line) if word == "--mount"][-1]
    expected = ["type=bind", f"source={path}", "target=/in"] + (["readonly"] if read_only else [])
    assert list(csv.reader(io.StringIO(value, newline=""), strict=True)) == [expected]


def compose_line(*overrides: str, program: str = "docker") -> list[str]:
    files = [a for file in ("compose.yaml", *overrides) for a in ("--file", f"/a clone/{file}")]
    return [
        program, "compose", "--project-directory", "/a clone", "--project-name", "p", *files,
        "up", "--detach", "--no-build", "--pull=never", "--force-recreate", "--remove-orphans",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "overrides"),
    [
        (SMALL, ()),
        (FULL, ("docker/compose.cdi.yaml",)),
        (NVIDIA, ("docker/compose.nvidia.yaml",)),
    ],
)
def test_compose_up_arguments_add_the_gpus_file(
    request_: LaunchRequest, overrides: tuple[str, ...]
) -> None:
    assert compose_up_arguments("/a clone", "p", request_, "docker") == compose_line(*overrides)
    line = compose_up_arguments("/a clone", "p", request_, "podman")
    assert line == compose_line(*overrides, program="podman")


def test_compose_up_arguments_name_files_that_exist() -> None:
    root = Path(__file__).resolve().parents[2]
    for request in (SMALL, FULL, NVIDIA):
        line = compose_up_arguments(str(root), "p", request, "docker")
        named = [line[i + 1] for i, word in enumerate(line) if word == "--file"]
        assert named
        assert all(Path(name).is_file() for name in named)


def test_compose_environment_names_every_value() -> None:
    assert compose_environment(FULL, 8890) == {
        "LAB_IMAGE": "pytorch-lab:cuda-0123",
        "LAB_WORK": "/home/maría/mi curso",
        "LAB_USER": "1001:1002",
        "LAB_PORT": "8890",
        "LAB_DEVICE": "cuda",
        "LAB_GPU": "nvidia.com/gpu=1",
        "LAB_SHM": "1073741824",
        "LAB_MEMORY": "8589934592",
        "LAB_LANGUAGE": "",
    }


def test_compose_environment_without_a_wish_sets_no_limit() -> None:
    values = compose_environment(SMALL, 8888)
    assert values["LAB_MEMORY"] == "0"
    assert values["LAB_USER"] == "1000:1000"


def test_podman_serves_by_the_same_line_with_composes_labels() -> None:
    """The image runs its own command, as with compose; by the labels it is found again."""
    request = LaunchRequest(
        command=("python", "-m", "lab.server.start"), image="pytorch-lab:cpu",
        work=Path("/home/ana/w"), user="1001:1001", device="cpu",
    )  # fmt: skip
    assert serve_arguments("pytorch-lab-1001-ab", request, 8890) == [
        "podman", "run", "--detach", "--replace", "--name=pytorch-lab-1001-ab",
        "--read-only-tmpfs=false",
        "--publish=127.0.0.1:8890:8888",
        "--label=com.docker.compose.project=pytorch-lab-1001-ab",
        "--label=pytorch-lab.device=cpu", "--label=pytorch-lab.work=/home/ana/w", "--pull=never",
        "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=4096",
        "--tmpfs=/tmp:exec,mode=1777", "--tmpfs=/home/student:exec,mode=1777", "--user=1001:1001",
        f"--shm-size={2 << 30}", "--workdir=/work",
        "--mount", "type=bind,source=/home/ana/w,target=/work", "pytorch-lab:cpu",
    ]  # fmt: skip
