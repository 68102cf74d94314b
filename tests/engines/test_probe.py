"""What engines answer, read from programs that answer as Docker and Podman do."""

import json
from pathlib import Path

import pytest

from lab.engines.probe import (
    EngineState,
    gpu_names,
    host_has_gpu,
    probe_engine,
    problem_of,
    read_cdi_files,
)
from tests.fakes import Programs

CDI = """\
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: "0"
    containerEdits: {deviceNodes: [{path: /dev/nvidia0}]}
  - name: all
    containerEdits: {}
  - name: GPU-8d7c
    containerEdits: {}
"""
DOCKER_26 = {
    "ServerVersion": "26.1.4",
    "Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}},
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin"],
    "CDISpecDirs": None,
    "DockerRootDir": "/var/lib/docker",
}
DOCKER_28 = {
    "ServerVersion": "28.2.2",
    "Runtimes": {"runc": {"path": "runc"}, "nvidia": {"path": "nvidia-container-runtime"}},
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
    "DockerRootDir": "/data/docker",
    "MemTotal": 16_000_000_000,
}
PODMAN = {
    "host": {"arch": "amd64", "memTotal": 8_000_000_000, "security": {"rootless": True}},
    "store": {"graphRoot": "/home/ana/.local/share/containers/storage"},
    "version": {"Version": "4.9.3"},
}


def test_probe_reads_docker_26(programs: Programs) -> None:
    programs.add_answer("docker", out=json.dumps(DOCKER_26))
    assert probe_engine("docker") == EngineState(
        program="docker",
        answers=True,
        version="26.1.4",
        image_store="graphdriver",
        root_folder="/var/lib/docker",
    )
    assert programs.calls == ["docker info --format {{json .}}"]


def test_probe_reads_docker_28(programs: Programs, tmp_path: Path) -> None:
    cdi = tmp_path / "cdi"
    cdi.mkdir()
    (cdi / "nvidia.yaml").write_text(CDI)
    info = DOCKER_28 | {"CDISpecDirs": [str(cdi), str(tmp_path / "none")]}
    programs.add_answer("docker", out=json.dumps(info), err="WARNING: No swap limit support\n")
    assert probe_engine("docker") == EngineState(
        program="docker",
        answers=True,
        version="28.2.2",
        rootless=True,
        cdi=("nvidia.com/gpu=all", "nvidia.com/gpu=0", "nvidia.com/gpu=GPU-8d7c"),
        nvidia_runtime=True,
        image_store="containerd",
        root_folder="/data/docker",
        cdi_folders=(str(cdi), str(tmp_path / "none")),
        memory_bytes=16_000_000_000,
    )


@pytest.mark.parametrize("program", ["podman", "docker"])
def test_probe_reads_podman_under_both_names(program: str, programs: Programs) -> None:
    """Debian's podman-docker puts Podman on the PATH as `docker`."""
    programs.add_answer(program, out=json.dumps(PODMAN))
    state = probe_engine(program)
    assert (state.program, state.answers, state.version) == (program, True, "4.9.3")
    assert state.rootless
    assert state.image_store == "containers"
    assert state.root_folder == "/home/ana/.local/share/containers/storage"
    assert not state.nvidia_runtime
    assert state.cdi_folders == ("/etc/cdi", "/var/run/cdi")
    assert state.memory_bytes == 8_000_000_000


def test_probe_says_when_nothing_is_installed(programs: Programs) -> None:
    state = probe_engine("docker")
    assert state == EngineState(program="docker", answers=False, problem="not_installed")
    assert programs.calls == []


def test_probe_reads_the_servers_errors(programs: Programs) -> None:
    """The client part of `docker info` answers in JSON also where the daemon does not run."""
    message = (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
        " Is the docker daemon running?"
    )
    info = {"ServerVersion": "", "ServerErrors": [message], "ClientInfo": {"Version": "28.2.2"}}
    programs.add_answer("docker", out=json.dumps(info), code=1)
    assert probe_engine("docker") == EngineState(
        program="docker", answers=False, problem="not_running", detail=message
    )


def test_probe_takes_server_errors_for_no_answer_whatever_the_code(programs: Programs) -> None:
    info = {"ServerErrors": ["permission denied while trying to connect to the Docker daemon"]}
    programs.add_answer("docker", out=json.dumps(info), code=0)
    state = probe_engine("docker")
    assert (state.answers, state.problem) == (False, "no_permission")


def test_probe_keeps_the_words_of_an_engine_without_json(programs: Programs) -> None:
    programs.add_answer("podman", err="first line\nError: something strange\n", code=125)
    assert probe_engine("podman") == EngineState(
        program="podman", answers=False, problem="unknown", detail="Error: something strange"
    )


@pytest.mark.parametrize(
    ("message", "code", "problem"),
    [
        (
            (
                "permission denied while trying to connect to the Docker daemon socket at"
                " unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect:"
                " permission denied"
            ),
            1,
            "no_permission",
        ),
        (
            (
                "permission denied while trying to connect to the docker API at"
                " unix:///var/run/docker.sock"
            ),
            1,
            "no_permission",
        ),
        (
            (
                "Cannot connect to the Docker daemon at tcp://10.0.0.1:2375."
                " Is the docker daemon running?"
            ),
            1,
            "not_running",
        ),
        (
            (
                "failed to connect to the docker API at unix:///run/docker.sock; check if the path"
                " is correct and if the daemon is running: dial unix: connect: connection refused"
            ),
            1,
            "not_running",
        ),
        (
            (
                "Error: unable to connect to Podman socket: dial unix /run/podman/podman.sock:"
                " connect: no such file or directory"
            ),
            125,
            "not_running",
        ),
        ("no answer within 20 s", 124, "hangs"),
        ("Error response from daemon: a server error", 1, "unknown"),
        ("", 1, "unknown"),
    ],
)
def test_problem_of_tells_causes_apart(message: str, code: int, problem: str) -> None:
    assert problem_of(message, code) == problem


def test_cdi_files_are_read_as_yaml_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CDI)
    content = {"kind": "nvidia.com/gpu", "devices": [{"name": "1"}]}
    (tmp_path / "b.json").write_text(json.dumps(content, indent="\t"))
    (tmp_path / "c.yml").write_text(
        "kind: nvidia.com/gpu\ndevices: [{name: '2'}, {noname: 3}, 4]\n"
    )
    files = read_cdi_files((str(tmp_path),))
    assert [(f.path.name, f.devices, f.error) for f in files] == [
        ("a.yaml", ("nvidia.com/gpu=0", "nvidia.com/gpu=all", "nvidia.com/gpu=GPU-8d7c"), ""),
        ("b.json", ("nvidia.com/gpu=1",), ""),
        ("c.yml", ("nvidia.com/gpu=2",), ""),
    ]
    assert files[1].content == content


def test_cdi_files_of_others_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "amd.yaml").write_text("kind: amd.com/gpu\ndevices: [{name: all}]\n")
    (tmp_path / "list.yaml").write_text("- nvidia.com/gpu\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "nvidia.yaml.bak").write_text(CDI)
    (tmp_path / "README").write_text(CDI)
    assert read_cdi_files((str(tmp_path), str(tmp_path / "none"))) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.yaml", b"kind: [nvidia.com/gpu\n"),
        ("broken.json", b'{"kind": "nvidia.com/gpu", '),
        ("latin.yaml", b"kind: nvidia.com/gpu # \xf1\n"),
        ("number.yaml", b"kind: nvidia.com/gpu\ndevices: 5\n"),
        ("none.yaml", b"kind: nvidia.com/gpu\n"),
    ],
)
def test_cdi_file_that_is_broken_says_so(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "z.yaml").write_text(CDI)
    broken, whole = read_cdi_files((str(tmp_path),))
    assert broken.path.name == name
    assert broken.error
    assert broken.devices == ()
    assert whole.devices


def test_cdi_file_that_is_a_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").mkdir()
    (found,) = read_cdi_files((str(tmp_path),))
    assert found.error == "Is a directory"


def test_gpu_names_give_all_first_and_none_twice(tmp_path: Path) -> None:
    one, two = tmp_path / "etc", tmp_path / "run"
    for folder in (one, two):
        folder.mkdir()
        (folder / "nvidia.yaml").write_text(CDI)
    names = gpu_names(read_cdi_files((str(one), str(two))))
    assert names == ("nvidia.com/gpu=all", "nvidia.com/gpu=0", "nvidia.com/gpu=GPU-8d7c")


def test_gpu_names_do_not_invent_all(tmp_path: Path) -> None:
    text = "kind: nvidia.com/gpu\ndevices: [{name: '1'}, {name: '0'}]\n"
    (tmp_path / "n.yaml").write_text(text)
    assert gpu_names(read_cdi_files((str(tmp_path),))) == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    assert gpu_names([]) == ()


@pytest.mark.parametrize("device", ["nvidiactl", "nvidia0", "dxg"])
def test_host_has_gpu_where_a_device_shows(device: str, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "null").touch()
    assert not host_has_gpu(tmp_path)
    (tmp_path / "dev" / device).touch()
    assert host_has_gpu(tmp_path)
