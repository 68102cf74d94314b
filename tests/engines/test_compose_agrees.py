"""compose.yaml and `docker run` ask for the same container."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.engines.docker import compose_environment, compose_up_arguments, run_arguments
from lab.engines.request import GpuAccess, LaunchRequest

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def a_request(gpu: GpuAccess = "none", memory: int | None = None) -> LaunchRequest:
    return LaunchRequest(
        command=("true",),
        image="pytorch-lab:cpu-abc",
        work=Path("/home/maría/mi curso"),
        user="1001:1002",
        device="cuda" if gpu != "none" else "cpu",
        gpu=gpu,
        gpu_name="nvidia.com/gpu=2",
        shm_bytes=3 << 30,
        memory_bytes=memory,
    )


def filled(value: Any, variables: dict[str, str]) -> Any:
    """Put the variables in, as Compose does after reading the file."""
    if isinstance(value, dict):
        return {key: filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, variables) for inner in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda m: variables.get(m[1]) or m[2], value)
    return value


def service(request: LaunchRequest | None) -> dict[str, Any]:
    """The lab's service; without a request as a person starts it by hand."""
    gpu = request or LaunchRequest(command=(), image="", work=Path("/"))
    line = compose_up_arguments(str(ROOT), "p", gpu, "docker")
    files = [line[i + 1] for i, word in enumerate(line) if word == "--file"]
    variables = compose_environment(request, 8890) if request else {}
    merged: dict[str, Any] = {}
    for file in files:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        assert not merged.keys() & content["services"]["lab"].keys()
        merged |= filled(content["services"]["lab"], variables)
    return merged


def options(line: list[str]) -> dict[str, list[str]]:
    """The options of a `docker run`, by name."""
    found: dict[str, list[str]] = {}
    words = iter(line[2:])
    for word in words:
        if not word.startswith("--"):
            break
        name, equals, value = word.partition("=")
        if name == "--mount":
            value = next(words)
        found.setdefault(name, []).append(value if equals or value else "")
    return found


@pytest.fixture
def both() -> tuple[dict[str, Any], dict[str, list[str]]]:
    request = a_request(memory=8 << 30)
    return service(request), options(run_arguments(request))


Both = tuple[dict[str, Any], dict[str, list[str]]]


def test_image_and_user_are_the_same(both: Both) -> None:
    compose, run = both
    assert compose["image"] == "pytorch-lab:cpu-abc"
    assert run_arguments(a_request())[-2] == "pytorch-lab:cpu-abc"
    assert [compose["user"]] == run["--user"] == ["1001:1002"]


def test_mounts_are_the_same(both: Both) -> None:
    compose, run = both
    wanted = [
        [f"type={v['type']}", f"source={v['source']}", f"target={v['target']}"]
        for v in compose["volumes"]
    ]
    assert [next(csv.reader([value])) for value in run["--mount"]] == wanted
    assert wanted == [["type=bind", "source=/home/maría/mi curso", "target=/work"]]
    assert [compose["working_dir"]] == run["--workdir"] == ["/work"]


def test_compose_never_makes_the_work_folder(both: Both) -> None:
    """Docker would make it as root; `--mount` of `docker run` refuses by itself."""
    compose, _ = both
    assert [v["bind"]["create_host_path"] for v in compose["volumes"]] == [False]


def test_hardening_is_the_same(both: Both) -> None:
    compose, run = both
    assert compose["read_only"] is True
    assert run["--read-only"] == [""]
    assert compose["cap_drop"] == run["--cap-drop"] == ["ALL"]
    assert compose["security_opt"] == run["--security-opt"]
    assert compose["security_opt"] == ["no-new-privileges"]
    assert [str(compose["pids_limit"])] == run["--pids-limit"]
    assert compose["tmpfs"] == run["--tmpfs"]
    assert {t.partition(":")[0] for t in compose["tmpfs"]} == {"/tmp", "/home/student"}
    for refused in ("privileged", "cap_add", "devices", "pid", "ipc"):
        assert refused not in compose
    assert not run.keys() & {"--privileged", "--cap-add", "--pid", "--ipc", "--network"}


def test_shared_memory_is_the_same(both: Both) -> None:
    compose, run = both
    assert [compose["shm_size"]] == run["--shm-size"] == [str(3 << 30)]


def test_memory_is_limited_only_when_asked(both: Both) -> None:
    compose, run = both
    assert [compose["mem_limit"]] == run["--memory"] == [str(8 << 30)]
    assert service(a_request())["mem_limit"] == "0"  # Docker's word for none
    assert "--memory" not in options(run_arguments(a_request()))


def test_port_is_published_on_loopback_alone(both: Both) -> None:
    compose, run = both
    assert compose["ports"] == ["127.0.0.1:8890:8888"]
    assert not run.keys() & {"--publish", "-p", "--publish-all"}  # one command has no page
    assert service(None)["ports"] == ["127.0.0.1:8888:8888"]


@pytest.mark.parametrize(
    ("gpu", "run_options", "device"),
    [
        ("none", {}, None),
        (
            "cdi",
            {"--device": ["nvidia.com/gpu=2"]},
            {"driver": "cdi", "device_ids": ["nvidia.com/gpu=2"], "capabilities": ["gpu"]},
        ),
        (
            "nvidia",
            {"--gpus": ["all"]},
            {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]},
        ),
    ],
)
def test_gpu_is_the_same(
    gpu: GpuAccess, run_options: dict[str, list[str]], device: dict[str, Any] | None
) -> None:
    request = a_request(gpu)
    run = options(run_arguments(request))
    assert {k: v for k, v in run.items() if k in ("--device", "--gpus")} == run_options
    reservations = service(request).get("deploy", {}).get("resources", {}).get("reservations", {})
    assert reservations.get("devices", []) == ([device] if device else [])


def test_compose_reads_only_variables_that_are_set() -> None:
    """A variable that nobody sets would leave its default in every start."""
    texts = [p.read_text() for p in (ROOT / "compose.yaml", *(ROOT / "docker").glob("compose.*"))]
    read = {name for text in texts for name, _ in VARIABLE.findall(text)}
    assert read == compose_environment(a_request(), 1).keys()


def test_defaults_by_hand_are_those_of_a_request() -> None:
    """`docker compose up` without the runner gives the same as a request with nothing asked for."""
    plain = LaunchRequest(command=(), image="pytorch-lab:cpu", work=Path("/clone/work"))
    by_hand, started = service(None), service(plain)
    assert by_hand.pop("ports") == ["127.0.0.1:8888:8888"]
    assert started.pop("ports") == ["127.0.0.1:8890:8888"]
    assert by_hand["volumes"][0].pop("source") == by_hand["labels"].pop("pytorch-lab.work")
    assert started["volumes"][0].pop("source") == started["labels"].pop("pytorch-lab.work")
    assert by_hand == started
