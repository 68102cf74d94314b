import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pynvml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.bench import machine
from lab.bench.cpu_peaks import Identity
from lab.bench.machine import (
    blas_name,
    l3_bytes,
    physical_cores,
    read_cpu,
    read_environment,
    read_gpu,
    usable_processors,
)
from lab.records.bench import CgroupLimits, Environment

X86 = """PyTorch built with:
  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for Intel(R) 64
  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80afa71049cd69a3df32adcccb623b12cd7baa22)
  - Build settings: BLAS_INFO=mkl, BUILD_TYPE=Release
"""
ARM = """PyTorch built with:
  - Intel(R) MKL-DNN v3.7.1 (Git Hash 8d263e693366ef8db40acc569cc7d8edf644556d)
  - Build settings: BLAS_INFO=open, BUILD_TYPE=Release
"""
MAC = "PyTorch built with:\n  - Build settings: BLAS_INFO=accelerate, BUILD_TYPE=Release"


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (X86, "MKL 2024.2, oneDNN 3.12.0"),
        (ARM, "OpenBLAS, oneDNN 3.7.1"),
        (MAC, "Accelerate"),
        ("PyTorch built with:", None),
    ],
)
def test_blas_is_named_with_the_version_that_torch_tells(config: str, name: str | None) -> None:
    assert blas_name(config) == name


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def cpu(root: Path, number: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{number}"


def test_two_threads_of_a_core_are_one_core(tmp_path: Path) -> None:
    for number in range(8):
        put(cpu(tmp_path, number) / "topology/core_cpus_list", f"{number % 4},{number % 4 + 4}")
    assert physical_cores({0, 1, 4, 5}, tmp_path) == 2
    assert physical_cores({0, 1, 2, 3}, tmp_path) == 4


def test_older_kernels_name_for_siblings_is_read(tmp_path: Path) -> None:
    for number in range(2):
        put(cpu(tmp_path, number) / "topology/thread_siblings_list", "0-1")
    assert physical_cores({0, 1}, tmp_path) == 1


def test_cores_are_unknown_where_one_processor_says_nothing(tmp_path: Path) -> None:
    put(cpu(tmp_path, 0) / "topology/core_cpus_list", "0")
    assert physical_cores({0, 1}, tmp_path) is None


@given(st.sets(st.integers(0, 15), min_size=1), st.integers(1, 4))
def test_cores_are_between_one_and_the_processors(
    tmp_path_factory: pytest.TempPathFactory, usable: set[int], threads: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    for number in range(16):
        first = number - number % threads
        put(cpu(root, number) / "topology/core_cpus_list", f"{first}-{first + threads - 1}")
    assert physical_cores(usable, root) == len({number // threads for number in usable})


def test_each_third_level_cache_counts_once(tmp_path: Path) -> None:
    for number, sharing in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        cache = cpu(tmp_path, number) / "cache"
        for index, level, size, shared in [
            (0, "1", "48K", str(number)), (2, "2", "1024K", str(number)), (3, "3", "32M", sharing),
        ]:  # fmt: skip
            put(cache / f"index{index}/level", level)
            put(cache / f"index{index}/size", size)
            put(cache / f"index{index}/shared_cpu_list", shared)
    assert l3_bytes({0, 1}, tmp_path) == 32 << 20
    assert l3_bytes({0, 2, 3}, tmp_path) == 64 << 20


def test_processor_without_a_third_level_has_none(tmp_path: Path) -> None:
    assert l3_bytes({0}, tmp_path) is None


def test_usable_processors_are_those_of_all_threads() -> None:
    """OpenMP ties the first thread to a single one; the others still work elsewhere."""
    allowed = usable_processors()
    if len(allowed) < 2 or not hasattr(os, "sched_setaffinity"):
        pytest.skip("this process has one processor, or none can be chosen")
    tied, over = threading.Event(), threading.Event()

    def tie() -> None:
        os.sched_setaffinity(0, {min(allowed)})
        tied.set()
        over.wait(30)

    thread = threading.Thread(target=tie)
    thread.start()
    assert tied.wait(30)
    try:
        assert usable_processors() == allowed
    finally:
        over.set()
        thread.join()


UNKNOWN = Identity(model="Some processor")


@pytest.mark.parametrize(("cpus", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (99.0, 4)])
def test_limit_of_the_control_group_caps_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpus: float, cores: int
) -> None:
    monkeypatch.setattr(machine, "usable_processors", lambda: set(range(8)))
    for number in range(8):
        put(cpu(tmp_path, number) / "topology/core_cpus_list", f"{number % 4},{number % 4 + 4}")
    found = read_cpu(UNKNOWN, CgroupLimits(cpus=cpus), root=tmp_path, torch=torch)
    assert (found.cores, found.logical) == (cores, 8)


def test_unknown_processor_says_why_it_has_no_clock(tmp_path: Path) -> None:
    found = read_cpu(UNKNOWN, CgroupLimits(), root=tmp_path, torch=torch)
    assert (found.clock_hz, found.cores) == (None, found.logical)
    assert found.clock_source == "how long Some processor takes to multiply is not in the table"


def test_environment_of_this_machine() -> None:
    found = read_environment("cpu")
    assert found.torch == torch.__version__
    assert found.threads == torch.get_num_threads()
    assert found.matmul_precision == torch.get_float32_matmul_precision()
    assert found.cpu is not None
    assert 1 <= found.cpu.cores <= found.cpu.logical <= (os.cpu_count() or 1)
    assert found.gpu is None
    for left_to_the_caller in ("engine", "image", "image_digest", "lock_sha256", "floor_percent"):
        assert getattr(found, left_to_the_caller) is None
    dtypes = [peak.dtype for peak in found.peaks]
    assert dtypes in ([], ["float64", "float32", "bfloat16", "float16"])
    assert bool(dtypes) <= (found.cpu.clock_hz is not None)
    text = msgspec.json.encode(found)
    assert msgspec.json.decode(text, type=Environment) == found


class Broken:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(name)


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "mps", "xpu", "warp"])
def test_what_cannot_be_read_is_null(device: str, tmp_path: Path) -> None:
    found = read_environment(device, root=tmp_path, torch=Broken(), nvml=Broken())
    assert (found.torch, found.blas, found.threads, found.gpu) == (None, None, None, None)
    assert found.cgroup == CgroupLimits()
    assert found.python


def properties(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{
            "name": "NVIDIA H200", "major": 9, "minor": 0, "total_memory": 150_000_000_000,
            "multi_processor_count": 132, "uuid": "8a1b", "clock_rate": 1_980_000,
            "memory_clock_rate": 3_201_000, "memory_bus_width": 6144, **changes,
        }
    )  # fmt: skip


def fake_torch(hip: str | None = None, **gpu: Any) -> Any:
    cuda = SimpleNamespace(get_device_properties=lambda device: properties(**gpu))
    return SimpleNamespace(version=SimpleNamespace(hip=hip), cuda=cuda)


class FakeNvml:
    """Answers as nvidia-ml-py does; a function that is given replaces an answer."""

    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers: dict[str, Callable[..., Any]] = {
            "Init": lambda: None,
            "SystemGetDriverVersion": lambda: "580.65.06",
            "DeviceGetHandleByUUID": lambda uuid: uuid,
            "DeviceGetMaxClockInfo": lambda handle, kind: 1980,
            "DeviceGetEnforcedPowerLimit": lambda handle: 700_000,
            "Shutdown": lambda: None,
            **answers,
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.answers[name.removeprefix("nvml")]


def refuse(*arguments: Any) -> Any:
    raise pynvml.NVMLError(3)


def test_gpu_is_read_from_torch_and_its_driver() -> None:
    torch_module = fake_torch()
    gpu, peaks = read_gpu(properties(), torch=torch_module, nvml=FakeNvml())
    assert (gpu.name, gpu.uuid, gpu.capability) == ("NVIDIA H200", "GPU-8a1b", "9.0")
    assert (gpu.driver, gpu.max_clock_hz, gpu.power_limit_w) == ("580.65.06", 1.98e9, 700.0)
    assert (gpu.multiprocessors, gpu.memory_bytes) == (132, 150_000_000_000)
    memory = next(peak for peak in peaks if peak.kind == "bytes")
    assert memory.per_s == 4.8e12


def test_gpu_that_the_driver_does_not_tell_of_is_read_from_torch() -> None:
    nvml = FakeNvml(Init=refuse)
    gpu, peaks = read_gpu(properties(name="NVIDIA Next"), torch=fake_torch(), nvml=nvml)
    assert (gpu.driver, gpu.power_limit_w, gpu.max_clock_hz) == (None, None, 1.98e9)
    memory = next(peak for peak in peaks if peak.kind == "bytes")
    assert memory.per_s == pytest.approx(4.917e12, rel=1e-3)


def test_field_that_the_driver_refuses_does_not_hide_the_others() -> None:
    nvml = FakeNvml(DeviceGetEnforcedPowerLimit=refuse)
    gpu, _ = read_gpu(properties(), torch=fake_torch(), nvml=nvml)
    assert (gpu.driver, gpu.power_limit_w, gpu.max_clock_hz) == ("580.65.06", None, 1.98e9)


def test_driver_that_hangs_does_not_hold_up_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_NVML_S", 0.01)
    over = threading.Event()
    before = set(threading.enumerate())
    try:
        gpu, _ = read_gpu(properties(), torch=fake_torch(), nvml=FakeNvml(Init=over.wait))
    finally:
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
    assert (gpu.name, gpu.driver) == ("NVIDIA H200", None)


def test_gpu_by_amd_has_no_cuda_capability_and_no_peak() -> None:
    """torch counts gfx90a as 9.0 too."""
    mi250 = properties(name="AMD Instinct MI250X", uuid="1")
    gpu, peaks = read_gpu(mi250, torch=fake_torch(hip="6.4"), nvml=Broken())
    assert (gpu.name, gpu.capability, peaks) == ("AMD Instinct MI250X", None, [])


def test_peaks_are_those_of_the_device_that_is_measured() -> None:
    found = read_environment("cuda:0", torch=fake_torch(), nvml=FakeNvml())
    assert found.gpu is not None
    assert found.gpu.uuid == "GPU-8a1b"
    assert {peak.basis for peak in found.peaks} == {"nominal"}
    assert found.cpu is not None
