"""The engine's faults, each put in place by a program that answers as the real one does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.doctor.engine import (
    check_buildx,
    check_compose,
    check_engine_address,
    check_engines,
    check_image_file,
    check_image_store,
    read_version,
)
from lab.engines.probe import EngineState, probe_apptainer, probe_engine
from lab.errors import LabError
from lab.process import Finished, run
from lab.records.doctor import Finding

from .conftest import Program

DOCKER = EngineState(
    program="docker", answers=True, version="28.2.2", image_store="containerd",
    root_folder="/var/lib/docker",
)  # fmt: skip
PODMAN = EngineState(program="podman", answers=True, version="5.4.0", image_store="containers")
DOWN = (
    "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?"
)
DOWN_29 = (
    "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is"
    " correct and if the daemon is running: dial unix docker.sock: connect: connection refused"
)
FORBIDDEN = (
    "permission denied while trying to connect to the Docker daemon socket at"
    " unix:///var/run/docker.sock: connect: permission denied"
)


def docker(version: str, **fields: str) -> EngineState:
    return EngineState(
        program="docker", answers=True, version=version, **{"image_store": "containerd", **fields}
    )


def finished(stdout: str = "", code: int = 0, stderr: str = "") -> Finished:
    return Finished(argv=("docker",), code=code, stdout=stdout, stderr=stderr)


def examine(asked: str, name: str = "docker") -> Finding:
    (found,) = check_engines(asked, [probe_engine(name, timeout_s=1)])
    return found


@pytest.mark.parametrize(
    ("message", "why", "remedy"),
    [
        (DOWN, "daemon does not answer", "systemctl start docker"),
        (DOWN_29, "daemon does not answer", "systemctl start docker"),
        (FORBIDDEN, "may not use its socket", "usermod -aG docker"),
        ("something odd", "something odd", "docker info"),
    ],
)
@pytest.mark.parametrize(("asked", "status"), [("docker", "fail"), ("auto", "warn")])
def test_engine_that_refuses_is_told_by_its_cause(
    program: Program, message: str, why: str, remedy: str, asked: str, status: str
) -> None:
    program("docker", f'echo "{message}" >&2; exit 1')
    found = examine(asked)
    assert (found.name, found.status) == ("docker", status)
    assert why in found.why
    assert remedy in found.next


def test_engine_that_reports_its_error_as_json_is_told_by_its_cause(program: Program) -> None:
    program("docker", f"echo '{json.dumps({'ServerErrors': [DOWN]})}'; exit 1")
    assert "daemon does not answer" in examine("docker").why


def test_engine_that_hangs_is_given_up(program: Program) -> None:
    program("docker", "exec sleep 60")
    found = examine("docker")
    assert found.status == "fail"
    assert "systemctl restart docker" in found.next


def test_engine_that_answers_is_named_with_its_version(program: Program) -> None:
    info = {"ServerVersion": "28.2.2", "SecurityOptions": ["name=rootless"], "MemTotal": 8 << 30}
    program("docker", f"echo '{json.dumps(info)}'")
    found = examine("docker")
    assert (found.status, found.seen) == ("ok", "Docker 28.2.2 answers, rootless")
    assert probe_engine("docker").memory_bytes == 8 << 30


def test_podman_under_the_name_of_docker_is_no_old_docker(program: Program) -> None:
    info = {"host": {"memTotal": 8 << 30}, "version": {"Version": "5.4.0"}, "store": {}}
    program("docker", f"echo '{json.dumps(info)}'")
    found = examine("docker")
    assert (found.status, found.seen) == ("ok", "Podman 5.4.0 answers")


@pytest.mark.usefixtures("without_engines")
def test_engine_that_is_missing_is_trouble_only_when_asked_for() -> None:
    states = [probe_engine("docker"), probe_engine("podman")]
    (by_itself,) = check_engines("auto", states)
    assert by_itself.status == "ok"
    assert "no container engine is installed (docker, podman)" in by_itself.seen
    (asked,) = check_engines("docker", states[:1])
    assert asked.status == "fail"
    assert "no program of that name" in asked.why


def test_engine_that_stands_in_for_a_broken_one_leaves_the_warning() -> None:
    broken = EngineState(program="docker", answers=False, problem="not_running", detail=DOWN)
    found = check_engines("auto", [broken, PODMAN])
    assert [(f.name, f.status) for f in found] == [("docker", "warn"), ("podman", "ok")]


def test_engine_apptainer_is_there_or_is_told_what_to_do(program: Program) -> None:
    program("apptainer", "exit 3")
    (broken,) = check_engines("apptainer", [probe_apptainer()])
    assert (broken.name, broken.status) == ("apptainer", "fail")
    program("apptainer", "echo 1.4.5")
    (found,) = check_engines("apptainer", [probe_apptainer()])
    assert (found.status, found.seen) == ("ok", "Apptainer 1.4.5 is there")


def test_image_file_is_there_and_runs_or_its_trouble_is_told() -> None:
    assert check_image_file("a.sif", None, there=True).status == "ok"
    missing = check_image_file("a.sif", None, there=False)
    assert (missing.status, "./inv build --sif" in missing.next) == ("warn", True)
    trouble = LabError("It does not start.", why="no fuse", next_step="get some")
    found = check_image_file("a.sif", trouble, there=True)
    assert (found.status, found.why, found.next) == ("fail", "no fuse", "get some")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (docker("25.0.0"), "ok"),
        (docker("24.0.9"), "warn"),
        (docker("20.10.24+dfsg1"), "warn"),
        (docker("26.1.5+dfsg1"), "ok"),
        (docker("dev"), "ok"),  # built from source
        (PODMAN, "ok"),
        (
            EngineState(program="podman", answers=True, version="3.4.4", image_store="containers"),
            "warn",
        ),
    ],
)
def test_engine_version_is_new_enough(state: EngineState, status: str) -> None:
    (found,) = check_engines("auto", [state])
    assert found.status == status
    assert status == "ok" or "CDI" in found.why


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v2.20.0", (2, 20)),
        ("2.26.1-4", (2, 26)),
        ("Docker Compose version v2.29.7-desktop.1", (2, 29)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", (0, 13)),
        ("github.com/docker/buildx v0.12.0 542e5d810e4a1a155684f5f3c5bd7e797632a12f", (0, 12)),
        ("26.1.5+dfsg1", (26, 1)),
        ("5.0", (5, 0)),
        ("", None),
        ("unknown", None),
    ],
)
def test_version_is_found_in_what_programs_print(
    text: str, version: tuple[int, int] | None
) -> None:
    assert read_version(text) == version


@given(
    st.integers(0, 99), st.integers(0, 999), st.sampled_from(["", ".7", ".0-rc.1", "+ds1", "-4"])
)
def test_version_is_found_with_any_tail(major: int, minor: int, tail: str) -> None:
    assert read_version(f"Docker Compose version v{major}.{minor}{tail}\n") == (major, minor)


@pytest.mark.parametrize(
    ("text", "status"),
    [("2.20.0", "ok"), ("v2.19.9", "warn"), ("1.29.2", "warn"), ("5.0.1", "ok"), ("dev", "ok")],
)
def test_compose_is_new_enough(text: str, status: str) -> None:
    found = check_compose(DOCKER, finished(text + "\n"))
    assert found.status == status
    assert text.removeprefix("v") in found.seen


@pytest.mark.parametrize(
    ("text", "status"), [("v0.12.0", "ok"), ("v0.11.2", "warn"), ("0.30.1+ds1", "ok")]
)
def test_buildx_is_new_enough(text: str, status: str) -> None:
    found = check_buildx(DOCKER, finished(f"github.com/docker/buildx {text} 542e5d8\n"))
    assert found is not None
    assert found.status == status
    assert text.removeprefix("v").split("+")[0] in found.seen


def test_plugin_that_is_missing_is_said_with_its_package(program: Program) -> None:
    program("docker", "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1")
    found = check_compose(DOCKER, run(["docker", "compose", "version", "--short"]))
    assert found.status == "fail"
    assert "docker-compose-plugin" in found.next
    missing = check_buildx(DOCKER, run(["docker", "buildx", "version"]))
    assert missing is not None
    assert (missing.status, "docker-buildx-plugin" in missing.next) == ("fail", True)


def test_plugin_that_hangs_is_given_up(program: Program) -> None:
    program("docker", "exec sleep 60")
    found = check_compose(DOCKER, run(["docker", "compose", "version"], timeout_s=0.5))
    assert found.status == "fail"
    assert "no answer within 0.5 s" in found.seen


def test_podman_needs_no_buildx_and_takes_podman_compose_with_a_warning() -> None:
    assert check_buildx(PODMAN, finished(code=125)) is None
    message = '>>>> Executing external compose provider "/usr/bin/podman-compose". <<<<'
    assert check_compose(PODMAN, finished("1.0.6\n", stderr=message)).status == "warn"
    assert check_compose(PODMAN, finished("2.27.0\n")).status == "ok"


@pytest.mark.parametrize(
    ("state", "status", "remedy"),
    [
        (docker("26.1.5"), "ok", ""),
        (docker("28.2.2", image_store="graphdriver"), "warn", "containerd-snapshotter"),
        (docker("25.0.3"), "warn", "26 or newer"),
        (PODMAN, "warn", "--engine docker"),
    ],
)
def test_image_store_can_prove_two_builds_the_same(
    state: EngineState, status: str, remedy: str
) -> None:
    found = check_image_store(state)
    assert found.status == status
    assert remedy in found.next


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("", False),
        ("unix:///run/user/1000/docker.sock", False),
        ("ssh://me@server", True),
        ("tcp://10.0.0.1:2376", True),
    ],
)
def test_engine_on_another_machine_is_said(address: str, remote: bool) -> None:
    found = check_engine_address(address)
    assert (found is not None) == remote
    assert found is None or (found.status, address in found.seen) == ("warn", True)


@pytest.mark.container
def test_real_engine_has_what_the_lab_needs(tmp_path: Path) -> None:
    state = probe_engine("docker")
    (found,) = check_engines("docker", [state])
    compose = check_compose(state, run(["docker", "compose", "version", "--short"]))
    buildx = check_buildx(state, run(["docker", "buildx", "version"]))
    assert buildx is not None
    findings = [found, compose, buildx, check_image_store(state)]
    assert [f.status for f in findings] == ["ok"] * 4, findings
    assert state.memory_bytes
