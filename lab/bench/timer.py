"""Takes one sample: how long a number of calls took, and whether anything disturbed them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

from lab.bench.case import Workload
from lab.bench.counters import involuntary_switches, waited_ns

_NS = 1e-9
# What the events may miss of the wall clock's time: 5 %, beside three times what an empty pair of
# them costs.
_DISAGREEMENT = 0.05
# Of a sample's time: what a thread of it may have waited for a processor.
_LOST = 0.01


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One recorded duration.

    Args:
        duration_s: of all its calls; of the device's own clock where it has one.
        begin_s: when it began, on the host's monotonic clock.
        wall_s: the same by the host's clock, where `duration_s` is the device's.
        disturbance: why it does not count; None where nothing was seen.
    """

    duration_s: float
    begin_s: float
    wall_s: float | None = None
    disturbance: str | None = None


class Timer(Protocol):
    """Takes samples on one kind of device."""

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time a number of calls."""
        ...

    def wait(self) -> None:
        """Return when the device has done all that it was given."""
        ...


class HostTimer:
    """The CPU's: the call has done its work when it returns."""

    def __init__(
        self,
        clock: Callable[[], int] = time.perf_counter_ns,
        switches: Callable[[], int] = involuntary_switches,
        waited: Callable[[], int | None] = waited_ns,
    ) -> None:
        """Take the counters' first readings.

        Args:
            clock: nanoseconds, monotonic.
            switches: how often this process lost a processor so far, against its will, all threads
                together.
            waited: nanoseconds for which its threads were ready and had no processor; None where
                nobody counts.
        """
        self._clock, self._switches, self._waited = clock, switches, waited
        self._waited_before = waited()

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time calls; `preempted` when a thread lost a processor and waited for more than 1 % of
        the time."""
        before = self._switches()
        if workload.flush is None:
            begin, spent = self._together(workload.run, calls)
        else:
            begin, spent = self._one_by_one(workload.run, workload.flush, calls)
        preempted = self._switches() != before and self._lost(spent)
        return Sample(
            duration_s=spent * _NS, begin_s=begin * _NS,
            disturbance="preempted" if preempted and not workload.self_preempting else None,
        )  # fmt: skip

    def _lost(self, spent_ns: int) -> bool:
        """Whether the switches cost more than 1 %; read only then, since it costs a file for each
        thread.

        What was waited since the reading before counts as well, which errs on the side of a sample
        too few."""
        before, now = self._waited_before, self._waited()
        self._waited_before = now
        return before is None or now is None or now - before > _LOST * spent_ns

    def _together(self, run: Callable[[], object], calls: int) -> tuple[int, int]:
        begin = self._clock()
        for _ in repeat(None, calls):
            run()
        return begin, self._clock() - begin

    def _one_by_one(
        self, run: Callable[[], object], flush: Callable[[], object], calls: int
    ) -> tuple[int, int]:
        first, spent = self._clock(), 0
        for _ in repeat(None, calls):
            flush()
            begin = self._clock()
            run()
            spent += self._clock() - begin
        return first, spent

    def wait(self) -> None:
        """A call has ended when it returns."""


class Device(Protocol):
    """An accelerator, as far as timing needs it."""

    def synchronize(self) -> None:
        """Wait for all that was given to the device, on every stream."""
        ...

    def event(self) -> Any:
        """A new event with `record()` and `elapsed_time(later)` in milliseconds."""
        ...


@dataclass(frozen=True)
class TorchDevice:
    """Any accelerator that torch knows: cuda, rocm, xpu, mps or one that registers itself."""

    name: str

    def synchronize(self) -> None:
        """Wait for the device, all streams."""
        import torch

        torch.accelerator.synchronize(self.name)

    def event(self) -> Any:
        """An event that keeps its time."""
        import torch

        return torch.Event(device=self.name, enable_timing=True)


class DeviceTimer:
    """An accelerator's: the call only gives work to the device, whose own events say how long that
    took.

    The wall clock, read after the device has done everything, must agree: a duration of the
    launches alone, or of work on a stream that the events do not see, is marked `clocks_disagree`
    and is no figure."""

    def __init__(
        self,
        device: Device,
        clock: Callable[[], int] = time.perf_counter_ns,
        disturbance: Callable[[float, float], str | None] = lambda begin, end: None,
    ) -> None:
        """Measure what an empty pair of events costs.

        Args:
            device: the accelerator.
            clock: nanoseconds, monotonic, of the host.
            disturbance: what NVML saw between two times of this clock, in seconds.
        """
        self._device, self._clock, self._disturbance = device, clock, disturbance
        empty = sorted(self._timed(_nothing, 1)[2] for _ in range(9))
        self._empty_ns = empty[len(empty) // 2]

    def wait(self) -> None:
        """Wait for the device."""
        self._device.synchronize()

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time calls by the device's events, beside the wall clock."""
        if workload.flush is None:
            begin, device_ns, wall_ns = self._timed(workload.run, calls)
            agree = self._agree(device_ns, wall_ns)
        else:
            begin, device_ns, wall_ns, agree = self._one_by_one(workload, calls)
        end = self._clock()
        disturbance = None if agree else "clocks_disagree"
        return Sample(
            duration_s=device_ns * _NS, begin_s=begin * _NS, wall_s=wall_ns * _NS,
            disturbance=disturbance or self._disturbance(begin * _NS, end * _NS),
        )  # fmt: skip

    def _one_by_one(self, workload: Workload, calls: int) -> tuple[int, float, int, bool]:
        """Each call by itself, after a flush: the device is idle in between, its cache stays
        cold."""
        assert workload.flush is not None
        first, device_ns, wall_ns, agree = self._clock(), 0.0, 0, True
        for _ in repeat(None, calls):
            workload.flush()
            _, device, wall = self._timed(workload.run, 1)
            agree = agree and self._agree(device, wall)
            device_ns += device
            wall_ns += wall
        return first, device_ns, wall_ns, agree

    def _timed(self, run: Callable[[], object], calls: int) -> tuple[int, float, int]:
        start, stop = self._device.event(), self._device.event()
        self._device.synchronize()
        begin = self._clock()
        start.record()
        for _ in repeat(None, calls):
            run()
        stop.record()
        self._device.synchronize()
        wall = self._clock() - begin
        return begin, start.elapsed_time(stop) * 1e6, wall

    def _agree(self, device_ns: float, wall_ns: int) -> bool:
        spare = _DISAGREEMENT * wall_ns + 3 * self._empty_ns
        return wall_ns - spare <= device_ns <= wall_ns * 1.01 + 1000


def _nothing() -> None:
    """The call that costs nothing."""
