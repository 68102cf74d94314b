"""What it takes to make a tensor, apart from what it takes to fill it."""

from collections.abc import Callable

from lab.bench.case import Workload, axis, benchmark

_MIB = 1 << 20


def _held(device: str, kind: str, size: int) -> int:
    return size * _MIB


@benchmark(
    memory_bytes=_held,
    kind=axis("empty", "randn", "randn_", default=("empty", "zeros", "zero_", "randn", "randn_")),
    size=axis(64, default=(1, 64)),
)
def creation(device: str, kind: str, size: int) -> Workload:
    """Make a float32 tensor of `size` MiB: allocation alone, filling alone, or both.

    `empty` allocates and fills nothing; `zero_` and `randn_` (normal_) fill a tensor that is there
    already; `zeros` and `randn` do both. On a CPU both take longer than the two one by one: an
    allocation of 64 MiB is only a promise of pages, and the first write to each page has the system
    find and clear one. torch.zeros writes its zeros itself and so pays for that at once; NumPy's
    zeros asks calloc for pages that are zero when they are first touched, and looks as quick as
    `empty`. 1 MiB is given back to the process's own heap and found there again. On an accelerator
    torch keeps what it was given, so that there too an allocation soon costs next to nothing.

    Bytes: those written, 4 for each element; none for `empty`.
    """
    import torch

    count = size * _MIB // 4
    if kind.endswith("_"):
        there = torch.zeros(count, device=device)
        fill: Callable[[], object] = there.zero_ if kind == "zero_" else there.normal_
        return Workload(run=fill, bytes_per_call=4.0 * count)
    makers: dict[str, Callable[..., object]] = {
        "empty": torch.empty, "zeros": torch.zeros, "randn": torch.randn,
    }  # fmt: skip
    make = makers[kind]
    return Workload(
        run=lambda: make(count, device=device),
        bytes_per_call=None if kind == "empty" else 4.0 * count,
    )
