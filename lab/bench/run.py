"""Runs a speed test: fresh processes one after the other, what they say gathered, judged and
kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Timer as Alarm
from typing import Protocol

import msgspec
from msgspec.structs import replace

from lab.bench.attach_peak import with_peak
from lab.bench.case import Level
from lab.bench.judge import Tally, judge
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
from lab.errors import LabError
from lab.process import Conversation, Finished
from lab.records.bench import BenchReport, Environment

_PATIENCE_S = 900  # beyond its time: for a case's own set-up, which is not counted


class Show(Protocol):
    """Where progress goes."""

    def step(
        self, done: int, total: int, text: str, cases: dict[str, tuple[int, int]] | None = None
    ) -> None:
        """So many seconds of so many are over, and this is measured now; of so many cases of each
        speed test so many have a figure."""
        ...

    def message(self, text: str) -> None:
        """A line for people."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and how thoroughly.

    Args:
        cases: in the order of the report.
        device: cpu, cuda or mps.
        level: its name, for the record.
        processes: how many fresh ones, one after the other.
        budget_s: time for all of them together.
        precision: half-width of the interval, as a share, that `ok` stands for.
        seed: of data and order.
        threads: of one operator; None leaves it to torch.
        sizes_chosen: a size was asked for: one that does not fit into memory is then an error.
        argv: the command line, for the record.
    """

    cases: Sequence[CaseRequest]
    device: str
    level: Level
    processes: int
    budget_s: float
    precision: float
    seed: int
    threads: int | None = None
    sizes_chosen: bool = False
    argv: Sequence[str] = ()


# Half-width between rounds at which a process goes on without a case: the best of its kinds reach
# it on a quiet machine.
_ROUND_PRECISION = 0.01

# A container that is removed on a busy machine takes its time to be gone.
_FAREWELL_S = 60
_UNMEASURED = {
    "interrupted": "the run was interrupted before it could be measured",
    "running": "it had not been measured yet",
}

Start = Callable[[], Conversation]
Keep = Callable[[BenchReport], None]


@dataclass(kw_only=True)
class Run:
    """A run, while it is going on."""

    plan: Plan
    start: Start
    show: Show
    complete: Callable[[Environment], Environment]
    """Adds what only the caller knows: engine, image, lock."""
    tallies: list[Tally] = field(init=False)
    environment: Environment = field(default_factory=Environment)
    problems: list[str] = field(default_factory=list)
    ended: str = "done"
    """Or `budget`, where the time was used up before all processes had run."""
    started_utc: str = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin the clock."""
        self.tallies = [Tally(wanted=case, device=self.plan.device) for case in self.plan.cases]
        self.started_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._began = time.monotonic()

    def everything(self, keep: Keep) -> None:
        """Measure in all processes.

        Args:
            keep: given what there is so far, between two processes, while nothing is measured.

        Raises:
            LabError: nothing could be measured, or a size that was asked for does not fit.
        """
        for number in range(self.plan.processes):
            if number and self._left_s() < self.plan.budget_s * 0.05:
                self.ended = "budget"
                break
            self._process(number, self._left_s() / (self.plan.processes - number))
            self._refuse_too_large()
            keep(self.report("running"))
        if not any(t.samples_s or t.not_run for t in self.tallies) and self.problems:
            raise LabError(
                "Nothing could be measured.",
                why="; ".join(self.problems),
                next_step=(
                    "run `./inv doctor`; `--device cpu` leaves the GPU out, `--engine host` the"
                    " container"
                ),
            )

    def _left_s(self) -> float:
        return max(self.plan.budget_s - (time.monotonic() - self._began), 0.0)

    def _process(self, number: int, budget_s: float) -> None:
        since = time.monotonic() - self._began
        request = MeasureRequest(
            cases=[self._again(tally) for tally in self.tallies], device=self.plan.device,
            seed=self.plan.seed, process=number, budget_s=budget_s,
            precision=_ROUND_PRECISION, threads=self.plan.threads,
        )  # fmt: skip
        worker = self.start()
        late: list[bool] = []

        def too_late() -> None:
            late.append(True)
            worker.kill()

        alarm = Alarm(budget_s + _PATIENCE_S, too_late)
        alarm.daemon = True
        alarm.start()
        decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
        try:
            worker.tell(msgspec.json.encode(request).decode())
            for line in worker.lines():
                try:
                    message = decoder.decode(line)
                except msgspec.DecodeError:  # half a line of one that was killed
                    continue
                self._hear(message, number, since, budget_s)
        finally:
            alarm.cancel()
            ended = worker.end(_FAREWELL_S)
        if not ended.ok:
            why = f"it went on for {_PATIENCE_S} s after its time" if late else _words(ended)
            self.problems.append(f"process {number + 1} ended early: {why}")
            self.show.message(self.problems[-1])

    def _again(self, tally: Tally) -> CaseRequest:
        """A case as the next process is to measure it: with as many calls in a sample as the
        first."""
        return replace(tally.wanted, calls=tally.calls)

    def _hear(self, message: Message, number: int, since_s: float, budget_s: float) -> None:
        match message:
            case Ready(environment=environment):
                self.environment = self.complete(environment)
            case Step(text=text, done=done):
                total = self.plan.budget_s
                self.show.step(
                    round(min(since_s + done, total)), round(total), self._where(number, text),
                    self._cases(),
                )  # fmt: skip
            case NotRun(index=index, reason=reason, too_large=too_large):
                self.tallies[index].not_run = reason
                self.tallies[index].too_large = too_large
            case Noted(index=index, lines=lines):
                self.tallies[index].notes += lines
            case Warmed(index=index):
                tally = self.tallies[index]
                tally.calls, tally.flop_per_call = message.calls, message.flop_per_call
                tally.bytes_per_call = message.bytes_per_call
                tally.moves_memory = message.moves_memory
                tally.steady.append(message.steady)
            case Sampled(index=index):
                self.tallies[index].add(message, number, since_s)
            case Watched(index=index, telemetry=telemetry):
                self.tallies[index].telemetry.append(telemetry)

    def _cases(self) -> dict[str, tuple[int, int]]:
        """By speed test: its cases that have a figure or never will, of how many."""
        found: dict[str, tuple[int, int]] = {}
        for tally in self.tallies:
            settled, wanted = found.get(tally.wanted.name, (0, 0))
            ready = bool(tally.samples_s or tally.not_run)
            found[tally.wanted.name] = (settled + ready, wanted + 1)
        return found

    def _where(self, number: int, text: str) -> str:
        if self.plan.processes == 1:
            return text
        return f"process {number + 1} of {self.plan.processes}, {text}"

    def _refuse_too_large(self) -> None:
        if not self.plan.sizes_chosen:
            return
        for tally in self.tallies:
            if tally.too_large and not tally.samples_s:
                size = ", ".join(f"{name} {value}" for name, value in tally.wanted.params.items())
                raise LabError(
                    f"The speed test {tally.wanted.name} does not fit into memory with {size}.",
                    why=str(tally.not_run),
                    next_step="pass a smaller --size, or leave it out for sizes that fit",
                )

    def report(self, ended: str) -> BenchReport:
        """All that there is so far, judged."""
        lost = self.problems[-1] if self.problems else "the time was used up before it was measured"
        unmeasured = _UNMEASURED.get(ended, lost)
        cases = [
            with_peak(
                judge(t, self.plan.precision, unmeasured),
                self.environment,
                moves_memory=t.moves_memory,
            )
            for t in self.tallies
        ]
        return msgspec.convert(
            {
                "argv": list(self.plan.argv), "started_utc": self.started_utc,
                "duration_s": round(time.monotonic() - self._began, 3), "seed": self.plan.seed,
                "level": self.plan.level, "ended": ended,
                "processes": len({p for t in self.tallies for p in t.process}),
                "environment": self.environment, "cases": cases, "problems": self.problems,
            },
            BenchReport,
        )  # fmt: skip


def _words(ended: Finished) -> str:
    if ended.code in (-9, 137):
        return "it was killed, as the system does where memory runs out"
    return ended.last_words
