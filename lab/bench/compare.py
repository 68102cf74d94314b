"""Sets a run beside an earlier one: faster, slower, the same, or not to be told."""

import json
import math
from collections.abc import Sequence
from statistics import median

from msgspec.structs import replace

from lab.bench.statistics import Interval, paired_ratio_interval, ratio_interval
from lab.errors import LabError
from lab.records.bench import BenchReport, CaseResult, Change, Comparison, Environment

# A smaller difference is none, on the quietest machine: of layout, of a kernel's version, of the
# weather.
LEAST_THRESHOLD = 0.02
# Fresh processes of a self-test; a machine's floor is that of runs with as many.
FLOOR_PROCESSES = 5
# Where a run of one process is compared and a self-test is lacking: 1.96 * sqrt(2) times 3.6 %, the
# most that fresh processes of a product were seen to scatter by on a quiet machine.
UNKNOWN_FLOOR = 0.10
_BELIEVED = ("ok", "not_converged")

Key = tuple[str, str, str]


def beside(new: BenchReport, old: BenchReport, *, force: bool) -> BenchReport:
    """A run with its comparison, and with a word where the installations were not the same.

    Raises:
        LabError: the runs cannot be compared.
    """
    comparisons = compare(new, old, force=force)
    now, then = new.environment.receipt, old.environment.receipt
    problems = list(new.problems)
    if now and then and now != then:
        problems.append(
            f"the two installations are not the same: receipt {now[:12]} now, {then[:12]} before;"
            " a difference may be of the packages"
        )
    return replace(new, comparisons=comparisons, compared_with=old.started_utc, problems=problems)


def compare(new: BenchReport, old: BenchReport, *, force: bool) -> list[Comparison]:
    """Compare all cases that both runs have.

    Args:
        new, old: the runs.
        force: compare also what was measured on different devices or in different modes.

    Raises:
        LabError: the runs cannot be compared.
    """
    if not force:
        refuse_different(new.environment, old.environment)
        if _devices(new) != _devices(old):
            raise _not_comparable([f"device: {_devices(new)} now, {_devices(old)} before"])
    before = {_key(case): case for case in old.cases}
    pairs = [(case, before[_key(case)]) for case in new.cases if _key(case) in before]
    if not pairs:
        raise LabError(
            "The two runs have no case in common.",
            why="a case is the same when its name, parameters and device are",
            next_step="pass the same --only, --size and --dtype as in the earlier run",
        )
    threshold = _threshold(new, old)
    return [compare_cases(now, then, threshold) for now, then in pairs]


def _key(case: CaseResult) -> Key:
    device = case.device.partition(":")[0]
    return case.name, json.dumps(case.params, sort_keys=True), device


def refuse_different(new: Environment, old: Environment) -> None:
    """See that two runs were measured on the same device in the same way.

    Raises:
        LabError: they were not; names what differs, with both values.
    """
    facts = {
        "processor": (new.cpu and new.cpu.model, old.cpu and old.cpu.model),
        "GPU": (new.gpu and new.gpu.name, old.gpu and old.gpu.name),
        "threads": (new.threads, old.threads),
        "cores": (new.cpu and new.cpu.cores, old.cpu and old.cpu.cores),
        "float32 mode": (new.matmul_precision, old.matmul_precision),
    }
    differences = [
        f"{what}: {now or 'none'} now, {then or 'none'} before"
        for what, (now, then) in facts.items()
        if now != then
    ]
    if differences:
        raise _not_comparable(differences)


def _not_comparable(differences: Sequence[str]) -> LabError:
    return LabError(
        "The two runs cannot be compared.",
        why="they differ in " + "; ".join(differences),
        next_step="measure both on the same device in the same way, or pass --force",
    )


def _devices(report: BenchReport) -> str:
    return ", ".join(sorted({case.device.partition(":")[0] for case in report.cases}))


def _threshold(new: BenchReport, old: BenchReport) -> float:
    """2 %, or the machines' floors: those hold for runs of five processes, and fewer vary more."""
    floors = [
        report.environment.floor_percent
        / 100
        * math.sqrt(FLOOR_PROCESSES / max(report.processes, 1))
        for report in (new, old)
        if report.environment.floor_percent is not None
    ]
    alone = min(new.processes, old.processes) < 2 and len(floors) < 2
    return max(LEAST_THRESHOLD, UNKNOWN_FLOOR if alone else 0.0, *floors)


def compare_cases(new: CaseResult, old: CaseResult, threshold: float) -> Comparison:
    """Compare one case that was measured in two runs.

    Args:
        new, old: the case in both.
        threshold: differences up to this share are none.
    """
    for case, which in ((new, "this run"), (old, "the earlier run")):
        if case.verdict not in _BELIEVED or case.median_s is None:
            reason = f"in {which} its verdict is {case.verdict}"
            return _inconclusive(new, threshold, reason)
    sides = [_estimates(case) for case in (new, old)]
    if min(len(side) for side in sides) < 2:
        return _inconclusive(new, threshold, "there are fewer than two rounds to compare")
    return _decided(new, ratio_interval(*sides), threshold)


def compare_paired(new: CaseResult, old: CaseResult, threshold: float) -> Comparison:
    """Compare two cases of one run, round by round: what disturbed a round disturbed both."""
    a, b = rounds_of(new), rounds_of(old)
    common = sorted(a.keys() & b.keys())
    if len(common) < 2:
        return _inconclusive(new, threshold, "there are fewer than two rounds to compare")
    interval = paired_ratio_interval([a[k] for k in common], [b[k] for k in common])
    return _decided(new, interval, threshold)


def rounds_of(case: CaseResult) -> dict[tuple[int, int], float]:
    """Median seconds of a clean sample for each process and round, for one call."""
    found: dict[tuple[int, int], list[float]] = {}
    for duration, clean, process, number in zip(
        case.samples_s, case.clean, case.process, case.round, strict=True
    ):
        if clean:
            found.setdefault((process, number), []).append(duration / case.calls_per_sample)
    return {key: median(values) for key, values in found.items()}


def _estimates(case: CaseResult) -> Sequence[float]:
    """One for each process; of the one process, one for each round: those differ less."""
    if len(case.process_medians_s) > 1:
        return case.process_medians_s
    return list(rounds_of(case).values())


def _inconclusive(case: CaseResult, threshold: float, reason: str) -> Comparison:
    return Comparison(
        name=case.name, params=case.params, verdict="INCONCLUSIVE",
        threshold_percent=100 * threshold, reason=reason,
    )  # fmt: skip


def decide(interval: Interval, threshold: float) -> tuple[Change, str | None]:
    """A difference is one when the interval leaves no room for none, and it is above the
    threshold; the reason is why that cannot be told."""
    above, below = 1 + threshold, 1 / (1 + threshold)
    if interval.low > 1 and interval.center > above:
        return "SLOWER", None
    if interval.high < 1 and interval.center < below:
        return "FASTER", None
    if below <= interval.low and interval.high <= above:
        return "SAME", None
    return "INCONCLUSIVE", (
        f"the interval holds both none and a difference of more than {100 * threshold:.1f} %"
    )


def _decided(case: CaseResult, interval: Interval, threshold: float) -> Comparison:
    verdict, reason = decide(interval, threshold)
    return Comparison(
        name=case.name, params=case.params, verdict=verdict, ratio=interval.center,
        ci95=(interval.low, interval.high), threshold_percent=100 * threshold, reason=reason,
    )  # fmt: skip
