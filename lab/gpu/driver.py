"""The driver and the GPUs that it knows, read through NVML."""

from dataclasses import dataclass
from typing import Any, Literal

# Why NVML cannot be read. `mismatch`: driver and library differ, as after an upgrade in use.
Problem = Literal["", "no_library", "not_loaded", "mismatch", "no_permission", "lost", "other"]

# NVML's error codes, from nvml.h; the rest is `other`, with NVML's own text.
_PROBLEMS: dict[int, Problem] = {
    4: "no_permission",
    9: "not_loaded",
    12: "no_library",
    18: "mismatch",
    999: "lost",  # "Unknown Error" at the start: most often a container whose devices went away
}


@dataclass(frozen=True, kw_only=True)
class GpuModel:
    """One GPU, by its NVML index.

    Args:
        index: NVML's, which is not CUDA's.
        name: the product's.
        capability: CUDA compute capability, as (9, 0).
        problem: why name or capability is missing, in NVML's words; empty when both are there.
    """

    index: int
    name: str | None = None
    capability: tuple[int, int] | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class DriverState:
    """What NVML says of the driver.

    Args:
        answers: whether NVML could be read.
        version: the driver's, as `580.65.06`.
        cuda: the newest CUDA that it claims to run; cuda-compat inflates it.
        gpus: one for each GPU, a lost one too.
        problem: why it does not answer.
        detail: NVML's own message.
    """

    answers: bool
    version: str | None = None
    cuda: tuple[int, int] | None = None
    gpus: tuple[GpuModel, ...] = ()
    problem: Problem = ""
    detail: str = ""


def read_driver(nvml: Any = None) -> DriverState:
    """Read the driver's version, its CUDA and the GPUs; never raises for what NVML answers.

    The start of NVML can take seconds where persistence mode is off.

    Args:
        nvml: the module to ask; None takes nvidia-ml-py.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    errors = _errors(nvml)
    try:
        nvml.nvmlInit()
    except errors as error:
        return _not_answering(error)
    try:
        return _read(nvml, errors)
    except errors as error:
        return _not_answering(error)
    finally:
        _shut_down(nvml, errors)


def _errors(nvml: Any) -> tuple[type[Exception], ...]:
    """All that nvidia-ml-py raises: its mismatch error is not one of its NVMLErrors."""
    return (nvml.NVMLError, nvml.NVMLLibraryMismatchError)


def _not_answering(error: Exception) -> DriverState:
    problem = _PROBLEMS.get(getattr(error, "value", 0), "other")
    return DriverState(answers=False, problem=problem, detail=str(error))


def _read(nvml: Any, errors: tuple[type[Exception], ...]) -> DriverState:
    count = nvml.nvmlDeviceGetCount()
    return DriverState(
        answers=True,
        version=str(nvml.nvmlSystemGetDriverVersion()),
        cuda=_read_cuda(nvml, errors),
        gpus=tuple(_read_gpu(nvml, errors, index) for index in range(count)),
    )


def _read_cuda(nvml: Any, errors: tuple[type[Exception], ...]) -> tuple[int, int] | None:
    try:
        number = int(nvml.nvmlSystemGetCudaDriverVersion_v2())  # 13000 is 13.0, 12080 is 12.8
    except errors:
        return None
    return number // 1000, number % 1000 // 10


def _read_gpu(nvml: Any, errors: tuple[type[Exception], ...], index: int) -> GpuModel:
    name = None
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = str(nvml.nvmlDeviceGetName(handle))
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    except errors as error:  # one GPU that fell off the bus does not hide the others
        return GpuModel(index=index, name=name, problem=str(error))
    return GpuModel(index=index, name=name, capability=(int(major), int(minor)))


def _shut_down(nvml: Any, errors: tuple[type[Exception], ...]) -> None:
    try:
        nvml.nvmlShutdown()
    except errors:
        return
