"""Makes a result of what was sampled: the figure, its interval, and whether it can be believed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from lab.bench.counters import is_busy
from lab.bench.messages import CaseRequest, Sampled
from lab.bench.statistics import (
    Interval,
    process_interval,
    quantile,
    round_interval,
    trend,
    two_groups,
)  # fmt: skip
from lab.records.bench import CaseResult, Telemetry, Verdict

_LEAST_CLEAN = 0.5
_LEAST_ROUNDS = 4
# Of a sample's wall time: what the host took to launch its calls.
_LAUNCHING = 0.9
# What NVML, the kernel and the two clocks call it, for people.
_WORDS = {
    "preempted": "another program took a processor",
    "stolen": "the hypervisor gave the processor to another machine",
    "throttled": "a limit held the device or the process back",
    "clocks_disagree": "the device's events and the wall clock disagree",
    "foreign_process": "another process used the GPU",
    "clock_low": "the GPU's clock was under 90 % of this run's own",
}


@dataclass(kw_only=True)
class Tally:
    """All that was said of one case, process by process."""

    wanted: CaseRequest
    device: str
    calls: int = 0
    flop_per_call: float | None = None
    bytes_per_call: float | None = None
    moves_memory: bool = True
    samples_s: list[float] = field(default_factory=list)
    clean: list[bool] = field(default_factory=list)
    process: list[int] = field(default_factory=list)
    round: list[int] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    launched_s: list[float] = field(default_factory=list)
    disturbances: Counter[str] = field(default_factory=Counter)
    foreign_shares: list[float] = field(default_factory=list)
    clocks_hz: list[float] = field(default_factory=list)
    steady: list[bool] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    telemetry: list[Telemetry] = field(default_factory=list)
    not_run: str | None = None
    too_large: bool = False

    def add(self, block: Sampled, process: int, since_s: float) -> None:
        """Take up the samples of a block; `since_s` is when its process began, in seconds of the
        run."""
        count = len(block.samples_s)
        self.samples_s += block.samples_s
        self.clean += [why is None for why in block.disturbances]
        self.process += [process] * count
        self.round += [block.round] * count
        self.at_s += [round(since_s + at, 4) for at in block.at_s]
        self.wall_s += block.wall_s
        self.launched_s += block.launched_s
        self.disturbances.update(why for why in block.disturbances if why is not None)
        if block.clock_hz is not None:
            self.clocks_hz.append(block.clock_hz)
        if block.foreign_share is not None:
            self.foreign_shares.append(block.foreign_share)

    def clean_calls(self) -> list[list[float]]:
        """Seconds for one call of each clean sample, process by process."""
        found: dict[int, list[float]] = defaultdict(list)
        for duration, clean, process in zip(self.samples_s, self.clean, self.process, strict=True):
            if clean:
                found[process].append(duration / self.calls)
        return [found[process] for process in sorted(found)]

    def round_estimates(self) -> list[list[float]]:
        """Median seconds for one call of each round's clean samples, process by process."""
        rounds: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for duration, clean, process, number in zip(
            self.samples_s, self.clean, self.process, self.round, strict=True
        ):
            if clean:
                rounds[process][number].append(duration / self.calls)
        return [
            [median(rounds[process][number]) for number in sorted(rounds[process])]
            for process in sorted(rounds)
        ]


def judge(
    tally: Tally,
    precision: float,
    unmeasured: str = "the time was used up before it could be measured",
) -> CaseResult:
    """The result of one case.

    Args:
        tally: what was sampled.
        precision: half-width of the interval, as a share, that `ok` stands for.
        unmeasured: the reason for a case without samples that gave none itself.
    """
    result = CaseResult(
        name=tally.wanted.name, params=tally.wanted.params, device=tally.device,
        dtype=_dtype(tally), flop_per_call=tally.flop_per_call,
        bytes_per_call=tally.bytes_per_call, calls_per_sample=tally.calls,
        samples_s=list(tally.samples_s), clean=list(tally.clean), process=list(tally.process),
        round=list(tally.round), at_s=list(tally.at_s), wall_s=list(tally.wall_s),
        launched_s=list(tally.launched_s), launch_bound=_launch_bound(tally),
        disturbances=dict(tally.disturbances), notes=list(tally.notes),
        telemetry=list(tally.telemetry),
        clock_hz=median(tally.clocks_hz) if tally.clocks_hz else None,
        verdict="not_run", reason=tally.not_run,
    )  # fmt: skip
    if tally.samples_s:  # also where a later process could not run it, as for want of memory
        return _with(result, **_figures(tally, precision))
    return _with(result, reason=tally.not_run or unmeasured)


def _launch_bound(tally: Tally) -> bool:
    """Whether the device was done as soon as it had the last call, so that it waited for the host.

    A queue of launches that is full (some thousand on a GPU) keeps the host back, but not that
    long: what is in it is still to be done then. A copy from pageable memory, which is no launch,
    keeps its host all the while."""
    if not tally.moves_memory:
        return False
    shares = [a / b for a, b in zip(tally.launched_s, tally.wall_s, strict=False) if b]
    return bool(shares) and median(shares) > _LAUNCHING


def _with(result: CaseResult, **changes: object) -> CaseResult:
    from msgspec.structs import replace

    return replace(result, **changes)


def _dtype(tally: Tally) -> str | None:
    dtype = tally.wanted.params.get("dtype")
    return str(dtype) if dtype else ("float32" if tally.flop_per_call else None)


def _figures(tally: Tally, precision: float) -> dict[str, object]:
    per_process = tally.round_estimates()
    clean = [duration for process in tally.clean_calls() for duration in process]
    if not clean:
        return {"verdict": "contaminated", "reason": _disturbed(tally, 0.0)}
    processes = [median(rounds) for rounds in per_process]
    interval = _interval(per_process)
    center = interval.center if interval else median(processes)
    verdict, reason = _verdict(tally, per_process, clean, interval, precision)
    return {
        "median_s": center, "p10_s": quantile(clean, 0.1), "p90_s": quantile(clean, 0.9),
        "ci95_s": (interval.low, interval.high) if interval else None,
        "interval_over": None if interval is None else (
            "processes" if len(per_process) > 1 else "rounds"
        ),
        "process_medians_s": processes,
        "throughput_flop_per_s": _rate(tally.flop_per_call, center),
        "throughput_bytes_per_s": _rate(tally.bytes_per_call, center),
        "verdict": verdict, "reason": reason,
    }  # fmt: skip


def _rate(amount: float | None, seconds: float) -> float | None:
    return amount / seconds if amount else None


def _interval(per_process: Sequence[Sequence[float]]) -> Interval | None:
    """Between processes where there are several, else between the rounds of the one."""
    if len(per_process) > 1:
        return process_interval([median(rounds) for rounds in per_process])
    return round_interval(per_process[0]) if len(per_process[0]) > 1 else None


def _verdict(
    tally: Tally,
    per_process: Sequence[Sequence[float]],
    clean: Sequence[float],
    interval: Interval | None,
    precision: float,
) -> tuple[Verdict, str | None]:
    """The worst that holds: what disturbed it, then what it did itself, then how sure the figure
    is."""
    share = len(clean) / len(tally.samples_s)
    if share < _LEAST_CLEAN:
        return "contaminated", _disturbed(tally, share)
    if tally.foreign_shares and is_busy(median(tally.foreign_shares)):
        used = median(tally.foreign_shares)
        return "contaminated", f"other programs used {100 * used:.0f} % of the processors meanwhile"
    unsteady = _unsteady(tally, per_process, precision)
    if unsteady is not None:
        return "not_steady", unsteady
    rounds = round(median(len(rounds) for rounds in per_process))
    if interval is None or rounds < _LEAST_ROUNDS:
        return "not_converged", f"only {rounds} undisturbed rounds fitted into the time: --budget"
    if interval.half_width > precision:
        wide = (
            f"the interval is ±{100 * interval.half_width:.1f} %, wider than ±{100 * precision:g} %"
        )
        return "not_converged", wide
    return "ok", None


def _unsteady(tally: Tally, per_process: Sequence[Sequence[float]], precision: float) -> str | None:
    """What most of the processes show within themselves; that they differ is the interval's to
    say."""
    drifts = [trend(rounds) for rounds in per_process]
    drifting = [drift for drift in drifts if abs(drift) > precision / 2]
    if len(drifting) > len(drifts) / 2:
        return f"it drifted by {100 * median(drifting):+.1f} % from the first to the last round"
    groups = [found for found in map(two_groups, tally.clean_calls()) if found is not None]
    if len(groups) > len(per_process) / 2:
        low, high = groups[0]
        return (
            f"its samples fall into two groups, {100 * (high / low - 1):.0f} % apart:"
            " a figure between is neither"
        )
    if tally.steady.count(False) > len(tally.steady) / 2 and _spread(per_process) > precision:
        return "warming up did not end: no two windows agreed within 2 %"
    return None


def _spread(per_process: Sequence[Sequence[float]]) -> float:
    """How far the rounds of the worst process lie apart, from the first quartile to the third."""
    return max(quantile(rounds, 0.75) / quantile(rounds, 0.25) - 1 for rounds in per_process)


def _disturbed(tally: Tally, share: float) -> str:
    why, _ = tally.disturbances.most_common(1)[0]
    return f"only {100 * share:.0f} % of the samples were undisturbed: {_WORDS.get(why, why)}"
