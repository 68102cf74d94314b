import pytest
from msgspec.structs import replace

from lab.doctor.gpu import (
    check_apple,
    check_architecture,
    check_container_gpu,
    check_driver,
    check_gpu,
)
from lab.engines.probe import EngineState
from lab.gpu.host import GpuHost
from lab.gpu.judge import judge
from lab.gpu.report import judge_wheel
from lab.gpu.snapshot import Snapshot
from lab.records.doctor import Finding
from lab.records.gpu import Gpu

H200 = Gpu(index=0, name="NVIDIA H200", compute_capability="9.0")
L4 = Gpu(index=1, name="NVIDIA L4", compute_capability="8.9")
V100 = Gpu(index=2, name="Tesla V100", compute_capability="7.0")
LOST = Gpu(index=3, unreadable="lost", missing={"name": "lost"})
DRIVER = "580.65.06"
LOADED = GpuHost(nodes=True, slots=("0000:01:00.0",), module="580.65.06")
CARD_ONLY = GpuHost(slots=("0000:01:00.0",))
NOTHING = GpuHost()


def check(*gpus: Gpu, host: GpuHost = LOADED, asked: bool = True) -> list[Finding]:
    snapshot = Snapshot(answers=True, driver_version=DRIVER, gpus=list(gpus))
    return check_gpu(snapshot, host, judge(gpus, judge_wheel(DRIVER), DRIVER), asked=asked)


def silent(code: int, host: GpuHost, *, asked: bool) -> Finding:
    snapshot = Snapshot(answers=False, code=code, call="nvmlInit", detail="NVML's words")
    (found,) = check_gpu(snapshot, host, [], asked=asked)
    return found


def test_gpu_that_answers_is_named() -> None:
    (found,) = check(H200, H200, L4)
    assert found.status == "ok"
    assert found.seen == "2 x NVIDIA H200, 1 x NVIDIA L4, driver 580.65.06"


@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "ok")])
def test_gpu_that_is_missing_is_trouble_only_when_asked_for(asked: bool, status: str) -> None:
    found = silent(12, NOTHING, asked=asked)
    assert found.status == status
    assert "no NVIDIA GPU shows on this machine" in found.seen


@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "warn")])
def test_gpu_whose_driver_is_silent_is_told_by_its_cause(asked: bool, status: str) -> None:
    """The causes themselves are those of `inv gpu`: see tests/gpu/test_cause.py."""
    found = silent(12, CARD_ONLY, asked=asked)
    assert (found.status, "0000:01:00.0, without a driver" in found.seen) == (status, True)
    assert "install NVIDIA's driver" in found.next


def test_gpu_library_without_a_gpu_is_said() -> None:
    """A cluster's login node has the library, and no GPU."""
    assert silent(9, NOTHING, asked=False).status == "warn"


def test_gpu_that_is_hidden_is_said() -> None:
    (found,) = check()
    assert (found.status, "knows no GPU" in found.seen) == ("fail", True)


@pytest.mark.parametrize("asked", [True, False])
def test_gpu_has_the_verdict_of_inv_gpu(asked: bool) -> None:
    hot = replace(L4, clock_event_reasons=["sw_thermal_slowdown"])
    found = check(H200, hot, LOST, asked=asked)
    assert [(f.status, f.seen.partition(":")[0]) for f in found] == [
        ("warn", "GPU 1"),
        ("fail", "GPU 3"),
    ]


def test_gpu_without_code_in_the_wheel_has_a_line_of_its_own() -> None:
    assert [f.status for f in check(V100)] == ["ok"]


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("580.65.06", "ok"),
        ("610.43.02", "ok"),
        ("575.51.03", "fail"),
        ("535.183.01", "fail"),
    ],
)
def test_driver_is_new_enough_for_the_image(version: str, status: str) -> None:
    found = check_driver(version)
    assert found is not None
    assert (found.status, version in found.seen) == (status, True)
    assert status == "ok" or "580.65.06" in found.next


def test_driver_that_is_not_there_is_not_judged() -> None:
    assert check_driver(None) is None


@pytest.mark.parametrize(
    ("gpus", "status"),
    [((H200, L4), "ok"), ((V100,), "fail"), ((H200, V100), "warn"), ((H200, LOST), "ok")],
)
def test_architecture_of_each_gpu_is_in_the_wheel(gpus: tuple[Gpu, ...], status: str) -> None:
    found = check_architecture(gpus)
    assert found is not None
    assert found.status == status
    assert (V100 in gpus) == ("Tesla V100, sm_70" in found.seen)


def test_architecture_remedy_names_the_gpus_that_are_left() -> None:
    found = check_architecture((H200, V100, L4))
    assert found is not None
    assert found.next.endswith("CUDA_VISIBLE_DEVICES=0,1")


def test_architecture_is_not_judged_without_a_gpu() -> None:
    assert check_architecture(()) is None
    assert check_architecture((LOST,)) is None


def docker(**fields: object) -> EngineState:
    return EngineState(program="docker", answers=True, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "way"),
    [
        (docker(cdi=("nvidia.com/gpu=all",)), "CDI (nvidia.com/gpu=all)"),
        (docker(nvidia_runtime=True), "the nvidia runtime"),
    ],
)
def test_container_gets_the_gpu_in_the_engines_way(state: EngineState, way: str) -> None:
    found = check_container_gpu(state, LOADED, elsewhere=(), toolkit=True, asked=True)
    assert found is not None
    assert (found.status, way in found.seen) == ("ok", True)


@pytest.mark.parametrize(
    ("elsewhere", "toolkit", "remedy"),
    [
        ((), False, "install the package nvidia-container-toolkit"),
        ((), True, "sudo nvidia-ctk cdi generate"),
        (("nvidia.com/gpu=all",), True, '"features": {"cdi": true}'),
    ],
)
@pytest.mark.parametrize(("asked", "status"), [(True, "fail"), (False, "warn")])
def test_container_without_a_way_to_the_gpu_is_said(
    elsewhere: tuple[str, ...], toolkit: bool, remedy: str, asked: bool, status: str
) -> None:
    found = check_container_gpu(docker(), LOADED, elsewhere=elsewhere, toolkit=toolkit, asked=asked)
    assert found is not None
    assert found.status == status
    assert found.next.startswith(remedy) or remedy in found.next
    assert ("install" in found.next) == (not toolkit)


def test_container_gpu_is_no_matter_without_a_gpu() -> None:
    """The nvidia runtime is also registered on machines that have no GPU."""
    state = docker(nvidia_runtime=True)
    assert check_container_gpu(state, NOTHING, elsewhere=(), toolkit=True, asked=False) is None
    found = check_container_gpu(state, NOTHING, elsewhere=(), toolkit=True, asked=True)
    assert found is not None
    assert (found.status, "--device cpu" in found.next) == ("fail", True)


@pytest.mark.parametrize(
    ("system", "machine", "on_host", "status"),
    [
        ("Darwin", "arm64", True, "ok"),
        ("Darwin", "arm64", False, "fail"),
        ("Linux", "arm64", True, "fail"),
        ("Darwin", "x86_64", True, "fail"),
    ],
)
def test_apple_gpu_is_on_the_host_of_a_mac(
    system: str, machine: str, on_host: bool, status: str
) -> None:
    assert check_apple(system, machine, on_host=on_host).status == status
