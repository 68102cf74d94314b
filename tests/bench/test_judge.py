"""Verdicts on streams whose truth is known, and figures against numpy."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bench.judge import Tally, judge
from lab.bench.messages import CaseRequest
from tests.bench.streams import steady_truth, tally_of

MS = 1e-3


def test_quiet_stream_is_ok_and_its_interval_holds_the_truth() -> None:
    result = judge(tally_of(steady_truth(MS)), 0.05)
    assert (result.verdict, result.reason) == ("ok", None)
    assert result.median_s == pytest.approx(MS, rel=0.02)
    assert result.ci95_s is not None
    assert result.ci95_s[0] <= result.median_s <= result.ci95_s[1]
    assert result.interval_over == "processes"
    assert len(result.process_medians_s) == 5


def test_one_process_has_an_interval_between_its_rounds_and_says_so() -> None:
    result = judge(tally_of(steady_truth(MS), processes=1), 0.05)
    assert result.verdict == "ok"
    assert result.interval_over == "rounds"


def test_figures_are_those_of_the_clean_samples() -> None:
    tally = tally_of(steady_truth(MS), disturbed=0.2)
    result = judge(tally, 0.05)
    clean = np.array(result.samples_s)[np.array(result.clean)] / result.calls_per_sample
    assert len(result.samples_s) == len(result.clean) == 5 * 8 * 20
    assert result.p10_s == pytest.approx(np.quantile(clean, 0.1))
    assert result.p90_s == pytest.approx(np.quantile(clean, 0.9))
    assert result.p90_s is not None
    assert result.p90_s < 1.1 * MS
    assert result.disturbances == {"preempted": result.clean.count(False)}
    assert result.median_s is not None
    assert result.throughput_flop_per_s == pytest.approx(2 * 512**3 / result.median_s)
    assert result.throughput_bytes_per_s == pytest.approx(3 * 512**2 * 4 / result.median_s)


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "ok"), (0.6, "contaminated")])
def test_under_half_clean_is_contaminated(share: float, verdict: str) -> None:
    result = judge(tally_of(steady_truth(MS), disturbed=share), 0.05)
    assert result.verdict == verdict


def test_no_clean_sample_gives_no_figure() -> None:
    result = judge(tally_of(steady_truth(MS), disturbed=1.0), 0.05)
    assert result.verdict == "contaminated"
    assert result.median_s is None
    assert result.samples_s
    assert result.reason is not None
    assert "another program took a processor" in result.reason


def test_foreign_load_is_contaminated_whatever_the_samples_say() -> None:
    result = judge(tally_of(steady_truth(MS), foreign_share=0.5), 0.05)
    assert result.verdict == "contaminated"
    assert result.reason is not None
    assert "50 %" in result.reason


def test_drift_is_not_steady() -> None:
    drifting = tally_of(lambda p, r, rng: MS * (1 + 0.02 * r) * (1 + abs(rng.gauss(0, 0.01))))
    result = judge(drifting, 0.05)
    assert result.verdict == "not_steady"
    assert result.reason is not None
    assert "drifted by +1" in result.reason


@pytest.mark.parametrize(
    ("launched", "moves_memory", "bound"),
    [(0.98, True, True), (0.5, True, False), (0.98, False, False)],
)
def test_device_that_waits_for_its_host_is_launch_bound(
    launched: float, moves_memory: bool, bound: bool
) -> None:
    tally = tally_of(steady_truth(MS))
    tally.moves_memory = moves_memory
    tally.wall_s = list(tally.samples_s)
    tally.launched_s = [launched * wall for wall in tally.wall_s]
    assert judge(tally, 0.05).launch_bound is bound
    assert not judge(tally_of(steady_truth(MS)), 0.05).launch_bound


def test_two_modes_are_not_steady() -> None:
    modes = tally_of(
        lambda p, r, rng: MS * (1.0 if rng.random() < 0.5 else 1.3) * rng.uniform(1, 1.01)
    )
    result = judge(modes, 0.05)
    assert result.verdict == "not_steady"
    assert result.reason is not None
    assert "two groups, 30 % apart" in result.reason or "two groups, 29 % apart" in result.reason


def test_processes_that_differ_are_not_converged_however_calm_each_is() -> None:
    """One process in three is 20 % slower, as by where its memory lies: each by itself looks
    sure."""
    slow = tally_of(lambda p, r, rng: MS * (1.2 if p % 3 == 0 else 1.0) * rng.uniform(1, 1.005))
    result = judge(slow, 0.05)
    assert result.verdict == "not_converged"
    assert result.reason is not None
    assert "the interval is" in result.reason


def test_heavy_tails_do_not_move_the_figure() -> None:
    heavy = tally_of(lambda p, r, rng: MS * (1 + 0.01 * rng.paretovariate(1.1)))
    result = judge(heavy, 0.05)
    truth = MS * (1 + 0.01 * 2 ** (1 / 1.1))  # the median of that Pareto distribution
    assert result.verdict == "ok"
    assert result.median_s == pytest.approx(truth, rel=0.01)
    mean = sum(result.samples_s) / len(result.samples_s) / result.calls_per_sample
    assert mean > 1.02 * truth  # what an average would have said


def test_few_rounds_are_not_converged() -> None:
    result = judge(tally_of(steady_truth(MS), rounds=3), 0.05)
    assert result.verdict == "not_converged"
    assert result.reason is not None
    assert "--budget" in result.reason


def test_warm_up_that_never_ended_is_not_steady_where_the_rounds_scatter() -> None:
    wild = tally_of(lambda p, r, rng: MS * random.Random(f"{p}{r}").uniform(0.8, 1.2), steady=False)
    assert judge(wild, 0.05).verdict == "not_steady"
    calm = tally_of(steady_truth(MS), steady=False)
    assert judge(calm, 0.05).verdict == "ok"


@pytest.mark.parametrize("reason", [None, "this device has no float8"])
def test_case_that_was_not_measured_says_why(reason: str | None) -> None:
    tally = Tally(wanted=CaseRequest(name="x", params={}), device="cpu", not_run=reason)
    result = judge(tally, 0.05)
    assert result.verdict == "not_run"
    assert result.reason == (reason or "the time was used up before it could be measured")
    assert result.median_s is None


SAMPLES = st.lists(st.floats(1e-7, 10), min_size=1, max_size=6)


@settings(max_examples=150)
@given(
    st.lists(st.lists(SAMPLES, min_size=1, max_size=9), min_size=1, max_size=4),
    st.floats(0, 1), st.floats(0, 1), st.booleans(), st.randoms(),
)  # fmt: skip
def test_any_stream_has_a_verdict_and_figures_that_agree(
    processes: list[list[list[float]]], disturbed: float, foreign: float, steady: bool,
    rng: random.Random,
) -> None:  # fmt: skip
    from lab.bench.messages import Sampled

    tally = Tally(wanted=CaseRequest(name="x", params={}), device="cpu", calls=3, flop_per_call=1.0)
    for number, rounds in enumerate(processes):
        tally.steady.append(steady)
        for round_number, samples in enumerate(rounds):
            why = ["stolen" if rng.random() < disturbed else None for _ in samples]
            block = Sampled(
                index=0, round=round_number, samples_s=samples, at_s=[0.0] * len(samples),
                disturbances=why, foreign_share=foreign,
            )  # fmt: skip
            tally.add(block, number, 0.0)
    result = judge(tally, 0.05)
    assert (result.reason is None) == (result.verdict == "ok")
    if result.verdict == "ok":
        assert result.ci95_s is not None
        assert result.median_s is not None
        assert result.ci95_s[1] / result.median_s <= 1.0501
        assert foreign <= 0.10
        assert sum(result.clean) >= len(result.clean) / 2
    if result.median_s is not None:
        assert math.isfinite(result.median_s)
        assert min(result.samples_s) / 3.001 <= result.median_s <= max(result.samples_s) / 2.999
