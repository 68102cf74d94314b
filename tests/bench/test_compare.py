"""Comparisons of runs whose truth is known."""

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from lab.bench.compare import beside, compare, compare_paired
from lab.bench.judge import judge
from lab.errors import LabError
from lab.records.bench import BenchReport, CaseResult, CpuFacts, Environment
from tests.bench.streams import Truth, steady_truth, tally_of

MS = 1e-3
HERE = Environment(
    cpu=CpuFacts(model="Test 9000", cores=4, logical=4), threads=4, matmul_precision="highest"
)


def result_of(truth: Truth, **how: object) -> CaseResult:
    return judge(tally_of(truth, **how), 0.05)  # type: ignore[arg-type]


def report_of(
    *cases: CaseResult, environment: Environment = HERE, processes: int = 5
) -> BenchReport:
    return BenchReport(
        argv=["bench"], started_utc="2026-01-01T00:00:00+00:00", duration_s=1.0, seed=1,
        level="default", ended="done", processes=processes, environment=environment,
        cases=list(cases),
    )  # fmt: skip


def scattered(mean_s: float, seed: int, spread: float = 0.005) -> Truth:
    """Processes that scatter anew with each seed."""
    level: dict[int, float] = {}

    def truth(process: int, number: int, rng: random.Random) -> float:
        own = level.setdefault(process, random.Random(f"{seed}:{process}").gauss(0, spread))
        return mean_s * (1 + own) * (1 + abs(rng.gauss(0, 0.01)))

    return truth


def _verdicts(ratio: float, *, spread: float = 0.005, runs: int = 40) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(runs):
        old = result_of(scattered(MS, 2 * seed, spread), seed=2 * seed)
        new = result_of(scattered(MS * ratio, 2 * seed + 1, spread), seed=2 * seed + 1)
        found[compare(report_of(new), report_of(old), force=False)[0].verdict] += 1
    return found


def test_same_speed_is_hardly_ever_called_a_difference() -> None:
    found = _verdicts(1.0)
    assert found["SAME"] >= 36
    assert found["SLOWER"] + found["FASTER"] == 0


def test_five_percent_are_found_both_ways() -> None:
    assert _verdicts(1.05)["SLOWER"] >= 38
    assert _verdicts(1 / 1.05)["FASTER"] >= 38


def test_what_scatters_too_much_is_inconclusive_and_no_false_alarm() -> None:
    found = _verdicts(1.0, spread=0.03)
    assert found["SLOWER"] + found["FASTER"] <= 3
    assert found["INCONCLUSIVE"] >= 30


def test_ratio_is_time_now_over_time_before() -> None:
    new, old = result_of(steady_truth(2 * MS)), result_of(steady_truth(MS))
    seen = compare(report_of(new), report_of(old), force=False)[0]
    assert seen.ratio == pytest.approx(2, rel=0.02)
    assert seen.ci95 is not None
    assert seen.ci95[0] < seen.ratio < seen.ci95[1]


def test_floor_of_the_machine_is_the_threshold() -> None:
    loud = replace(HERE, floor_percent=8.0)
    new, old = result_of(scattered(1.05 * MS, 1)), result_of(scattered(MS, 2))
    seen = compare(report_of(new, environment=loud), report_of(old), force=False)[0]
    assert seen.threshold_percent == pytest.approx(8.0)
    assert seen.verdict in ("SAME", "INCONCLUSIVE")
    one = compare(report_of(new, environment=loud, processes=1), report_of(old), force=False)[0]
    assert one.threshold_percent == pytest.approx(8.0 * 5**0.5)


def test_run_of_one_process_needs_a_large_difference_where_no_floor_is_known() -> None:
    """Its rounds lie closer together than processes do: a process of its own may be 5 % off."""
    new, old = result_of(scattered(1.05 * MS, 1), processes=1), result_of(steady_truth(MS))
    seen = compare(report_of(new, processes=1), report_of(old), force=False)[0]
    assert seen.threshold_percent == pytest.approx(10)
    assert seen.verdict in ("SAME", "INCONCLUSIVE")
    known = replace(HERE, floor_percent=1.0)
    both = [report_of(c, environment=known, processes=p) for c, p in ((new, 1), (old, 5))]
    assert compare(*both, force=False)[0].threshold_percent == pytest.approx(5**0.5)


@pytest.mark.parametrize("verdict", ["contaminated", "not_steady", "not_run"])
def test_figure_that_nobody_may_believe_is_inconclusive(verdict: str) -> None:
    bad = replace(result_of(steady_truth(MS)), verdict=verdict, reason="x")
    good = result_of(steady_truth(2 * MS))
    for new, old in ((bad, good), (good, bad)):
        seen = compare(report_of(new), report_of(old), force=False)[0]
        assert seen.verdict == "INCONCLUSIVE"
        assert verdict in str(seen.reason)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cpu": CpuFacts(model="Other 1", cores=4, logical=4)}, "Test 9000 now, Other 1 before"),
        ({"threads": 1}, "threads: 4 now, 1 before"),
        ({"matmul_precision": "medium"}, "highest now, medium before"),
    ],
)
def test_other_devices_and_modes_are_refused_unless_forced(
    change: dict[str, object], named: str
) -> None:
    case = result_of(steady_truth(MS))
    new, old = report_of(case), report_of(case, environment=replace(HERE, **change))
    with pytest.raises(LabError) as refused:
        compare(new, old, force=False)
    assert named in refused.value.why
    assert "--force" in refused.value.next_step
    assert compare(new, old, force=True)[0].verdict == "SAME"


def test_other_installation_is_named_and_compared() -> None:
    case = result_of(steady_truth(MS))

    def of(receipt: str | None) -> BenchReport:
        plain = report_of(case)
        return replace(plain, environment=replace(plain.environment, receipt=receipt))

    for now, then in (("a" * 64, "a" * 64), (None, "a" * 64), ("a" * 64, None)):
        assert beside(of(now), of(then), force=False).problems == []
    seen = beside(of("a" * 64), of("b" * 64), force=False)
    assert seen.comparisons[0].verdict == "SAME"
    assert seen.compared_with == of(None).started_utc
    assert "receipt aaaaaaaaaaaa now, bbbbbbbbbbbb before" in seen.problems[0]


def test_runs_without_a_common_case_are_refused() -> None:
    case = result_of(steady_truth(MS))
    other = replace(case, params={"size": 1024, "dtype": "float32"})
    with pytest.raises(LabError, match="no case in common"):
        compare(report_of(case), report_of(other), force=False)


def test_pairs_of_rounds_tell_what_a_common_disturbance_would_hide() -> None:
    """Both slow down together, by up to 20 %: the pairs still show 5 %."""
    slow = {(p, r): random.Random(f"{p}{r}").uniform(1, 1.2) for p in range(5) for r in range(8)}
    once = result_of(lambda p, r, rng: MS * slow[p, r] * rng.uniform(1, 1.01), seed=1)
    more = result_of(lambda p, r, rng: 1.05 * MS * slow[p, r] * rng.uniform(1, 1.01), seed=2)
    assert compare_paired(more, once, 0.02).verdict == "SLOWER"
    assert compare_paired(once, more, 0.02).verdict == "FASTER"
    assert compare_paired(once, once, 0.02).verdict == "SAME"
