"""Takes one sample: how long a number of calls took, and whether anything disturbed them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

from lab.bench.case import Workload
from lab.bench.counters import WaitMeter, involuntary_switches

_NS = 1e-9
# What the events may miss of the wall clock's time: 5 %, beside three times what an empty pair of
# them costs.
_DISAGREEMENT = 0.05
# Of a sample's time: what a thread of it may have waited for a processor.
_LOST = 0.01
_LEAST_S = 1e-3
_LEAST_ON_DEVICE_S = 5e-3
# Times what the counters around a sample cost.
_COSTS_MOST = 110


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One recorded duration.

    Args:
        duration_s: of all its calls; of the device's own clock where it has one.
        begin_s: when it began, on the host's monotonic clock.
        wall_s: the same by the host's clock, where `duration_s` is the device's.
        launched_s: when the host had given the device all calls, from the beginning; None on a
            CPU, and where a flush keeps the device busy while it is given them.
        disturbance: why it does not count; None where nothing was seen.
    """

    duration_s: float
    begin_s: float
    wall_s: float | None = None
    launched_s: float | None = None
    disturbance: str | None = None


_EMPTY = Workload(run=lambda: None)


class Timer(Protocol):
    """Takes samples on one kind of device."""

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time a number of calls."""
        ...

    def wait(self) -> None:
        """Return when the device has done all that it was given."""
        ...

    def least_s(self) -> float:
        """How long a sample lasts at least, in seconds."""
        ...


class HostTimer:
    """The CPU's: the call has done its work when it returns."""

    def __init__(
        self,
        clock: Callable[[], int] = time.perf_counter_ns,
        waited: Callable[[], int | None] | None = None,
        switches: Callable[[], int] = involuntary_switches,
    ) -> None:
        """Take the counters' first readings.

        Args:
            clock: nanoseconds, monotonic.
            waited: nanoseconds for which this process's threads were ready and had no processor,
                all together; None asks the kernel.
            switches: how often this process lost a processor so far, against its will; asked where
                the waiting is not counted.
        """
        self._clock, self._switches, self._waited = clock, switches, waited or WaitMeter()
        self._before = self._waited()

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time calls; `preempted` when threads waited for a processor for more than 1 % of the
        time."""
        switches = self._switches() if self._before is None else 0
        if workload.flush is None:
            begin, spent = self._together(workload.run, calls)
        else:
            begin, spent = self._one_by_one(workload.run, workload.flush, calls)
        preempted = self._lost(spent, switches) and not workload.self_preempting
        return Sample(
            duration_s=spent * _NS, begin_s=begin * _NS,
            disturbance="preempted" if preempted else None,
        )  # fmt: skip

    def _lost(self, spent_ns: int, switches: int) -> bool:
        """Whether the sample lost its processors for more than 1 % of its time.

        What was waited between two samples counts for the later one: it errs on the side of a
        sample too few."""
        before, now = self._before, self._waited()
        self._before = now
        if before is None or now is None:
            return self._switches() != switches
        return now - before > _LOST * spent_ns

    def least_s(self) -> float:
        """How long a sample lasts at least: long enough for its counters to cost less than 1 %, and
        no longer.

        Another program that wants the processor has it after some 3 ms (the base slice of Linux's
        scheduler): a longer sample is never undisturbed then, while of those of 1.4 ms more than
        half were."""
        costs = []
        for _ in range(5):
            begin = self._clock()
            self.sample(_EMPTY, 1)
            costs.append(self._clock() - begin)
        return max(_LEAST_S, _COSTS_MOST * min(costs) * _NS)  # the least: one may be preempted

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
        empty = sorted(self._timed(_EMPTY.run, 1)[2] for _ in range(9))
        self._empty_ns = empty[len(empty) // 2]

    def wait(self) -> None:
        """Wait for the device."""
        self._device.synchronize()

    def least_s(self) -> float:
        """5 ms: the first launch finds the device idle, and its 10 µs must be under 1 %."""
        return _LEAST_ON_DEVICE_S

    def sample(self, workload: Workload, calls: int) -> Sample:
        """Time calls by the device's events, beside the wall clock."""
        launched_ns = None
        if workload.flush is None:
            begin, device_ns, wall_ns, launched_ns = self._timed(workload.run, calls)
            agree = self._agree(device_ns, wall_ns)
        else:
            begin, device_ns, wall_ns, agree = self._one_by_one(workload, calls)
        end = self._clock()
        disturbance = None if agree else "clocks_disagree"
        return Sample(
            duration_s=device_ns * _NS, begin_s=begin * _NS, wall_s=wall_ns * _NS,
            launched_s=None if launched_ns is None else launched_ns * _NS,
            disturbance=disturbance or self._disturbance(begin * _NS, end * _NS),
        )  # fmt: skip

    def _one_by_one(self, workload: Workload, calls: int) -> tuple[int, float, int, bool]:
        """Each call by itself, behind a flush that is still running when the call is launched.

        On an idle device the launch itself would be in the figure. The clocks are compared over
        all of it at once: of hundreds of waits for the device some always end late."""
        assert workload.flush is not None
        before = self._device.event()
        pairs = [(self._device.event(), self._device.event()) for _ in repeat(None, calls)]
        self._device.synchronize()
        begin = self._clock()
        before.record()
        for start, stop in pairs:
            workload.flush()
            start.record()
            workload.run()
            stop.record()
        self._device.synchronize()
        wall = self._clock() - begin
        agree = self._agree(before.elapsed_time(pairs[-1][1]) * 1e6, wall)
        return begin, sum(a.elapsed_time(b) for a, b in pairs) * 1e6, wall, agree

    def _timed(self, run: Callable[[], object], calls: int) -> tuple[int, float, int, int]:
        start, stop = self._device.event(), self._device.event()
        self._device.synchronize()
        begin = self._clock()
        start.record()
        for _ in repeat(None, calls):
            run()
        launched = self._clock() - begin
        stop.record()
        self._device.synchronize()
        wall = self._clock() - begin
        return begin, start.elapsed_time(stop) * 1e6, wall, launched

    def _agree(self, device_ns: float, wall_ns: int) -> bool:
        spare = _DISAGREEMENT * wall_ns + 3 * self._empty_ns
        return wall_ns - spare <= device_ns <= wall_ns * 1.01 + 1000
