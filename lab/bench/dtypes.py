"""The number formats that cases sweep: their sizes, and what a device makes of them."""

from collections.abc import Callable
from functools import cache
from typing import Any

from lab.bench.case import NotHere

ITEM_BYTES: dict[str, int] = {
    "float64": 8, "float32": 4, "tf32": 4, "bfloat16": 2, "float16": 2, "float8": 1,
}  # fmt: skip
"""Bytes of one number in memory; tf32 is float32 there, and narrower in the products alone."""

# NVIDIA's compute capability from which tensor cores take a format: "Compute Capabilities" in
# https://docs.nvidia.com/cuda/cuda-c-programming-guide/
_SINCE = {"tf32": (8, 0), "bfloat16": (8, 0), "float8": (8, 9)}
_ON_MPS = ("float32", "bfloat16", "float16")

_NATIVE = {"bfloat16": "AVX512-BF16 or AMX", "float16": "AVX512-FP16 or AMX-FP16"}
_TRIAL_SIZE = 256
# On one thread: with instructions of its own a format is faster than float32, not slower.
_EMULATED_TIMES_SLOWER = 10
_MOST_TIMES_SLOWER = 50
_LONGEST_CALL_S = 2.0


def torch_dtype(name: str) -> Any:
    """The torch.dtype that tensors have under this name."""
    import torch

    special = {"tf32": torch.float32, "float8": torch.float8_e4m3fn}
    return special[name] if name in special else getattr(torch, name)


def require_dtype(device: str, name: str) -> None:
    """See that a device has this number format.

    Raises:
        NotHere: it does not.
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        _require_on_cuda(device, name)
    elif name == "tf32":
        raise NotHere(
            "tf32 is a mode of NVIDIA GPUs from compute capability 8.0 on;"
            f" this is {_called(kind)}."
        )
    elif name == "float8":
        raise NotHere(
            "float8 products need an NVIDIA GPU from compute capability 8.9 on;"
            f" this is {_called(kind)}."
        )
    elif kind == "mps" and name not in _ON_MPS:
        raise NotHere(f"Apple's GPUs have no {name}; a CPU or an NVIDIA GPU has.")


def _require_on_cuda(device: str, name: str) -> None:
    import torch

    if name not in _SINCE:
        return
    if torch.version.hip:
        if name != "bfloat16":
            raise NotHere(f"{name} is measured on NVIDIA GPUs alone; this is an AMD GPU.")
        return
    have, need = torch.cuda.get_device_capability(device), _SINCE[name]
    if have < need:
        raise NotHere(
            f"{name} needs an NVIDIA GPU from compute capability {need[0]}.{need[1]} on;"
            f" this one has {have[0]}.{have[1]}."
        )


def _called(kind: str) -> str:
    return {"cpu": "a CPU", "mps": "an Apple GPU"}.get(kind, f"a device of the kind {kind}")


@cache
def _product_s(name: str, alone: bool) -> float:
    """Seconds of a small product on the CPU, the best of five.

    Args:
        name: of the format.
        alone: on one thread, by that thread's processor time, which no other program can lengthen;
            else on all threads, by the wall's.
    """
    import time

    import torch

    threads, clock = torch.get_num_threads(), time.thread_time if alone else time.perf_counter
    a = torch.randn(_TRIAL_SIZE, _TRIAL_SIZE).to(torch_dtype(name))
    if alone:
        torch.set_num_threads(1)
    try:
        torch.mm(a, a)
        return min(_seconds(lambda: torch.mm(a, a), clock) for _ in range(5))
    finally:
        torch.set_num_threads(threads)


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begin = clock()
    call()
    return clock() - begin


def require_speed(
    device: str, name: str, flop: float, product_s: Callable[[str, bool], float] = _product_s
) -> None:
    """See that a CPU is not hopelessly slow in this format, as where it has to emulate it.

    Args:
        device: anything but a CPU is not tried.
        name: only the formats of half the width are tried; all CPUs have the others.
        flop: operations of one call.
        product_s: seconds that a product of size 256 takes in a format, on one thread or on all.

    Raises:
        NotHere: it is over 50 times slower than float32, or one call would take over 2 s.
    """
    if device != "cpu" or name not in _NATIVE:
        return
    float32 = product_s("float32", True)
    if product_s(name, True) <= _EMULATED_TIMES_SLOWER * float32:
        return
    this, float32 = product_s(name, False), min(product_s("float32", False), float32)
    if this > _MOST_TIMES_SLOWER * float32:
        raise NotHere(
            f"{name} is {this / float32:.0f} times slower than float32 on this CPU"
            f" ({this * 1e3:.1f} ms against {float32 * 1e3:.2f} ms for a product of size"
            f" {_TRIAL_SIZE}); it needs one with instructions for it, such as {_NATIVE[name]}."
        )
    call_s = this * flop / (2 * _TRIAL_SIZE**3)
    if call_s > _LONGEST_CALL_S:
        raise NotHere(
            f"In {name} one call would take about {call_s:.0f} s on this CPU, which is"
            f" {this / float32:.0f} times slower at it than at float32. A smaller size would do."
        )


def in_precision(run: Callable[[], object], device: str, name: str) -> Callable[[], object]:
    """The same call with its float32 products in the precision that the name says, on CUDA.

    There float32 and tf32 differ in a setting of the whole process alone, which is read when a
    kernel is launched. So each call sets it and puts it back (0.4 us together), and workloads that
    take turns do not change each other. Both names need it: by default torch rounds to tf32 in
    convolutions, and NVIDIA's images do in products too.
    """
    if device.partition(":")[0] != "cuda" or name not in ("float32", "tf32"):
        return run
    import torch

    cudnn, products = torch.backends.cudnn, torch.set_float32_matmul_precision
    products_before, convolutions_before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    tf32 = name == "tf32"
    products_here = "high" if tf32 else "highest"

    def in_its_precision() -> object:
        products(products_here)
        cudnn.allow_tf32 = tf32
        try:
            return run()
        finally:
            products(products_before)
            cudnn.allow_tf32 = convolutions_before

    return in_its_precision
