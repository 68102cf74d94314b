"""Where a run is measured: machine, versions, limits and peaks, as the process itself sees them."""

import math
import os
import platform
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lab.bench.clock import measure_clock
from lab.bench.cpu_peaks import Identity, cpu_peaks, identify
from lab.bench.gpu_peaks import gpu_peaks
from lab.bench.settings import read_settings
from lab.memory import cgroup_limits
from lab.records.bench import CgroupLimits, CpuFacts, Environment, GpuFacts, Peak

T = TypeVar("T")

# Without persistence mode the driver takes seconds to wake up; one that hangs never answers.
_NVML_S = 10.0

_BLAS = {"mkl": "MKL", "open": "OpenBLAS", "accelerate": "Accelerate", "veclib": "Accelerate"}


def read_environment(
    device: str, *, root: Path = Path("/"), torch: Any = None, nvml: Any = None
) -> Environment:
    """Read all that this process can say of where it measures; what cannot be read is null.

    To be called where torch is loaded and its threads are set. Measures the clock, which takes
    0.1 s. The engine, the image, the lock file and the repeatability floor are the caller's to add.

    Args:
        device: that the run is on; its peaks are given.
        root: where /proc and /sys are.
        torch: the module; None imports it.
        nvml: the module to ask for the driver; None takes nvidia-ml-py.
    """
    torch = torch or _or_none(_import_torch)
    identity = _or_none(lambda: identify(root)) or Identity(model=platform.machine())
    limits = _or_none(lambda: cgroup_limits(root)) or CgroupLimits()
    cpu = _or_none(lambda: read_cpu(identity, limits, root=root, torch=torch))
    gpu, peaks = _or_none(lambda: _accelerator(device, torch, nvml)) or (None, [])
    if cpu is not None and device.partition(":")[0] == "cpu":
        peaks = _or_none(lambda: cpu_peaks(cpu, identity.flags)) or []
    return Environment(
        host=platform.node() or None,
        platform=_or_none(platform.platform),
        python=platform.python_version(),
        torch=_or_none(lambda: str(torch.__version__)),
        blas=_or_none(lambda: blas_name(torch.__config__.show())),
        threads=_or_none(lambda: int(torch.get_num_threads())),
        interop_threads=_or_none(lambda: int(torch.get_num_interop_threads())),
        matmul_precision=_or_none(lambda: str(torch.get_float32_matmul_precision())),
        cpu=cpu,
        gpu=gpu,
        cgroup=limits,
        settings=_or_none(lambda: read_settings(root)),
        peaks=peaks,
    )


def _or_none(read: Callable[[], T]) -> T | None:
    """What could not be found out is null: no figure is lost because a driver or a file is odd."""
    try:
        return read()
    except Exception:
        return None


def _import_torch() -> Any:
    import torch

    return torch


def blas_name(config: str) -> str | None:
    """Name and version of the library behind matrix products, and of oneDNN beside it.

    Args:
        config: the text of torch.__config__.show(); it has no version of OpenBLAS and Accelerate.
    """
    found = []
    info = re.search(r"BLAS_INFO=(\w+)", config)
    mkl = re.search(r"Math Kernel Library Version ([\d.]+)", config)
    if mkl:
        found.append(f"MKL {mkl[1]}")
    elif info:
        found.append(_BLAS.get(info[1].lower(), info[1]))
    onednn = re.search(r"(?:MKL-DNN|oneDNN|OneDNN) v([\d.]+)", config)
    if onednn:
        found.append(f"oneDNN {onednn[1]}")
    return ", ".join(found) or None


def read_cpu(
    identity: Identity, limits: CgroupLimits, *, root: Path = Path("/"), torch: Any
) -> CpuFacts:
    """Read the processor that this process may use, and measure its clock.

    Args:
        identity: what it says of itself.
        limits: of the control group: half a core too much is better than a peak that is passed.
        root: where /sys is.
        torch: the module.
    """
    usable = usable_processors()
    cores = physical_cores(usable, root) or len(usable)
    if limits.cpus is not None:
        cores = min(cores, math.ceil(limits.cpus))
    clock = _or_none(lambda: measure_clock(identity))
    clock_hz, clock_source = clock or (None, "it could not be measured")
    return CpuFacts(
        model=identity.model,
        vendor=identity.vendor,
        family=identity.family,
        model_number=identity.model_number,
        isa=_or_none(lambda: str(torch.backends.cpu.get_cpu_capability()).lower()),
        cores=max(1, cores),
        logical=len(usable),
        clock_hz=clock_hz,
        clock_source=clock_source,
        l3_bytes=l3_bytes(usable, root),
    )


def usable_processors() -> set[int]:
    """The logical processors that this process may use, by the affinity of all its threads.

    OpenMP may have tied each of them, the first one too, to a processor of its own.
    """
    if not hasattr(os, "sched_getaffinity"):  # macOS has none
        return set(range(os.cpu_count() or 1))
    usable = set(os.sched_getaffinity(0))
    for thread in Path("/proc/self/task").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            usable |= os.sched_getaffinity(int(thread.name))
    return usable


def physical_cores(usable: set[int], root: Path = Path("/")) -> int | None:
    """How many cores have at least one of these logical processors; None where nobody tells."""
    siblings = {_siblings(root / f"sys/devices/system/cpu/cpu{cpu}/topology") for cpu in usable}
    if None not in siblings:
        return len(siblings)
    return _or_none(_cores_by_psutil) if root == Path("/") else None


def _siblings(topology: Path) -> str | None:
    """The logical processors of one core, as Linux lists them; older kernels call it the second."""
    return _text(topology / "core_cpus_list") or _text(topology / "thread_siblings_list")


def _cores_by_psutil() -> int | None:
    import psutil

    cores: int | None = psutil.cpu_count(logical=False)
    return cores


def l3_bytes(usable: set[int], root: Path = Path("/")) -> int | None:
    """All third-level caches that these processors share, added up; None where there is none."""
    caches = {
        cache: size
        for cpu in usable
        for cache, size in _l3_caches(root / f"sys/devices/system/cpu/cpu{cpu}/cache")
    }
    return sum(caches.values()) or None


def _l3_caches(folder: Path) -> Iterator[tuple[str, int]]:
    """Which processors share a cache, and its size."""
    for index in sorted(folder.glob("index*")):
        size = re.fullmatch(r"(\d+)([KM]?)", _text(index / "size") or "")
        if _text(index / "level") == "3" and size:
            factor = {"": 1, "K": 1 << 10, "M": 1 << 20}[size[2]]
            yield _text(index / "shared_cpu_list") or str(folder), int(size[1]) * factor


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _accelerator(device: str, torch: Any, nvml: Any) -> tuple[GpuFacts | None, list[Peak]]:
    kind = device.partition(":")[0]
    if kind == "cpu":
        return None, []
    if kind == "cuda":
        return read_gpu(torch.cuda.get_device_properties(device), torch=torch, nvml=nvml)
    if kind == "mps":
        memory = int(torch.mps.recommended_max_memory())
        return GpuFacts(name=f"{identify().model} GPU", memory_bytes=memory), []
    properties = getattr(torch, kind).get_device_properties(device)
    driver = getattr(properties, "driver_version", None)
    return GpuFacts(
        name=str(properties.name),
        driver=driver and str(driver),
        memory_bytes=getattr(properties, "total_memory", None),
    ), []


def read_gpu(properties: Any, *, torch: Any, nvml: Any = None) -> tuple[GpuFacts, list[Peak]]:
    """Facts of a GPU and its peaks.

    Args:
        properties: of torch.cuda.get_device_properties; clocks in kilohertz.
        torch: the module; on ROCm there is no CUDA capability, and NVML does not know the GPU.
        nvml: the module; None takes nvidia-ml-py.
    """
    amd = bool(getattr(torch.version, "hip", None))
    uuid = getattr(properties, "uuid", None)
    told = {} if amd or uuid is None else _within(_NVML_S, lambda: _ask_nvml(f"GPU-{uuid}", nvml))
    gpu = GpuFacts(
        name=str(properties.name),
        uuid=None if uuid is None else f"GPU-{uuid}",
        driver=told.get("driver"),
        capability=None if amd else f"{properties.major}.{properties.minor}",
        memory_bytes=getattr(properties, "total_memory", None),
        multiprocessors=getattr(properties, "multi_processor_count", None),
        max_clock_hz=told.get("clock_hz") or _hz(properties, "clock_rate"),
        power_limit_w=told.get("power_limit_w"),
    )
    width = getattr(properties, "memory_bus_width", None)
    return gpu, [] if amd else gpu_peaks(gpu, _hz(properties, "memory_clock_rate"), width)


def _hz(properties: Any, name: str) -> float | None:
    khz = getattr(properties, name, None)
    return khz * 1e3 if khz else None


def _within(seconds: float, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was read, or nothing if that takes longer; the one who reads is left behind."""
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(_or_none(read) or {}), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else {}


def _ask_nvml(uuid: str, nvml: Any) -> dict[str, Any]:
    """The driver's version, the multiprocessors' maximum clock, the power limit."""
    if nvml is None:
        import pynvml

        nvml = pynvml
    nvml.nvmlInit()
    try:
        told: dict[str, Any] = {"driver": _or_none(lambda: str(nvml.nvmlSystemGetDriverVersion()))}
        handle = _or_none(lambda: nvml.nvmlDeviceGetHandleByUUID(uuid))
        if handle is not None:
            told["clock_hz"] = _or_none(
                lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6
            )
            told["power_limit_w"] = _or_none(
                lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3
            )
        return told
    finally:
        _or_none(nvml.nvmlShutdown)
