"""Samples many workloads in one process: calibrated, warmed up, in interleaved rounds of a
random order."""

import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from lab.bench.case import Workload
from lab.bench.counters import Counters
from lab.bench.statistics import round_interval
from lab.bench.timer import Sample, Timer

ROUNDS = 8
MOST_ROUNDS = 32
# More do not make a round's median better: there are more rounds then.
_MOST_SAMPLES = 64
# A device whose clock stands still must not keep us for ever.
_MOST_CALLS = 10**7
_STEADY = 0.02
_WARM_UP_S = 15.0
_WINDOW_SAMPLES = 5
_FIRST_ROUNDS_SHARE = 0.7


@dataclass(frozen=True, kw_only=True)
class Block:
    """The samples of one workload in one round, and what the machine did meanwhile."""

    index: int
    round: int
    samples: list[Sample]
    foreign_share: float | None = None
    energy_j: float | None = None
    clock_hz: float | None = None


@dataclass(kw_only=True)
class Subject:
    """A workload while it is measured.

    Args:
        index: its place in the request.
        workload: what is timed.
        calls: calls of one sample; 0 until it is calibrated.
        steady: whether its warm-up ended with two windows that agree.
        sample_s: how long one sample takes, flushes included.
        estimates: one for each round that has clean samples, in seconds for one call.
    """

    index: int
    workload: Workload
    calls: int = 0
    steady: bool = True
    sample_s: float = 0.0
    estimates: list[float] = field(default_factory=list)

    def converged(self, precision: float) -> bool:
        """Whether the interval between the rounds so far is as narrow as asked for."""
        if len(self.estimates) < ROUNDS // 2:
            return False
        return round_interval(self.estimates).half_width <= precision


def calibrate(subject: Subject, timer: Timer) -> None:
    """Find how many calls make a sample that lasts long enough; a number given before stays."""
    calls = subject.calls or 1
    timer.sample(subject.workload, 1)  # the first call pays for what is made once
    least_s = timer.least_s()
    duration = _least_of_three(subject, timer, calls)
    while not subject.calls and duration < least_s and calls < _MOST_CALLS:
        # A fifth more: a clock that speeds up must not bring samples under the least.
        wished = 1.2 * calls * least_s / max(duration, 1e-9)
        calls = max(calls + 1, min(math.ceil(wished), 10 * calls))
        duration = _least_of_three(subject, timer, calls)
    subject.calls = calls


def _least_of_three(subject: Subject, timer: Timer, calls: int) -> float:
    """One that lost its processor would make too few calls look like enough, for the whole run.

    On a device by the wall clock, which has the flushes too: behind each of them a call is timed by
    itself, and need not be repeated until it alone makes a sample."""
    samples = [timer.sample(subject.workload, calls) for _ in range(3)]
    return min(s.duration_s if s.wall_s is None else s.wall_s for s in samples)


def warm_up(
    subject: Subject, timer: Timer, most_s: float, clock: Callable[[], float] = time.monotonic
) -> None:
    """Sample until two windows in a row agree within 2 %; after `most_s` seconds it is not
    steady."""
    end = clock() + min(most_s, _WARM_UP_S)
    before = math.inf
    while True:
        times, window = [clock()], []
        for _ in range(_WINDOW_SAMPLES):
            window.append(timer.sample(subject.workload, subject.calls).duration_s)
            times.append(clock())
        # The median: one that lost its processor may take a hundred times as long.
        subject.sample_s = median(later - earlier for earlier, later in pairwise(times))
        now = median(window)
        if abs(now / before - 1) <= _STEADY:
            subject.steady = True
            return
        before = now
        if clock() + _WINDOW_SAMPLES * subject.sample_s > end:
            subject.steady = False
            return


def measure(
    subjects: Sequence[Subject],
    timer: Timer,
    *,
    end_s: float,
    precision: float,
    order: random.Random,
    clock: Callable[[], float] = time.monotonic,
    energy_j: Callable[[], float | None] = lambda: None,
    clock_hz: Callable[[], float | None] = lambda: None,
    failed: Callable[[Subject, Exception], None] | None = None,
) -> Iterator[Block]:
    """Measure in rounds; in each, every subject has one block, in an order that is drawn anew.

    After each eight rounds those whose interval is as narrow as asked for are left out: looks at
    times that are fixed beforehand, not a wait for a lucky moment. It ends when none is left, or at
    the time limit.

    Args:
        subjects: calibrated and warm.
        timer: takes the samples.
        end_s: the time limit, on `clock`.
        precision: half-width asked for, as a share.
        order: draws the order of each round.
        clock: seconds, monotonic.
        energy_j: the device's energy counter in joules, where it has one.
        clock_hz: reads a core's clock, once after each block.
        failed: told of a subject whose call raised an error; the others go on. None raises it.
    """
    going = list(subjects)
    per_block = (end_s - clock()) * _FIRST_ROUNDS_SHARE / (ROUNDS * max(len(going), 1))
    for round_number in range(MOST_ROUNDS):
        order.shuffle(going)
        for subject in list(going):
            if clock() + subject.sample_s > end_s:
                return
            until = min(clock() + per_block, end_s)
            try:
                block = _block(subject, timer, round_number, until, clock, energy_j)
            except Exception as error:
                if failed is None:
                    raise
                failed(subject, error)
                going.remove(subject)
                continue
            yield replace(block, clock_hz=clock_hz())
        if (round_number + 1) % ROUNDS == 0:
            going = [subject for subject in going if not subject.converged(precision)]
            if not going:
                return


def _block(
    subject: Subject,
    timer: Timer,
    round_number: int,
    until_s: float,
    clock: Callable[[], float],
    energy_j: Callable[[], float | None],
) -> Block:
    # One is taken first and dropped: the subject before has left its data in the caches.
    if clock() + 2 * subject.sample_s <= until_s:
        timer.sample(subject.workload, subject.calls)
    energy, before = energy_j(), Counters.read()
    samples: list[Sample] = []
    with _without_gc():
        while not samples or (
            clock() + subject.sample_s <= until_s and len(samples) < _MOST_SAMPLES
        ):
            samples.append(timer.sample(subject.workload, subject.calls))
    after, energy_after = Counters.read(), energy_j()
    samples = _marked(samples, before.disturbance(after))
    clean = [sample.duration_s for sample in samples if sample.disturbance is None]
    if clean:
        subject.estimates.append(median(clean) / subject.calls)
    used = None if energy is None or energy_after is None else energy_after - energy
    foreign = None if subject.workload.self_preempting else before.foreign_share(after)
    return Block(
        index=subject.index, round=round_number, samples=samples, foreign_share=foreign,
        energy_j=used,
    )  # fmt: skip


def _marked(samples: list[Sample], disturbance: str | None) -> list[Sample]:
    """The samples, with a disturbance of the whole block for those that have none of their own."""
    if disturbance is None:
        return samples
    return [replace(s, disturbance=s.disturbance or disturbance) for s in samples]


@contextmanager
def _without_gc() -> Iterator[None]:
    """Keep Python's garbage collector out of the samples."""
    gc.collect(0)
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
