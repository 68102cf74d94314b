"""Against scipy and numpy, and on streams whose truth is known."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.bench.statistics import (
    paired_ratio_interval,
    process_interval,
    quantile,
    ratio_interval,
    robust_deviation,
    round_interval,
    t_quantile,
    trend,
    two_groups,
)  # fmt: skip

DURATION = st.floats(1e-9, 1e4)


@given(st.floats(0.001, 0.999), st.floats(0.5, 1e6))
def test_t_quantile_agrees_with_scipy(share: float, freedom: float) -> None:
    assert t_quantile(share, freedom) == pytest.approx(
        stats.t.ppf(share, freedom), rel=1e-6, abs=1e-8
    )


@given(st.lists(DURATION, min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_agrees_with_numpy(values: list[float], share: float) -> None:
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-9)


@given(st.lists(DURATION, min_size=2, max_size=20))
def test_process_interval_is_scipys_of_the_logarithms(values: list[float]) -> None:
    seen = process_interval(values)
    logs = np.log(values)
    error = stats.sem(logs)
    assert seen.center == pytest.approx(stats.gmean(values), rel=1e-9)
    if error > 1e-12:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=logs.mean(), scale=error)
        assert math.log(seen.low) == pytest.approx(low, rel=1e-6, abs=1e-9)
        assert math.log(seen.high) == pytest.approx(high, rel=1e-6, abs=1e-9)


@given(
    st.lists(DURATION, min_size=2, max_size=12, unique=True),
    st.lists(DURATION, min_size=2, max_size=12, unique=True),
)
def test_ratio_interval_is_scipys_welch_interval(new: list[float], old: list[float]) -> None:
    seen = ratio_interval(new, old)
    logs = np.log(new), np.log(old)
    if min(side.std() for side in logs) < 1e-9:
        return
    theirs = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert math.log(seen.low) == pytest.approx(theirs.low, rel=1e-6, abs=1e-9)
    assert math.log(seen.high) == pytest.approx(theirs.high, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(DURATION, DURATION), min_size=5, max_size=60))
def test_paired_interval_is_scipys_of_the_trimmed_mean(pairs: list[tuple[float, float]]) -> None:
    """Where a fifth is a whole number: scipy takes the share itself in its place."""
    new, old = zip(*pairs[: len(pairs) // 5 * 5], strict=True)
    logs = np.log(new) - np.log(old)
    low, high = stats.mstats.trimmed_mean_ci(logs, (0.2, 0.2), alpha=0.05)
    seen = paired_ratio_interval(new, old)
    assert math.log(seen.low) == pytest.approx(low, rel=1e-6, abs=1e-9)
    assert math.log(seen.high) == pytest.approx(high, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(DURATION, DURATION), min_size=2, max_size=4))
def test_paired_interval_of_few_is_scipys_paired_interval(
    pairs: list[tuple[float, float]],
) -> None:
    new, old = zip(*pairs, strict=True)
    if (np.log(new) - np.log(old)).std() < 1e-9:
        return
    theirs = stats.ttest_rel(np.log(new), np.log(old)).confidence_interval(0.95)
    seen = paired_ratio_interval(new, old)
    assert math.log(seen.low) == pytest.approx(theirs.low, rel=1e-6, abs=1e-9)
    assert math.log(seen.high) == pytest.approx(theirs.high, rel=1e-6, abs=1e-9)


@given(st.lists(DURATION, min_size=5, max_size=32, unique=True))
def test_trend_needs_what_kendalls_tau_finds_significant(values: list[float]) -> None:
    """The same test as Kendall's tau against time, and stricter by its correction of continuity."""
    p = stats.kendalltau(range(len(values)), values, method="asymptotic").pvalue
    if trend(values):
        assert p < 0.01


@given(st.lists(DURATION, min_size=1, max_size=40))
def test_robust_deviation_is_scipys(values: list[float]) -> None:
    theirs = stats.median_abs_deviation(values, scale="normal")
    assert robust_deviation(values) == pytest.approx(float(theirs), rel=1e-4, abs=1e-12)


@given(st.permutations(list(range(1, 13))))
def test_intervals_do_not_depend_on_the_order(values: list[int]) -> None:
    assert round_interval(values) == round_interval(sorted(values))


# --- streams with a known truth -------------------------------------------------------------------

REPEATS = 400
Draw = Callable[[random.Random], float]


def _coverage(
    make: Callable[[random.Random], list[float]], interval: Callable, truth: float
) -> float:
    rng = random.Random(20)
    hits = 0
    for _ in range(REPEATS):
        seen = interval(make(rng))
        hits += seen.low <= truth <= seen.high
    return hits / REPEATS


def test_process_interval_covers_the_truth_where_processes_differ() -> None:
    """95 % of 400 have a standard deviation of 1.1 %: four of them below is no chance."""
    made = lambda rng: [math.exp(rng.gauss(0, 0.03)) for _ in range(5)]  # noqa: E731
    assert _coverage(made, process_interval, 1.0) > 0.905


def test_round_interval_covers_the_median_under_heavy_tails() -> None:
    """One round in ten is late, by anything up to many times: the median stays, the interval
    holds it."""

    def made(rng: random.Random) -> list[float]:
        late = [rng.paretovariate(1.2) - 1 if rng.random() < 0.1 else 0.0 for _ in range(8)]
        return [math.exp(rng.gauss(0, 0.01)) + extra for extra in late]

    assert _coverage(made, round_interval, 1.0) > 0.9


def test_interval_between_samples_of_one_process_would_lie() -> None:
    """Why the interval is taken between processes: with samples it covers the truth once in many
    times."""

    def made(rng: random.Random) -> list[float]:
        process = rng.gauss(0, 0.03)
        return [math.exp(process + rng.gauss(0, 0.01)) for _ in range(200)]

    assert _coverage(made, process_interval, 1.0) < 0.2


def test_trend_sees_a_drift_and_its_size() -> None:
    rng = random.Random(3)
    drifting = [math.exp(0.10 * i / 15 + rng.gauss(0, 0.005)) for i in range(16)]
    assert trend(drifting) == pytest.approx(0.105, abs=0.02)


def test_trend_is_seldom_seen_where_there_is_none() -> None:
    rng = random.Random(4)
    false = sum(trend([rng.gauss(1, 0.02) for _ in range(16)]) != 0 for _ in range(1000))
    assert false <= 25  # 1 % of 1000, and some for chance


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_two_groups_are_found_with_their_medians(share: float) -> None:
    rng = random.Random(5)
    values = [
        rng.gauss(1.0, 0.01) if rng.random() < share else rng.gauss(1.3, 0.01) for _ in range(300)
    ]
    found = two_groups(values)
    assert found is not None
    assert found == pytest.approx((1.0, 1.3), rel=0.01)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.gauss(1, 0.02),
        lambda rng: rng.lognormvariate(0, 0.05),
        lambda rng: 1 + 0.02 * rng.paretovariate(1.5),
        lambda rng: rng.uniform(0.9, 1.1),
        lambda rng: 1.0,
        lambda rng: rng.gauss(1.0, 0.01) if rng.random() < 0.9 else rng.gauss(1.3, 0.01),
    ],
    ids=["normal", "lognormal", "pareto", "uniform", "constant", "few late"],
)
def test_one_group_is_not_two(draw: Draw) -> None:
    rng = random.Random(6)
    found = sum(two_groups([draw(rng) for _ in range(200)]) is not None for _ in range(100))
    assert found <= 2


@settings(max_examples=50)
@given(st.lists(DURATION, min_size=0, max_size=40))
def test_two_groups_takes_any_list(values: list[float]) -> None:
    found = two_groups(values)
    assert found is None or found[0] < found[1]
