"""Memory bandwidth, by arrays that no cache holds."""

from pathlib import Path

from lab.bench.case import Workload, axis, benchmark
from lab.bench.machine import l3_bytes, usable_processors

_MIB = 1 << 20
_LEAST_MIB = 64
# No GPU that we know of has more second-level cache: NVIDIA's B200 has 126 MB.
_ACCELERATOR_CACHE_BYTES = 128 * _MIB
# Where the system does not tell, as on macOS; more than most processors have.
_UNKNOWN_CACHE_BYTES = 64 * _MIB


def last_level_cache_bytes(device: str, root: Path = Path("/")) -> int:
    """The last-level caches of this process's processors together; of an accelerator at most.

    Args:
        device: where the tensors are.
        root: where /sys is.
    """
    if device != "cpu":
        return _ACCELERATOR_CACHE_BYTES
    return l3_bytes(usable_processors(), root) or _UNKNOWN_CACHE_BYTES


def _array_bytes(device: str, size: int) -> int:
    """What is asked for, and at least four times the caches, which is STREAM's own rule."""
    return max(size * _MIB, _LEAST_MIB * _MIB, 4 * last_level_cache_bytes(device))


def _held(device: str, op: str, size: int) -> int:
    return (2 if op == "copy" else 3) * _array_bytes(device, size)


@benchmark(
    memory_bytes=_held,
    op=axis("copy", "triad"),
    size=axis(128, default=(256,), accelerator=(1024,)),
)
def memory(device: str, op: str, size: int) -> Workload:
    """Memory bandwidth: STREAM's copy (b = a) and triad (a = b + s c), far beyond all caches.

    Float32 arrays of `size` MiB each, or more where four times the last-level caches are more.
    Both write to arrays that are there already: a clone() would measure page faults instead.

    Bytes: each array counted once, 2 for copy and 3 for triad. That a CPU may read a line before it
    writes to it is not counted. Source: J. McCalpin, STREAM, "Counting Bytes and FLOPS",
    https://www.cs.virginia.edu/stream/ref.html; the arrays' size is a rule on the same page.
    No FLOP are given, though triad has 2 for each element: memory sets the pace.
    """
    import torch

    array_bytes = _array_bytes(device, size)
    a, b = torch.rand(array_bytes // 4, device=device), torch.zeros(array_bytes // 4, device=device)

    def observe() -> list[str]:
        if array_bytes == size * _MIB:
            return []
        return [
            f"The arrays have {array_bytes // _MIB} MiB each instead of {size}:"
            " STREAM asks for four times the last-level caches."
        ]

    if op == "copy":
        return Workload(
            run=lambda: b.copy_(a), bytes_per_call=2.0 * array_bytes, observe=observe
        )  # fmt: skip
    c = torch.rand_like(b)
    return Workload(
        run=lambda: torch.add(a, c, alpha=3.0, out=b), bytes_per_call=3.0 * array_bytes,
        observe=observe,
    )  # fmt: skip
