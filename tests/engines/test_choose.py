"""Where the lab runs, for machines with and without engines and GPUs."""

import json
import platform
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.engines import choose as module
from lab.engines.choose import choose, gpu_access, not_answering
from lab.engines.probe import EngineState
from lab.errors import CheckFailed, LabError
from tests.fakes import Programs

DENIED = "permission denied while trying to connect to the Docker daemon socket"
DOWN = "Cannot connect to the Docker daemon. Is the docker daemon running?"
PODMAN = json.dumps({"host": {"security": {"rootless": True}}, "version": {"Version": "4.9.3"}})


@dataclass
class Machine:
    """A machine as the test describes it: nothing of the real one shows through."""

    programs: Programs
    patch: pytest.MonkeyPatch
    tmp_path: Path

    def docker(self, *, cdi: bool = False, runtime: bool = False) -> None:
        folder = self.tmp_path / "cdi"
        folder.mkdir()
        if cdi:
            text = "kind: nvidia.com/gpu\ndevices: [{name: '0'}, {name: all}]\n"
            (folder / "nvidia.yaml").write_text(text)
        info = {
            "ServerVersion": "28.2.2",
            "CDISpecDirs": [str(folder)],
            "Runtimes": {"runc": {}} | ({"nvidia": {}} if runtime else {}),
        }
        self.programs.add_answer("docker", out=json.dumps(info))

    def has(self, *, gpu: bool = False, system: str = "Linux", machine: str = "x86_64") -> None:
        self.patch.setattr(module, "host_has_gpu", lambda: gpu)
        self.patch.setattr(platform, "system", lambda: system)
        self.patch.setattr(platform, "machine", lambda: machine)


@pytest.fixture
def machine(programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Without engine and without GPU, until a test says otherwise."""
    found = Machine(programs, monkeypatch, tmp_path)
    found.has()
    return found


def test_auto_without_engines_is_the_host_in_one_line(machine: Machine) -> None:
    choice = choose()
    assert (choice.engine, choice.device, choice.gpu) == ("host", "cpu", "none")
    assert choice.state is None
    assert (
        choice.why == "on the host (no container engine answers: docker is not installed), on cpu"
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [(DOWN, "docker is not running"), (DENIED, "docker this user may not use its socket")],
)
def test_auto_with_an_engine_that_does_not_answer_is_the_host(
    machine: Machine, words: str, reason: str
) -> None:
    machine.programs.add_answer("docker", err=words, code=1)
    choice = choose()
    assert (choice.engine, choice.device) == ("host", "cpu")
    assert reason in choice.why
    assert "\n" not in choice.why


def test_auto_takes_docker_and_says_why_it_is_on_the_cpu(machine: Machine) -> None:
    machine.docker()
    choice = choose()
    assert (choice.engine, choice.device, choice.gpu) == ("docker", "cpu", "none")
    assert (
        choice.why
        == "docker 28.2.2, on the CPU: no NVIDIA device, no CDI specification for nvidia.com/gpu,"
        " no nvidia runtime"
    )
    assert choice.state is not None
    assert choice.state.version == "28.2.2"


def test_auto_leaves_podman_alone(machine: Machine) -> None:
    """Podman cannot build the image: it is taken on request."""
    machine.programs.add_answer("docker", err=DOWN, code=1)
    machine.programs.add_answer("podman", out=PODMAN)
    assert choose(device="cpu").engine == "host"
    assert [call.split()[0] for call in machine.programs.calls] == ["docker"]


@pytest.mark.parametrize(
    ("words", "why", "remedy"),
    [
        (DOWN, "its daemon does not answer", "systemctl start docker"),
        (DENIED, "this user may not use its socket", "usermod -aG docker"),
        ("Error: strange", "it answered with an error", "docker info"),
    ],
)
def test_engine_asked_for_that_does_not_answer_is_an_error(
    machine: Machine, words: str, why: str, remedy: str
) -> None:
    machine.programs.add_answer("docker", err=words, code=1)
    with pytest.raises(LabError) as caught:
        choose(engine="docker")
    assert caught.value.what == "Docker cannot start containers here."
    assert caught.value.why == f"{why}: {words}"
    assert remedy in caught.value.next_step
    assert "--engine host" in caught.value.next_step


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_engine_asked_for_that_is_missing_is_an_error(machine: Machine, engine: str) -> None:
    """Even where another engine answers: nothing else is taken in its place."""
    other = {"docker": "podman", "podman": "docker"}[engine]
    machine.programs.add_answer(other, out=PODMAN)
    with pytest.raises(LabError) as caught:
        choose(engine=engine)
    assert caught.value.what == f"{engine.capitalize()} cannot start containers here."
    assert caught.value.why == "no program of that name is on the PATH"
    assert "install Docker or Podman" in caught.value.next_step


def test_engine_that_hangs_is_named() -> None:
    state = EngineState(program="docker", answers=False, problem="hangs", detail="no answer")
    error = not_answering(state)
    assert error.why == "it gave no answer within 20 s: no answer"
    assert "restart" in error.next_step


def test_cuda_without_a_gpu_is_an_error_in_a_container(machine: Machine) -> None:
    machine.docker()
    for engine in ("auto", "docker"):
        with pytest.raises(LabError) as caught:
            choose(engine=engine, device="cuda")
        assert caught.value.what == "Docker has no GPU to give to a container."
        assert "no CDI specification" in caught.value.why
        assert "nvidia-ctk cdi generate" in caught.value.next_step
        assert caught.value.exit_code == 2
        assert not isinstance(caught.value, CheckFailed)


def test_cuda_with_a_device_but_no_toolkit_says_what_is_missing(machine: Machine) -> None:
    machine.docker()
    machine.has(gpu=True)
    with pytest.raises(LabError) as caught:
        choose(device="cuda")
    assert (
        caught.value.why
        == "this host has an NVIDIA device, but neither a CDI specification nor the runtime"
    )


@pytest.mark.parametrize("engine", ["auto", "host"])
def test_cuda_without_a_gpu_is_an_error_on_the_host(machine: Machine, engine: str) -> None:
    with pytest.raises(LabError) as caught:
        choose(engine=engine, device="cuda")
    assert caught.value.what == "This host has no NVIDIA GPU that the lab could use."
    assert "--device cpu" in caught.value.next_step


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_cdi_is_preferred_to_the_runtime(machine: Machine, device: str) -> None:
    machine.docker(cdi=True, runtime=True)
    machine.has(gpu=True)
    choice = choose(device=device)
    assert (choice.device, choice.gpu, choice.gpu_name) == ("cuda", "cdi", "nvidia.com/gpu=all")
    assert choice.why == "docker 28.2.2, with the GPU through CDI"


def test_cdi_is_enough_where_no_device_shows(machine: Machine) -> None:
    """On macOS and Windows the devices are in the engine's own machine."""
    machine.docker(cdi=True)
    assert choose().gpu == "cdi"


def test_runtime_serves_where_there_is_no_cdi(machine: Machine) -> None:
    machine.docker(runtime=True)
    machine.has(gpu=True)
    choice = choose()
    assert (choice.device, choice.gpu, choice.gpu_name) == ("cuda", "nvidia", "")
    assert choice.why == "docker 28.2.2, with the GPU through the nvidia runtime"


def test_runtime_without_a_device_is_no_gpu(machine: Machine) -> None:
    machine.docker(runtime=True)
    choice = choose()
    assert (choice.device, choice.gpu) == ("cpu", "none")
    assert "the nvidia runtime is registered, but this host shows no NVIDIA device" in choice.why


def test_cpu_as_asked_takes_no_gpu(machine: Machine) -> None:
    machine.docker(cdi=True)
    machine.has(gpu=True)
    choice = choose(device="cpu")
    assert (choice.device, choice.gpu, choice.gpu_name) == ("cpu", "none", "")
    assert choice.why == "docker 28.2.2, on the CPU: as asked"


@pytest.mark.parametrize(
    ("cdi", "runtime", "shows", "access"),
    [
        (("nvidia.com/gpu=all",), True, True, "cdi"),
        (("nvidia.com/gpu=0",), False, False, "cdi"),
        ((), True, True, "nvidia"),
        ((), True, False, "none"),
        ((), False, True, "none"),
        ((), False, False, "none"),
    ],
)
def test_gpu_access_gives_a_reason_exactly_where_there_is_none(
    cdi: tuple[str, ...], runtime: bool, shows: bool, access: str
) -> None:
    state = EngineState(program="docker", answers=True, cdi=cdi, nvidia_runtime=runtime)
    found, reason = gpu_access(state, shows)
    assert found == access
    assert bool(reason) == (access == "none")


def test_host_as_asked_asks_no_engine(machine: Machine) -> None:
    machine.docker(cdi=True)
    machine.has(gpu=True)
    choice = choose(engine="host")
    assert (choice.engine, choice.device, choice.why) == ("host", "cuda", "on the host, on cuda")
    assert choose(engine="host", device="cpu").device == "cpu"
    assert machine.programs.calls == []


@pytest.mark.parametrize("engine", ["auto", "host"])
def test_mps_runs_on_the_host_of_a_mac(machine: Machine, engine: str) -> None:
    machine.docker()
    machine.has(system="Darwin", machine="arm64")
    choice = choose(engine=engine, device="mps")
    assert (choice.engine, choice.device) == ("host", "mps")


def test_mac_without_an_engine_takes_its_own_gpu(machine: Machine) -> None:
    machine.has(system="Darwin", machine="arm64")
    assert choose().device == "mps"
    assert choose(device="cpu").device == "cpu"


@pytest.mark.parametrize(
    ("system", "processor"), [("Linux", "x86_64"), ("Linux", "arm64"), ("Darwin", "x86_64")]
)
def test_mps_elsewhere_is_an_error(machine: Machine, system: str, processor: str) -> None:
    machine.has(system=system, machine=processor)
    with pytest.raises(LabError) as caught:
        choose(device="mps")
    assert f"it is {system} on {processor}" in caught.value.why


def test_mps_in_a_container_is_an_error(machine: Machine) -> None:
    machine.docker()
    machine.has(system="Darwin", machine="arm64")
    with pytest.raises(LabError, match="Apple's GPU cannot be used from a container"):
        choose(engine="docker", device="mps")


def test_apptainer_hands_over_a_gpu_where_the_host_has_one(machine: Machine) -> None:
    machine.programs.add_answer("apptainer", out="1.4.5\n")
    assert choose(engine="apptainer").gpu == "none"
    assert choose(engine="apptainer").why == "apptainer 1.4.5, on the CPU"
    machine.has(gpu=True)
    choice = choose(engine="apptainer")
    assert (choice.engine, choice.device, choice.gpu) == ("apptainer", "cuda", "nvidia")
    assert choose(engine="apptainer", device="cpu").gpu == "none"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_apptainer_without_a_gpu_refuses(machine: Machine, device: str) -> None:
    machine.programs.add_answer("apptainer", out="1.4.5\n")
    with pytest.raises(LabError, match=f"no device {device} for Apptainer"):
        choose(engine="apptainer", device=device)


def test_apptainer_that_is_missing_or_broken_is_an_error(machine: Machine) -> None:
    with pytest.raises(LabError, match="Apptainer cannot start containers") as caught:
        choose(engine="apptainer")
    assert "module load apptainer" in caught.value.next_step
    machine.programs.add_answer("apptainer", err="no configuration", code=255)
    with pytest.raises(LabError) as caught:
        choose(engine="apptainer")
    assert "no configuration" in caught.value.why


def test_unknown_words_are_errors_that_name_the_known_ones() -> None:
    with pytest.raises(LabError) as caught:
        choose(engine="dokcer")
    assert caught.value.what == "There is no engine 'dokcer'."
    assert caught.value.why == "the lab knows auto, docker, podman, apptainer, host"
    with pytest.raises(LabError) as caught:
        choose(device="gpu")
    assert caught.value.what == "There is no device 'gpu'."
    assert caught.value.why == "the lab knows auto, cpu, cuda, mps"
