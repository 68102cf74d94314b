"""What NVML says while the cases run: per block for the samples, per case for the record."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lab.bench.sampler import Block
from lab.gpu.telemetry import Watch
from lab.records.bench import Telemetry


class Watching(Protocol):
    """Looks at the device while it works."""

    def energy_j(self) -> float | None:
        """Energy used so far, in joules."""
        ...

    def disturbance(self, begin: float, end: float) -> str | None:
        """Why a sample between two times does not count."""
        ...

    def saw(self, block: Block, calls: int) -> None:
        """Take note of a block of samples."""
        ...

    def telemetry(self) -> Iterator[tuple[int, Telemetry]]:
        """What was seen, case by case."""
        ...


class NoWatch:
    """A device that NVML does not know."""

    def energy_j(self) -> float | None:
        """Nobody counts it."""
        return None

    def disturbance(self, begin: float, end: float) -> str | None:
        """Nobody looks."""
        return None

    def saw(self, block: Block, calls: int) -> None:
        """Nothing to note."""

    def telemetry(self) -> Iterator[tuple[int, Telemetry]]:
        """Nothing was seen."""
        return iter(())


class NvmlWatch:
    """An NVIDIA GPU, read by a thread while the cases run in turn."""

    def __init__(self, watch: Watch) -> None:
        """Keep the watch, which has been started."""
        self._watch = watch
        self._intervals: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._energy_j: dict[int, float] = defaultdict(float)
        self._calls: dict[int, int] = defaultdict(int)

    def energy_j(self) -> float | None:
        """The GPU's own counter."""
        return self._watch.energy_j()

    def disturbance(self, begin: float, end: float) -> str | None:
        """Throttled, used by others, or slower than it was in the rest of the run."""
        return self._watch.disturbance(begin, end)

    def saw(self, block: Block, calls: int) -> None:
        """Note when the block ran, what it used and how many calls that were."""
        first, last = block.samples[0], block.samples[-1]
        self._intervals[block.index].append((first.begin_s, last.begin_s + last.duration_s))
        self._calls[block.index] += calls * len(block.samples)
        if block.energy_j is not None:
            self._energy_j[block.index] += block.energy_j

    def telemetry(self) -> Iterator[tuple[int, Telemetry]]:
        """One record for each case that ran."""
        for index, intervals in self._intervals.items():
            yield (
                index,
                self._watch.summary(
                    intervals, self._energy_j.get(index), self._calls[index], {os.getpid()}
                ),
            )


@contextmanager
def watch_device(device: str) -> Iterator[Watching]:
    """Watch a CUDA device as long as the context lasts; other devices are not watched."""
    if not device.startswith("cuda"):
        yield NoWatch()
        return
    import torch

    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:  # as with ROCm
        yield NoWatch()
        return
    with Watch(f"GPU-{uuid}") as watch:
        yield NvmlWatch(watch)
