"""The clock at which a core really runs, measured with multiplications that wait for each other."""

import time
from collections.abc import Callable
from math import inf

from lab.bench.cpu_peaks import Identity, identify, multiply_cycles

# Runs that many multiplications, each of the result of the one before.
Chain = Callable[[int], object]

# What a call costs beside its chain is the same for both lengths, and falls out of the difference.
# The long one's two arrays have 512 KiB each: a core's own cache keeps up with the multiplications.
_SHORT, _LONG = 1 << 13, 1 << 16
# 0.05 ms each: the first ones bring the core up to speed and are not counted.
_WARM_UPS = 600
_REPETITIONS = 600
_READINGS = 24
# Outside of these no processor runs that has a row in the table: the latency must be wrong.
_LEAST_HZ, _MOST_HZ = 0.4e9, 7e9


def measure_clock(
    identity: Identity | None = None,
    *,
    chain: Chain | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> tuple[float | None, str]:
    """Measure the clock of the core that this runs on, alone and warm; takes 0.1 s.

    The megahertz in /proc/cpuinfo are the nominal ones on many machines, a third too low. Here the
    best of many repetitions counts: a disturbed one is slower, none is faster than the clock. With
    all cores busy, or with wide vectors, a core may clock lower than this.

    Args:
        identity: the processor; None asks the machine.
        chain: None takes torch's.
        timer: seconds.

    Returns:
        Hertz and how they were found, or None and why not.

    Source of the latencies: the table in cpu_peaks, by Agner Fog's instruction tables, uops.info
    and Arm's software optimization guides.
    """
    cycles, source = multiply_cycles(identity or identify())
    if cycles is None:
        return None, source
    try:
        seconds = _best_difference(chain or _torch_chain(), timer)
    except (ImportError, RuntimeError) as error:
        return None, f"torch could not run the multiplications: {error}"
    if seconds <= 0:
        return None, "a long chain of multiplications took no longer than a short one"
    return _judged(cycles * (_LONG - _SHORT) / seconds, cycles, source)


def clock_reader(
    *, chain: Chain | None = None, timer: Callable[[], float] = time.perf_counter
) -> Callable[[], float | None]:
    """A function that reads the core's clock in 1.5 ms, warm, to about 1 %.

    For many readings, of which the median counts; its own value is None where `measure_clock`'s is.

    Args:
        chain: None takes torch's.
        timer: seconds.
    """
    cycles, _ = multiply_cycles(identify())
    if cycles is None:
        return lambda: None
    multiplied = chain or _torch_chain()

    def read() -> float | None:
        seconds = _best_of(multiplied, timer, _READINGS)
        return cycles * (_LONG - _SHORT) / seconds if seconds > 0 else None

    return read


def _judged(hz: float, cycles: int, source: str) -> tuple[float | None, str]:
    how = f"dependent 64-bit multiplications of {cycles} cycles each ({source})"
    if not _LEAST_HZ <= hz <= _MOST_HZ:
        return None, f"{how} gave {hz / 1e9:.3g} GHz, which cannot be"
    return hz, f"measured on one core alone with {how}"


def _best_difference(chain: Chain, timer: Callable[[], float]) -> float:
    """Seconds that the long chain takes more than the short one, at their best."""
    for _ in range(_WARM_UPS):
        chain(_LONG)
    return _best_of(chain, timer, _REPETITIONS)


def _best_of(chain: Chain, timer: Callable[[], float], repetitions: int) -> float:
    best = {_SHORT: inf, _LONG: inf}
    for _ in range(repetitions):
        for length in best:
            begin = timer()
            chain(length)
            best[length] = min(best[length], timer() - begin)
    return best[_LONG] - best[_SHORT]


def _torch_chain() -> Chain:
    """A running product, which torch computes on one thread: one multiplication after the other.

    Source: PyTorch, aten/src/ATen/native/cpu/ReduceOpsKernel.cpp, cumprod_cpu_kernel.
    """
    import torch

    # Odd numbers: their product is never 0, whatever a core makes of multiplying by that.
    numbers = torch.full((_LONG,), 3, dtype=torch.int64, device="cpu")
    products = torch.empty_like(numbers)
    pairs = {n: (numbers[:n], products[:n]) for n in (_SHORT, _LONG)}

    def chain(length: int) -> object:
        ones, out = pairs[length]
        return torch.cumprod(ones, 0, out=out)

    return chain
