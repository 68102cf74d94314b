"""`inv gpu` in a real container, which gets the simulated driver through a real CDI
specification."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from lab.receipt.identity import own_identity
from lab.records.gpu import GpuReport
from tests.conftest import CommandLine, Result, wait_for
from tests.nvml import scenarios
from tests.nvml.cdi import edits_of, skip_beside_others, specification
from tests.nvml.library import Driver

# Alone, since all that asks the engine meanwhile is given the GPU too.
pytestmark = [pytest.mark.driver, pytest.mark.container, pytest.mark.root, pytest.mark.alone]

ENGINE = ("--engine", "docker")


@pytest.fixture(scope="module")
def driver(nvml_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    folder = tmp_path_factory.mktemp("driver")
    for parent in (folder, *folder.parents):
        if parent.owner() == "root" and parent != Path("/tmp") and "pytest" in parent.name:
            parent.chmod(0o755)
    return Driver(nvml_library, scenarios.healthy(8), folder)


@pytest.fixture
def given(driver: Driver) -> Iterator[Driver]:
    driver.put(scenarios.healthy(8))
    with specification(edits_of(driver)):
        yield driver


@pytest.fixture
def image(inv: CommandLine) -> str:
    built = inv("build", "--json")
    assert built.code == 0, built.err
    return str(built.json()["image"])


def report(result: Result) -> GpuReport:
    assert result.out, result.err
    return msgspec.json.decode(result.out, type=GpuReport)


def test_container_shows_the_eight_gpus(given: Driver, image: str, inv: CommandLine) -> None:
    """Without a cuda image the small one is taken: NVML comes with the driver."""
    result = inv("gpu", *ENGINE, "--json")
    found = report(result)
    assert (result.code, len(found.gpus), found.verdict) == (0, 8, "ok")
    assert (found.place, found.driver_version) == ("container", "580.65.06")
    assert found.receipt == own_identity()
    text = inv("gpu", *ENGINE)
    assert text.out.count("H100 80GB HBM3") == 8
    assert "in container" in text.out


def test_container_gives_the_same_as_the_host(given: Driver, image: str, inv: CommandLine) -> None:
    given.put(scenarios.sick())
    inside, here = inv("gpu", *ENGINE, "--json"), inv("gpu", "--json", **given.variables)
    assert (inside.code, here.code) == (3, 3)
    # Who a process is, only the host can say.
    same = [[replace(gpu, processes=[]) for gpu in report(r).gpus] for r in (inside, here)]
    assert same[0] == same[1]


def test_container_whose_gpus_went_away_is_exit_2(
    given: Driver, image: str, inv: CommandLine
) -> None:
    """What NVML says in a container after a daemon-reload on the host."""
    given.put(scenarios.healthy(8) | {"calls": {"nvmlInit": {"error": 999}}})
    result = inv("gpu", *ENGINE)
    assert (result.code, result.out) == (2, "")
    assert "This container has lost its GPU." in result.err
    assert "make the container anew" in result.err


def test_container_without_the_driver_is_exit_2_with_the_remedy(
    driver: Driver, image: str, inv: CommandLine
) -> None:
    """A specification that hands over nothing."""
    with specification({"env": ["LAB_STAND_IN=here"]}):
        result = inv("gpu", *ENGINE, "--json")
    assert result.code == 2
    assert "This container has no GPU." in str(result.json()["what"])
    assert "--device cuda" in str(result.json()["next_step"])


def test_specification_taken_away_is_exit_2_with_the_remedy(
    driver: Driver, image: str, inv: CommandLine
) -> None:
    skip_beside_others()
    result = inv("gpu", *ENGINE)
    assert result.code == 2
    assert "Docker has no GPU to give to a container." in result.err
    assert "nvidia-ctk cdi generate" in result.err
    assert "--device cpu" not in result.err  # inv gpu has no such option


def test_dry_run_shows_the_command_line(given: Driver, image: str, inv: CommandLine) -> None:
    line = inv("gpu", *ENGINE, "--only", "0", "--dry-run").out
    assert line.startswith("docker run --rm ")
    assert "--device=nvidia.com/gpu=all" in line
    assert line.rstrip().endswith("inv gpu --json --only=0 --deadline=5 --engine=host")


def test_options_go_into_the_container(given: Driver, image: str, inv: CommandLine) -> None:
    result = inv("gpu", "--engine=docker", "--only", "6", "-j", "--deadline=2")
    assert [gpu.index for gpu in report(result).gpus] == [6]
    details = inv("gpu", *ENGINE, "--only", "6", "--details")
    assert "vbios_version" in details.out
    metrics = inv("gpu", *ENGINE, "--only", "6", "--prometheus")
    assert 'lab_gpu_temperature_celsius{gpu="6"' in metrics.out


def test_process_is_shown_with_the_name_of_its_container(
    given: Driver, image: str, inv: CommandLine, tmp_path: Path
) -> None:
    """Read on the host, where a container's processes have numbers that NVML knows."""
    if Path("/proc/self/ns/pid").stat().st_ino != 0xEFFFFFFC:
        pytest.skip("this machine is itself in a PID namespace")
    name = f"lab-gpu-test-{os.getpid()}"
    started = ["docker", "run", "--rm", "--detach", "--network=none", f"--name={name}", image,
               "sleep", "120"]  # fmt: skip
    subprocess.run(started, check=True, capture_output=True)
    try:
        inspected = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
        pid = int(subprocess.run(inspected, check=True, capture_output=True, text=True).stdout)
        scenario = scenarios.healthy(1)
        scenario["gpus"][0]["ComputeRunningProcesses"] = [{"pid": pid, "usedGpuMemory": 1}]
        given.put(scenario)
        (process,) = report(inv("gpu", "--json", **given.variables)).gpus[0].processes
        assert process.container == name
        assert process.command is not None
        assert "sleep 120" in process.command
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def test_lab_notices_a_gpu_that_went_away(
    given: Driver, image: str, inv: CommandLine, tmp_path: Path
) -> None:
    """The health check compares with the start; status says to make the lab anew."""
    started = inv(
        "lab", "--device", "cuda", "--image", image, "--work", str(tmp_path / "work"), "--json"
    )
    assert started.code == 0, started.err
    container = str(started.json()["container"])
    noted = ["docker", "exec", container, "cat", "/home/student/.lab/server/gpus.json"]
    wait_for(
        lambda: subprocess.run(noted, capture_output=True, check=False).returncode == 0,
        "the lab to note its GPUs",
    )
    status = inv("status", "--json").json()
    assert (status["state"], status["note"]) == ("running", None)
    assert _health_check(container) == (0, "")

    given.put(scenarios.healthy(8) | {"calls": {"nvmlInit": {"error": 999}}})
    code, words = _health_check(container)
    assert code == 1
    assert "has lost its 8 GPUs" in words
    assert "make the lab anew" in words
    status = inv("status")
    assert "unhealthy" in status.out
    assert "./inv stop, then ./inv lab" in status.out
    again = inv("lab", "--json")
    assert "has lost its 8 GPUs" in again.err
    assert again.json()["url"] == started.json()["url"]

    given.put(scenarios.healthy(7))  # one of them fell off the bus
    assert "has lost GPU" in str(inv("status", "--json").json()["note"])
    given.put(scenarios.healthy(8))
    assert inv("status", "--json").json()["state"] == "running"


def _health_check(container: str) -> tuple[int, str]:
    """Run what the image says that the engine is to run."""
    inspected = ["docker", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", container]
    test = msgspec.json.decode(
        subprocess.run(inspected, check=True, capture_output=True).stdout, type=list[str]
    )
    done = subprocess.run(
        ["docker", "exec", container, *test[1:]], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip()
