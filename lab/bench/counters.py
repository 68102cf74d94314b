"""What the operating system counts while a block of samples runs: lost processors, stolen time,
other programs."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.bench.machine import usable_processors

# Of the time of all processors: less than this is the housekeeping of any machine.
_FOREIGN_SHARE = 0.10
_STOLEN_SHARE = 0.01


def involuntary_switches() -> int:
    """How often this process lost a processor against its will, all its threads together
    (getrusage(2))."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


class WaitMeter:
    """How long this process's threads were ready to run and had no processor, all together.

    Source: Documentation/scheduler/sched-stats.rst of Linux, second field of schedstat. The files
    stay open: reading costs 2 µs for each thread then, a fifth of what opening them costs."""

    def __init__(self, tasks: Path = Path("/proc/self/task")) -> None:
        """Open nothing yet.

        Args:
            tasks: the folder with one folder for each thread.
        """
        self._tasks = tasks
        self._files: dict[str, int] = {}
        self._links = 0

    def __call__(self) -> int | None:
        """Nanoseconds since the process began; None where the kernel does not count them.

        It falls by a thread's share when the thread ends.
        """
        try:
            links = self._tasks.stat().st_nlink  # one for each thread, and two
            if links != self._links:
                self._open()
                self._links = links
            rows = [os.pread(file, 64, 0).split() for file in list(self._files.values())]
            # Without these files, or with "0 0 0" in them, nobody counts: we have run, after all.
            return sum(int(row[1]) for row in rows) if any(int(row[0]) for row in rows) else None
        except ProcessLookupError:  # a thread has ended, and another one has begun
            self._links = 0
            return self() if self._forget_ended() else None
        except (OSError, ValueError, IndexError):
            return None

    def _open(self) -> None:
        threads = os.listdir(self._tasks)  # noqa: PTH208 - half the cost of iterdir
        for gone in self._files.keys() - set(threads):
            os.close(self._files.pop(gone))
        for thread in threads:
            if thread not in self._files:
                with suppress(FileNotFoundError):
                    self._files[thread] = os.open(self._tasks / thread / "schedstat", os.O_RDONLY)

    def _forget_ended(self) -> bool:
        """Close the files of threads that have ended; whether there were any."""
        ended = []
        for thread, file in self._files.items():
            try:
                os.pread(file, 64, 0)
            except ProcessLookupError:
                ended.append(thread)
        for thread in ended:
            os.close(self._files.pop(thread))
        return bool(ended)


@dataclass(frozen=True, kw_only=True)
class Counters:
    """The machine at one moment; times in seconds, summed over all processors.

    Args:
        wall_s: the monotonic clock.
        own_s: processor time of this process and of its children that have ended.
        busy_s: time of all programs on the processors that this process may use; None where the
            system does not tell.
        stolen_s: time that a hypervisor gave to other machines.
        throttled_s: time for which the control group's limit held this process back.
    """

    wall_s: float
    own_s: float
    busy_s: float | None
    stolen_s: float
    throttled_s: float

    @classmethod
    def read(cls, root: Path = Path("/")) -> Self:
        """Read them; what the machine lacks is 0, or None where that would mean something."""
        times = os.times()
        busy, stolen = _machine_times(root / "proc/stat")
        return cls(
            wall_s=time.monotonic(), own_s=sum(times[:4]), busy_s=busy, stolen_s=stolen,
            throttled_s=_throttled(root / "sys/fs/cgroup"),
        )  # fmt: skip

    def foreign_share(self, later: "Counters") -> float | None:
        """The share of our processors that other programs used in between; None where nobody
        counts."""
        wall = later.wall_s - self.wall_s
        if self.busy_s is None or later.busy_s is None or wall <= 0:
            return None
        foreign = (later.busy_s - self.busy_s) - (later.own_s - self.own_s)
        return max(foreign, 0.0) / (wall * len(usable_processors()))

    def disturbance(self, later: "Counters") -> str | None:
        """Why the samples in between do not count: `stolen` by the hypervisor or `throttled` by
        the limit."""
        wall = later.wall_s - self.wall_s
        if later.stolen_s - self.stolen_s > max(_STOLEN_SHARE * wall, 0.015):  # counted in 0.01 s
            return "stolen"
        if later.throttled_s - self.throttled_s > _STOLEN_SHARE * wall:
            return "throttled"
        return None


def is_busy(foreign_share: float | None) -> bool:
    """Whether other programs used so much of the machine that no figure can be trusted."""
    return foreign_share is not None and foreign_share > _FOREIGN_SHARE


def _machine_times(stat: Path) -> tuple[float | None, float]:
    """Busy and stolen seconds of the processors that this process may use (proc_stat(5)).

    Of those alone: on a node that others share, theirs are busy as well. A guest's time is in
    user's."""
    try:
        lines = [line.split() for line in stat.read_text(encoding="ascii").splitlines()]
        mine = {f"cpu{number}" for number in usable_processors()}
        rows = [[int(word) for word in line[1:9]] for line in lines if line and line[0] in mine]
    except (OSError, ValueError):
        return None, 0.0
    if not rows or any(len(row) < 8 for row in rows):
        return None, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    busy = sum(sum(row) - row[3] - row[4] - row[7] for row in rows)
    return busy / tick, sum(row[7] for row in rows) / tick


def _throttled(cgroup: Path) -> float:
    """Seconds for which this control group was held back: version 2 in microseconds, version 1
    in nanoseconds."""
    for path, name, unit in (
        (cgroup / "cpu.stat", "throttled_usec", 1e-6),
        (cgroup / "cpu/cpu.stat", "throttled_time", 1e-9),
    ):
        try:
            words = path.read_text(encoding="ascii").split()
        except OSError:
            continue
        if name in words:
            return int(words[words.index(name) + 1]) * unit
    return 0.0
