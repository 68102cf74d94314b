"""A clock and a timer that follow a script: every duration is exact."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.bench.case import Workload
from lab.bench.timer import Sample


@dataclass(kw_only=True)
class Script:
    """A timer whose calls take what they add to `now`, in seconds.

    Args:
        now: what the clock says.
        taken: samples so far.
        least: how long a sample lasts at least.
        disturbed: tells, by its number, of a sample that does not count; the first is 1.
    """

    now: float = 100.0
    taken: int = 0
    least: float = 5e-3
    disturbed: Callable[[int], bool] = lambda number: False

    def clock(self) -> float:
        return self.now

    def sample(self, workload: Workload, calls: int) -> Sample:
        begin = self.now
        for _ in range(calls):
            workload.run()
        self.taken += 1
        why = "preempted" if self.disturbed(self.taken) else None
        return Sample(duration_s=self.now - begin, begin_s=begin, disturbance=why)

    def wait(self) -> None: ...

    def least_s(self) -> float:
        return self.least
