"""The process that measures: `python -m lab.bench.worker` reads a MeasureRequest, then writes
messages.

Its request is the first line of standard input; it ends when that does."""

import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from lab import told
from lab.bench.case import Case, NotHere, TooLarge, Workload, discover
from lab.bench.clock import clock_reader
from lab.bench.machine import read_environment
from lab.bench.messages import (
    CaseRequest,
    MeasureRequest,
    Message,
    Noted,
    NotRun,
    Ready,
    Sampled,
    Step,
    Warmed,
    Watched,
)  # fmt: skip
from lab.bench.sampler import Block, Subject, calibrate, measure, warm_up
from lab.bench.selftest_case import selftest
from lab.bench.timer import DeviceTimer, HostTimer, Timer, TorchDevice
from lab.bench.watch import NoWatch, Watching, watch_device
from lab.memory import available_bytes

Tell = Callable[[Message], None]

# Of the memory that is free when a group of cases is prepared: all of a group are held at once.
_MEMORY_SHARE = 0.6
# Of a group's time: what warming up may take of it.
_WARM_UP_SHARE = 0.3
_LEAST_WARM_UP_S = 0.3


@dataclass(kw_only=True)
class Run:
    """One process's work."""

    request: MeasureRequest
    tell: Tell
    timer: Timer
    watching: Watching = field(default_factory=NoWatch)
    clock_hz: Callable[[], float | None] = lambda: None
    cases: dict[str, Case] = field(default_factory=dict)
    began_s: float = 0.0
    # What cases took to observe: minutes with the notebook's hundred products at full size.
    observed_s: float = 0.0
    # Cases that still want a part of the time.
    left: int = 0

    def everything(self) -> None:
        """Measure all cases of the request, as many together as fit into memory."""
        self.left = len(self.request.cases)
        for group in self._groups():
            now = time.monotonic()
            end = now + (self._end_s - now) * len(group) / self.left - self.observed_s
            self.left -= len(group)
            subjects: list[Subject] = []
            try:
                subjects.extend(self._prepared(group))
                self._group(subjects, end + self.observed_s)
            finally:
                _let_go(subjects)

    @property
    def _end_s(self) -> float:
        return self.began_s + self.request.budget_s + self.observed_s

    def _step(self, text: str) -> None:
        done = time.monotonic() - self.began_s
        self.tell(Step(text=text, done=done, total=self.request.budget_s))

    def _groups(self) -> Iterator[list[int]]:
        """Put cases together that fit into memory at once; one that never fits is told and left
        out."""
        group: list[int] = []
        held = 0
        for index, wanted in enumerate(self.request.cases):
            try:
                needs = self.cases[wanted.name].memory_bytes(
                    device=self.request.device, **wanted.params
                )
            except Exception as error:  # as in _prepare
                self.tell(_failed(index, error))
                self.left -= 1
                continue
            free = available_bytes(self.request.device)
            if free is not None and needs > free:
                self.tell(NotRun(index=index, reason=_too_large(needs, free), too_large=True))
                self.left -= 1
                continue
            if group and free is not None and held + needs > _MEMORY_SHARE * free:
                yield group
                group, held = [], 0
            group.append(index)
            held += needs
        if group:
            yield group

    def _prepared(self, group: Sequence[int]) -> Iterator[Subject]:
        for index in group:
            wanted = self.request.cases[index]
            self._step(f"preparing {wanted.name}")
            workload = self._prepare(index, wanted)
            if workload is not None:
                yield Subject(index=index, workload=workload, calls=wanted.calls)

    def _prepare(self, index: int, wanted: CaseRequest) -> Workload | None:
        import torch

        torch.manual_seed(self.request.seed)
        case = self.cases[wanted.name]
        try:
            workload = case.prepare(device=self.request.device, **wanted.params)
            workload.run()
            self.timer.wait()
            if workload.observe is not None and self.request.process == 0:
                self._step(f"{wanted.name}: as it prints it")
                begin = time.monotonic()
                self.tell(Noted(index=index, lines=workload.observe()))
                self.observed_s += time.monotonic() - begin
        except NotHere as error:
            large = isinstance(error, TooLarge)
            self.tell(NotRun(index=index, reason=str(error), too_large=large))
        except Exception as error:  # one case's fault must not cost the others their figures
            self.tell(_failed(index, error))
        else:
            return workload
        return None

    def _group(self, subjects: list[Subject], end: float) -> None:
        if not subjects:
            return
        share = (end - time.monotonic()) * _WARM_UP_SHARE / len(subjects)
        for subject in list(subjects):
            self._step(f"warming up {self.request.cases[subject.index].name}")
            try:
                self._warm_up(subject, max(share, _LEAST_WARM_UP_S))
            except Exception as error:  # as in _prepare
                self.tell(_failed(subject.index, error))
                subjects.remove(subject)
        blocks = measure(
            subjects, self.timer, end_s=end, precision=self.request.precision,
            order=random.Random(f"{self.request.seed}:{self.request.process}"),
            energy_j=self.watching.energy_j, clock_hz=self.clock_hz,
            failed=lambda subject, error: self.tell(_failed(subject.index, error)),
        )  # fmt: skip
        for block in blocks:
            self._step(f"round {block.round + 1}: {self.request.cases[block.index].name}")
            self.tell(self._sampled(block))
            self.watching.saw(block, next(s.calls for s in subjects if s.index == block.index))

    def _warm_up(self, subject: Subject, most_s: float) -> None:
        calibrate(subject, self.timer)
        warm_up(subject, self.timer, most_s)
        workload = subject.workload
        self.tell(
            Warmed(
                index=subject.index, calls=subject.calls, steady=subject.steady,
                flop_per_call=workload.flop_per_call, bytes_per_call=workload.bytes_per_call,
                moves_memory=workload.moves_memory,
            )
        )  # fmt: skip

    def _sampled(self, block: Block) -> Sampled:
        samples = block.samples
        walls = [sample.wall_s for sample in samples]
        launches = [sample.launched_s for sample in samples]
        return Sampled(
            index=block.index, round=block.round,
            samples_s=[round(sample.duration_s, 10) for sample in samples],
            at_s=[round(_since(sample.begin_s, self.began_s), 4) for sample in samples],
            wall_s=[round(wall, 10) for wall in walls if wall is not None],
            launched_s=[round(launch, 10) for launch in launches if launch is not None],
            disturbances=[sample.disturbance for sample in samples],
            foreign_share=block.foreign_share, clock_hz=block.clock_hz,
        )  # fmt: skip


def _let_go(subjects: list[Subject]) -> None:
    """Free their memory before the next group asks how much there is."""
    while subjects:
        close = subjects.pop().workload.close
        if close is not None:
            close()


def _since(begin_s: float, began_s: float) -> float:
    """Seconds since the process began: perf_counter and monotonic are one clock on Linux and
    macOS."""
    return begin_s - began_s


def _too_large(needs: int, free: int) -> str:
    return (
        f"it needs {needs / 2**30:.2g} GB of memory, and {free / 2**30:.2g} GB are free:"
        " a smaller size fits"
    )


def _failed(index: int, error: Exception) -> NotRun:
    words = str(error).partition("\n")[0]
    if isinstance(error, MemoryError) or "out of memory" in words or "can't allocate" in words:
        return NotRun(index=index, reason=f"not enough memory: {words}", too_large=True)
    traceback.print_exc(file=sys.stderr)
    return NotRun(index=index, reason=f"it failed: {type(error).__name__}: {words}")


def main() -> None:
    """Read the request, measure, and tell."""
    began = time.monotonic()
    tell = told.own_output()
    request = msgspec.json.decode(told.first_line(), type=MeasureRequest)
    done = told.end_with_input()
    import torch

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    tell(Ready(environment=read_environment(request.device)))
    with watch_device(request.device) as watching:
        timer: Timer = HostTimer()
        if request.device != "cpu":
            timer = DeviceTimer(TorchDevice(request.device), disturbance=watching.disturbance)
        run = Run(
            request=request, tell=tell, timer=timer, watching=watching, began_s=began,
            clock_hz=clock_reader() if request.device == "cpu" else lambda: None,
            cases=discover() | {selftest.name: selftest},
        )  # fmt: skip
        run.everything()
        for index, telemetry in watching.telemetry():
            tell(Watched(index=index, telemetry=telemetry))
    done.set()


if __name__ == "__main__":
    main()
