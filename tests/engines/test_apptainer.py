"""The whole command line of Apptainer."""

import copy
from pathlib import Path

from lab.engines.apptainer import build_arguments, definition, run_arguments, try_arguments
from lab.engines.request import LaunchRequest, Mount

START = ["apptainer", "--quiet", "exec"]
CLOSED = ["--containall", "--no-privs", "--home", "/home/student"]


def test_run_arguments_are_the_whole_line() -> None:
    request = LaunchRequest(command=("python", "-c", "1"), image="lab.sif", work=Path("/w"))
    assert run_arguments(request) == [
        *START, *CLOSED, "--pwd", "/work", "--mount", "type=bind,source=/w,destination=/work",
        "lab.sif", "python", "-c", "1",
    ]  # fmt: skip


def test_run_arguments_with_a_gpu_mounts_and_variables() -> None:
    request = LaunchRequest(
        command=("nvidia-smi",),
        image="/images/lab.sif",
        work=Path("/home/maría/mi curso"),
        user="1:1",
        gpu="nvidia",
        mounts=(Mount(source=Path("/a, b"), target="/data", read_only=True),),
        environment=(("LANG", "C.UTF-8"),),
        memory_bytes=1 << 30,
    )
    before = copy.deepcopy(request)
    expected = [
        *START, *CLOSED, "--pwd", "/work", "--nv",
        "--mount", "type=bind,source=/home/maría/mi curso,destination=/work",
        "--mount", 'type=bind,"source=/a, b",destination=/data,ro',
        "--env", "LANG=C.UTF-8",
        "/images/lab.sif", "nvidia-smi",
    ]  # fmt: skip
    assert run_arguments(request) == expected
    assert run_arguments(request) == expected
    assert request == before


def test_variable_with_a_sign_and_a_comma_is_one_value() -> None:
    """`NCCL_IB_HCA` may be so; Apptainer would take what follows the comma for another variable."""
    request = LaunchRequest(
        command=("true",), image="lab.sif", work=Path("/w"),
        environment=(("NCCL_IB_HCA", "=mlx5_0:1,mlx5_1:1"),),
    )  # fmt: skip
    assert '"NCCL_IB_HCA==mlx5_0:1,mlx5_1:1"' in run_arguments(request)


def test_image_is_tried_as_it_will_be_run() -> None:
    assert try_arguments("/a b/lab.sif") == [*START, *CLOSED, "/a b/lab.sif", "true"]


def test_definition_names_the_archive_and_the_labels() -> None:
    assert definition("image.tar", {"a.digest": "sha256:1"}) == (
        "Bootstrap: oci-archive\nFrom: image.tar\n\n%labels\n    a.digest sha256:1\n"
    )
    assert build_arguments("lab.def", "lab.sif")[-2:] == ["lab.sif", "lab.def"]
