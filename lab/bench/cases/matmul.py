"""Products of square matrices."""

import functools
from collections.abc import Callable

from lab.bench.case import NotHere, Workload, axis, benchmark
from lab.bench.cases.memory import last_level_cache_bytes
from lab.bench.dtypes import ITEM_BYTES, in_precision, require_dtype, require_speed, torch_dtype


def _flush_bytes(device: str) -> int:
    """Twice a CPU's last-level caches; a GPU's hash addresses, so four times."""
    return (2 if device == "cpu" else 4) * last_level_cache_bytes(device)


def _held(device: str, size: int, dtype: str, cache: str) -> int:
    matrices = 3 * size**2 * ITEM_BYTES[dtype]
    if dtype == "float8":  # the product is bfloat16; one of the factors is float32 at first
        matrices = size**2 * (1 + 1 + 2 + 4)
    return matrices + (_flush_bytes(device) if cache == "cold" else 0)


def _makes_no_sense(device: str, size: int, dtype: str, cache: str) -> bool:
    """The matrices leave no room in a cache for anything of the call before."""
    return cache == "cold" and size > 1024


def _takes_long(device: str, size: int, dtype: str, cache: str) -> bool:
    if device == "cpu":
        # One call may take no more than 2 s on a small CPU, and the rows must not become too many.
        return dtype != "float32" and (size > 2048 or cache == "cold")
    return dtype == "float64" and size > 4096  # seconds on most GPUs


@benchmark(
    memory_bytes=_held,
    skip=_makes_no_sense,
    on_request=_takes_long,
    size=axis(
        512, 2048, default=(512, 2048, 4096), full=(256, 512, 1024, 2048, 4096, 8192),
        accelerator=(4096, 1024, 8192),
    ),
    dtype=axis(
        "float32", "bfloat16",
        default=("float64", "float32", "tf32", "bfloat16", "float16", "float8"),
    ),
    cache=axis("hot", default=("hot", "cold")),
)  # fmt: skip
def matmul(device: str, size: int, dtype: str, cache: str) -> Workload:
    """Product of two square matrices into a third: (size, size) @ (size, size) -> (size, size).

    FLOP: 2 size^3, a multiplication and an addition for each of size^3 pairs. Source: G. Golub and
    C. Van Loan, Matrix Computations, section 1.1, whose flop is the same.
    Bytes: the three matrices, each once. In float8 (e4m3, torch._scaled_mm with fast accumulation)
    the product is bfloat16.

    `cold`: before each call, untimed, a buffer of twice the last-level cache (on a GPU four times)
    is overwritten, so that the matrices come from memory.
    """
    import torch

    require_dtype(device, dtype)
    if dtype == "float8" and size % 16:
        raise NotHere(f"A float8 product needs a size that 16 divides, which {size} is not.")
    flop = 2.0 * size**3
    require_speed(device, dtype, flop)
    run = _product(device, size, dtype)
    item = ITEM_BYTES[dtype]
    flush: Callable[[], object] | None = None
    if cache == "cold":
        buffer = torch.zeros(_flush_bytes(device) // 4, device=device)
        flush = functools.partial(buffer.add_, 1)  # reads too: no store can go around the cache
    return Workload(
        run=in_precision(run, device, dtype), flop_per_call=flop,
        bytes_per_call=float(size**2 * (2 * item + (2 if dtype == "float8" else item))),
        flush=flush,
    )  # fmt: skip


def _product(device: str, size: int, dtype: str) -> Callable[[], object]:
    import torch

    if dtype == "float8":
        return _scaled_product(device, size)
    a, b, c = (torch.randn(size, size, device=device, dtype=torch_dtype(dtype)) for _ in range(3))
    return lambda: torch.mm(a, b, out=c)


def _scaled_product(device: str, size: int) -> Callable[[], object]:
    """In float8, which has no torch.mm: the second factor lies by columns, and each has a scale."""
    import torch

    a = torch.randn(size, size, device=device).to(torch.float8_e4m3fn)
    b = torch.randn(size, size, device=device).to(torch.float8_e4m3fn).t()
    scale = torch.ones((), device=device)
    c = torch.empty(size, size, device=device, dtype=torch.bfloat16)
    return lambda: torch._scaled_mm(
        a, b, scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16, use_fast_accum=True, out=c
    )
