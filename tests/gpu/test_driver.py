from typing import Any

import pynvml
import pytest

from lab.gpu.driver import DriverState, GpuModel, read_driver


class FakeNvml:
    """Answers as nvidia-ml-py does; a value that is an exception is raised instead."""

    NVMLError = pynvml.NVMLError
    NVMLLibraryMismatchError = pynvml.NVMLLibraryMismatchError

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "init": None,
            "count": 1,
            "driver": "580.65.06",
            "cuda": 13000,
            "handle": lambda index: index,
            "name": lambda handle: "NVIDIA H200",
            "capability": lambda handle: (9, 0),
            "shutdown": None,
            **answers,
        }
        self.open = 0

    def _give(self, what: str, *arguments: Any) -> Any:
        answer = self.answers[what]
        answer = answer(*arguments) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def nvmlInit(self) -> None:
        self._give("init")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1
        self._give("shutdown")

    def nvmlDeviceGetCount(self) -> Any:
        return self._give("count")

    def nvmlSystemGetDriverVersion(self) -> Any:
        return self._give("driver")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> Any:
        return self._give("cuda")

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return self._give("handle", index)

    def nvmlDeviceGetName(self, handle: Any) -> Any:
        return self._give("name", handle)

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any) -> Any:
        return self._give("capability", handle)


def test_driver_is_read_with_its_gpus() -> None:
    nvml = FakeNvml(count=2)
    gpu = {"name": "NVIDIA H200", "capability": (9, 0)}
    assert read_driver(nvml) == DriverState(
        answers=True,
        version="580.65.06",
        cuda=(13, 0),
        gpus=(GpuModel(index=0, **gpu), GpuModel(index=1, **gpu)),  # type: ignore[arg-type]
    )
    assert nvml.open == 0


@pytest.mark.parametrize(("number", "cuda"), [(13000, (13, 0)), (12080, (12, 8)), (11080, (11, 8))])
def test_cuda_is_read_as_major_and_minor(number: int, cuda: tuple[int, int]) -> None:
    assert read_driver(FakeNvml(cuda=number)).cuda == cuda


def test_old_driver_without_the_cuda_call_is_still_read() -> None:
    state = read_driver(FakeNvml(cuda=pynvml.NVMLError(13)))
    assert (state.answers, state.version, state.cuda) == (True, "580.65.06", None)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (4, "no_permission"),
        (9, "not_loaded"),
        (12, "no_library"),
        (18, "mismatch"),
        (999, "lost"),
        (15, "other"),
        (4711, "other"),
    ],
)
def test_error_at_the_start_is_told_by_its_cause(code: int, problem: str) -> None:
    state = read_driver(FakeNvml(init=pynvml.NVMLError(code)))
    assert (state.answers, state.problem) == (False, problem)
    assert state.detail


@pytest.mark.parametrize("call", ["init", "count", "driver"])
def test_mismatch_error_of_the_python_package_is_caught(call: str) -> None:
    """It is not one of the package's NVMLErrors."""
    nvml = FakeNvml(**{call: pynvml.NVMLLibraryMismatchError("function called")})
    state = read_driver(nvml)
    assert (state.answers, state.detail) == (False, "function called")
    assert nvml.open == 0


def test_lost_gpu_does_not_hide_the_others() -> None:
    nvml = FakeNvml(count=2, handle=lambda index: pynvml.NVMLError(15) if index == 0 else index)
    lost, other = read_driver(nvml).gpus
    assert (lost.name, lost.problem) == (None, "GPU is lost")
    assert (other.index, other.name, other.problem) == (1, "NVIDIA H200", "")


def test_gpu_without_a_capability_keeps_its_name() -> None:
    (gpu,) = read_driver(FakeNvml(capability=lambda handle: pynvml.NVMLError(3))).gpus
    assert (gpu.name, gpu.capability, gpu.problem) == ("NVIDIA H200", None, "Not Supported")


def test_error_at_the_end_does_not_hide_what_was_read() -> None:
    assert read_driver(FakeNvml(shutdown=pynvml.NVMLError(999))).answers


def test_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        read_driver(FakeNvml(driver=ZeroDivisionError()))


def test_machine_without_the_library_answers_so() -> None:
    """The real nvidia-ml-py; where a machine has a driver, it answers with its version."""
    state = read_driver()
    assert state.version if state.answers else state.problem
