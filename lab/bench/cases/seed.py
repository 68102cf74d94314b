"""The speed test of the course's own notebook, as it was and as it can be trusted."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.bench.case import Workload, axis, benchmark
from lab.bench.dtypes import in_precision
from lab.memory import cgroup_limits

# The notebook's sizes; a scale divides the last two.
_ROWS, _INNER, _COLUMNS = 1024, 10_000, 30_000
_SCALES = (1, 2, 4, 5, 10, 20)
# That the notebook's loop may take at its own size; a scale divides it by its square, as the work.
_MOST_S = 600.0


def memory_limit_bytes(root: Path = Path("/")) -> int:
    """What this process may have at most: the machine's memory, or less by its control group.

    Not what is free just now: that differs between the processes of a run, and with it the sizes
    would.

    Args:
        root: where the control group is described.
    """
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = cgroup_limits(root).memory_bytes
    return total if limit is None else min(total, limit)


def _numbers(scale: int) -> tuple[int, int, int]:
    """How many numbers x, w and y have."""
    inner, columns = _INNER // scale, _COLUMNS // scale
    return _ROWS * inner, inner * columns, _ROWS * columns


def _bytes_held(part: str, scale: int) -> int:
    x, w, y = _numbers(scale)
    # The notebook's own loop comes on top, and holds its last result until the next is there.
    return 4 * (x + w if part == "creation" else 2 * (x + w + y))


def fitting_scale(device: str, scale: int, limit_bytes: int) -> int:
    """The scale asked for, or the smallest larger one that takes at most half of the memory.

    Args:
        device: on an accelerator the scale stays.
        scale: that asked for.
        limit_bytes: the memory that there is.
    """
    if device != "cpu":
        return scale
    larger = (s for s in (scale, *_SCALES) if s >= scale)
    return next((s for s in larger if 2 * _bytes_held("product", s) <= limit_bytes), scale)


def _held(device: str, part: str, scale: int) -> int:
    return _bytes_held(part, fitting_scale(device, scale, memory_limit_bytes()))


@benchmark(
    memory_bytes=_held,
    part=axis("creation", "product"),
    scale=axis(10, default=(4,), full=(1,), accelerator=(1,)),
)
def seed(device: str, part: str, scale: int) -> Workload:
    """The notebook's test_speed: randn (1024, 10000) and (10000, 30000), and their product.

    `scale` divides 10000 and 30000. Where the machine has too little memory the smallest larger one
    of 1, 2, 4, 5, 10 and 20 takes its place; the notes then say so. They also hold what the
    notebook itself would print here: its loop runs once and a hundred times, by its own clock.

    FLOP of `product`: 2 * 1024 * 10000 * 30000 / scale^2, which is 614.4 GFLOP at scale 1.
    `creation` has none.
    Bytes of `product`: x, w and y, each once; of `creation` those written. As in the notebook, each
    call makes its result anew.
    """
    import torch

    asked, scale = scale, fitting_scale(device, scale, memory_limit_bytes())
    inner, columns = _INNER // scale, _COLUMNS // scale
    x_numbers, w_numbers, y_numbers = _numbers(scale)
    if part == "creation":
        return Workload(
            run=lambda: (
                torch.randn(_ROWS, inner, device=device),
                torch.randn(inner, columns, device=device),
            ),
            bytes_per_call=4.0 * (x_numbers + w_numbers),
        )
    x = torch.randn(_ROWS, inner, device=device)
    w = torch.randn(inner, columns, device=device)
    return Workload(
        run=in_precision(lambda: torch.matmul(x, w), device, "float32"), flop_per_call=_flop(scale),
        bytes_per_call=4.0 * (x_numbers + w_numbers + y_numbers),
        observe=lambda: observed_lines(
            device, asked, scale, wait=lambda: torch.accelerator.synchronize(device)
        ),
    )  # fmt: skip


def _flop(scale: int) -> float:
    return 2.0 * _ROWS * (_INNER // scale) * (_COLUMNS // scale)


def _test_speed(
    device_name: str, rep: int, scale: int, wait: Callable[[], object] | None
) -> tuple[str, float]:
    """The notebook's function; instead of printing its line it returns it and the products' time.

    Args:
        device_name: as the notebook has it.
        rep: how many products.
        scale: divides two of the sizes.
        wait: called before each look at the clock after work; the notebook called nothing.
    """
    import torch

    device = torch.device(device_name)
    tic1 = time.time()
    x = torch.randn(_ROWS, _INNER // scale, device=device)
    w = torch.randn(_INNER // scale, _COLUMNS // scale, device=device)
    if wait:
        wait()
    tic2 = time.time()
    for _ in range(rep):
        y = torch.matmul(x, w)  # noqa: F841  # kept until the next one is there, as in the notebook
    if wait:
        wait()
    tic3 = time.time()
    line = (
        f"Dispositivo: {device_name}. Cantidad de repeticiones: {rep}. Duración:"
        f" {(tic2 - tic1) * 1e3:.2f}ms + {(tic3 - tic2) * 1e3:.2f}ms = {(tic3 - tic1) * 1e3:.2f}ms"
    )
    return line, tic3 - tic2


def observed_lines(device: str, asked: int, scale: int, wait: Callable[[], object]) -> list[str]:
    """What the notebook prints here, what that amounts to, and why its lines differ.

    Args:
        device: where to run it.
        asked: the scale asked for.
        scale: the scale that fits.
        wait: waits until the device has finished; not called on a CPU.
    """
    lines = [*_about_sizes(asked, scale), *_about_times(device, scale, wait=None)]
    if device == "cpu":
        return [
            *lines,
            "On a CPU both lines time the products themselves, but a single one also pays for what"
            " the next find ready: memory for the result, threads that wait for work.",
        ]
    wait()  # for what the loops above have left in the queue
    return [
        *lines,
        "The notebook's clock is read before the device has finished: its lines time how fast"
        " products are launched, not how fast they are done. The same with a wait for the device"
        " before the clock is read:",
        *_about_times(device, scale, wait),
    ]


def _about_sizes(asked: int, scale: int) -> list[str]:
    if scale == 1:
        return []
    lines = [
        f"The notebook's sizes divided by {scale}: x (1024, {_INNER // scale}),"
        f" w ({_INNER // scale}, {_COLUMNS // scale}), {_flop(scale) / 1e9:.1f} GFLOP a product;"
        " its own are x (1024, 10000), w (10000, 30000), 614.4 GFLOP."
    ]
    if scale != asked:
        lines.append(
            f"Divided by {asked}, as asked, they would take more than half of the memory here."
        )
    return lines


def _about_times(device: str, scale: int, wait: Callable[[], object] | None) -> Iterator[str]:
    each_s = 0.0
    for wished in (1, 100):
        rep = wished
        if wished * each_s > _MOST_S / scale**2:
            rep = max(1, int(_MOST_S / scale**2 / each_s))
            yield f"{wished} products would take {wished * each_s:.0f} s here: {rep} instead."
        line, products_s = _test_speed(device, rep, scale, wait)
        each_s = products_s / rep
        rate = _flop(scale) / each_s / 1e12 if each_s > 0 else math.inf
        yield line
        yield f"That is {each_s * 1e3:.4g} ms a product, {rate:.3g} TFLOP/s by this clock."
