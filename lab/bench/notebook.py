"""`measure(call)`: a figure that can be trusted, for one call, in a notebook."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from msgspec.structs import replace

from lab.bench.case import Workload
from lab.bench.judge import Tally, judge
from lab.bench.messages import CaseRequest, Sampled
from lab.bench.sampler import Block, Subject, calibrate, warm_up
from lab.bench.sampler import measure as sampled_in_rounds
from lab.bench.timer import DeviceTimer, HostTimer, Timer, TorchDevice
from lab.bench.watch import NoWatch, Watching, watch_device
from lab.errors import LabError
from lab.records.bench import CaseResult, Verdict

# Half-width of the interval, as a share, that `ok` stands for; as `inv bench` has it.
_PRECISION = 0.05
# Of the time: what warming up may take of it.
_WARM_UP_SHARE = 0.3
_PREFIXES = {-3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Measured:
    """What was measured of a call; one line where it is the last expression of a cell.

    Args:
        result: all of it: samples, disturbances, figures, verdict.
    """

    result: CaseResult

    @property
    def median_s(self) -> float | None:
        """Seconds for one call; None where no sample was undisturbed."""
        return self.result.median_s

    @property
    def ci95_s(self) -> tuple[float, float] | None:
        """Its 95 % interval, between the rounds of this one process."""
        return self.result.ci95_s

    @property
    def best_s(self) -> float:
        """The fastest sample, per call, by the host's clock: a disturbance only makes it longer."""
        seen = self.result.wall_s or self.result.samples_s
        return min(seen) / self.result.calls_per_sample

    @property
    def flop_per_s(self) -> float | None:
        """Floating-point operations per second, where they were given."""
        return self.result.throughput_flop_per_s

    @property
    def bytes_per_s(self) -> float | None:
        """Bytes per second, where they were given."""
        return self.result.throughput_bytes_per_s

    @property
    def verdict(self) -> Verdict:
        """`ok`, or why the figure is none to rely on, in one word."""
        return self.result.verdict

    @property
    def reason(self) -> str | None:
        """Why the verdict is not `ok`, in a sentence."""
        return self.result.reason

    def __str__(self) -> str:
        """Duration, half-width of the interval, rates and verdict.

        Where the device waited for the host, also that: the figure is how fast it is launched.
        """
        rates = ((self.flop_per_s, "FLOP/s"), (self.bytes_per_s, "B/s"))
        known = [_scaled(rate, unit) for rate, unit in rates if rate is not None]
        waits = ["launch_bound"] if self.result.launch_bound else []
        return ", ".join([self._duration(), *known, *waits, self.verdict])

    __repr__ = __str__

    def _duration(self) -> str:
        if self.median_s is None:
            return "-"
        duration = _scaled(self.median_s, "s")
        if self.ci95_s is None:
            return duration
        low, high = self.ci95_s
        return f"{duration} ± {50 * (high - low) / self.median_s:.1f} %"


def measure(
    call: Callable[[], object],
    *,
    device: str = "cpu",
    budget_s: float = 1.0,
    flop_per_call: float | None = None,
    bytes_per_call: float | None = None,
) -> Measured:
    """Measure how long a call takes: calibrated, warmed up, sampled in rounds, and judged.

    On an accelerator the device's own events take the time, beside the wall clock, which is read
    when the device has finished. The interval is between rounds of this one process: another
    process may lie outside it, for which `inv bench` has fresh ones.

    Args:
        call: takes no arguments; its result is thrown away.
        device: where it computes, in torch's words.
        budget_s: seconds to spend, about; a call is made some fifteen times at least, however long
            it takes.
        flop_per_call: floating-point operations of one call.
        bytes_per_call: bytes that one call moves.

    Raises:
        LabError: this cannot be measured; says why.
    """
    _require_call(call)
    _require_budget(budget_s)
    _require_device(str(device))
    workload = Workload(run=call, flop_per_call=flop_per_call, bytes_per_call=bytes_per_call)
    with watch_device(str(device)) as watching:
        timer: Timer = _host_timer()
        if not str(device).startswith("cpu"):
            timer = DeviceTimer(TorchDevice(str(device)), disturbance=watching.disturbance)
        return measure_with(workload, str(device), timer, budget_s, watching=watching)


def measure_with(
    workload: Workload,
    device: str,
    timer: Timer,
    budget_s: float,
    *,
    watching: Watching | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Measured:
    """Measure as `measure` does, by a timer and a clock that are given.

    Args:
        workload: what is timed.
        device: where it computes.
        timer: takes the samples.
        budget_s: seconds to spend, on `clock`.
        watching: looks at the device meanwhile.
        clock: seconds, monotonic.
    """
    began = clock()
    subject, watching = Subject(index=0, workload=workload), watching or NoWatch()
    calibrate(subject, timer)
    warm_up(subject, timer, _WARM_UP_SHARE * budget_s, clock)
    tally = Tally(
        wanted=CaseRequest(name="call", params={}), device=device, calls=subject.calls,
        flop_per_call=workload.flop_per_call, bytes_per_call=workload.bytes_per_call,
        steady=[subject.steady],
    )  # fmt: skip
    # Three rounds at least, also where the warm-up took all the time.
    end = max(began + budget_s, clock() + 3 * subject.sample_s)
    for block in sampled_in_rounds(
        [subject], timer, end_s=end, precision=_PRECISION, order=random.Random(0), clock=clock,
        energy_j=watching.energy_j,
    ):  # fmt: skip
        tally.add(_told(block, began), process=0, since_s=0.0)
    result = judge(tally, _PRECISION)
    # The command's option is an argument here, and of a call nobody knows the dtype.
    reason = result.reason and result.reason.replace("--budget", "budget_s")
    return Measured(result=replace(result, dtype=None, reason=reason))


def _told(block: Block, began_s: float) -> Sampled:
    """A block as a tally takes it up."""
    samples = block.samples
    return Sampled(
        index=block.index, round=block.round, samples_s=[s.duration_s for s in samples],
        at_s=[s.begin_s - began_s for s in samples],
        wall_s=[s.wall_s for s in samples if s.wall_s is not None],
        launched_s=[s.launched_s for s in samples if s.launched_s is not None],
        disturbances=[s.disturbance for s in samples], foreign_share=block.foreign_share,
    )  # fmt: skip


@cache
def _host_timer() -> HostTimer:
    """One for all calls: it keeps a file open for each thread of this process."""
    return HostTimer()


def _require_call(call: object) -> None:
    if not callable(call):
        raise LabError(
            f"There is no call to measure, but an object of type {type(call).__name__}.",
            why="its work was done before measure could begin",
            next_step="put `lambda:` in front: measure(lambda: torch.matmul(x, w))",
        )


def _require_budget(budget_s: float) -> None:
    if not 0 < budget_s <= 3600:
        raise LabError(
            f"budget_s cannot be {budget_s!r}.", why="it is a number of seconds, 3600 at most",
            next_step="pass one such as budget_s=1",
        )  # fmt: skip


def _require_device(device: str) -> None:
    if device.startswith("cpu"):
        return
    import torch

    there = torch.accelerator.current_accelerator(check_available=True)
    if there is None or there.type != device.partition(":")[0]:
        raise LabError(
            f"There is no device {device!r} here.",
            why=f"torch sees {'no accelerator' if there is None else there.type}",
            next_step="leave device out to measure on the CPU; `inv doctor` says what a GPU lacks",
        )


def _scaled(value: float, unit: str) -> str:
    """A number with three significant digits and an SI prefix, such as `1.23 ms`."""
    power = int(f"{value:.2e}".partition("e")[2])  # after rounding: 9.996 has three digits as 10.0
    group = max(-3, min(power // 3, 0 if unit == "s" else 5))
    return f"{value / 1000**group:.{max(2 - power + 3 * group, 0)}f} {_PREFIXES[group]}{unit}"
