"""The self-test on streams whose truth is known."""

import random

import pytest
from msgspec.structs import replace

from lab.bench.case import Workload
from lab.bench.judge import judge
from lab.bench.selftest import floor_percent, judge_selftest, selftest_cases
from lab.bench.selftest_case import PRODUCTS, selftest
from lab.errors import LabError
from lab.records.bench import CaseResult
from tests.bench.streams import tally_of
from tests.bench.test_compare import report_of

MS = 1e-3


def kernel(cost: float, *, between: float = 0.02, disturbed: float = 0.0) -> CaseResult:
    """A kernel whose processes scatter, as those of the others do: they are the same processes."""
    levels = [random.Random(f"level {p}").gauss(1, between) for p in range(5)]
    made = tally_of(
        lambda p, r, rng: MS * cost * levels[p] * rng.uniform(1, 1.01), disturbed=disturbed,
        seed=round(1000 * cost),
    )  # fmt: skip
    return judge(made, 0.05)


def test_same_and_five_percent_more_are_told_apart() -> None:
    result = judge_selftest(report_of(kernel(1.0), kernel(1.0001), kernel(1.05)))
    assert result.green
    assert (result.same.verdict, result.slower.verdict) == ("SAME", "SLOWER")
    assert result.slower.ratio == pytest.approx(1.05, rel=0.01)


def test_measuring_that_sees_a_difference_where_there_is_none_is_not_green() -> None:
    assert not judge_selftest(report_of(kernel(1.0), kernel(1.04), kernel(1.05))).green


def test_measuring_that_misses_five_percent_is_not_green() -> None:
    assert not judge_selftest(report_of(kernel(1.0), kernel(1.0001), kernel(1.0002))).green


def test_too_few_undisturbed_processes_are_an_error() -> None:
    spoilt = kernel(1.0, disturbed=1.0)
    with pytest.raises(LabError, match="could not measure enough"):
        judge_selftest(report_of(spoilt, spoilt, spoilt))


@pytest.mark.parametrize(("between", "least", "most"), [(0.002, 0.05, 2), (0.03, 1, 20)])
def test_floor_follows_the_spread_between_processes(
    between: float, least: float, most: float
) -> None:
    assert least < floor_percent([kernel(1.0, between=between)]) < most


def test_floor_is_not_moved_by_one_process_that_met_something_rare() -> None:
    calm = kernel(1.0)
    rare = replace(calm, process_medians_s=[*calm.process_medians_s[:4], 2 * MS])
    assert floor_percent([rare]) < 10  # by the standard deviation it would be over 100


@pytest.mark.parametrize(("device", "size"), [("cpu", 512), ("meta", 2048)])
def test_kernels_are_as_large_as_their_device_needs(device: str, size: int) -> None:
    """On a device a product must take longer than its launch; `meta` computes nothing."""
    once = selftest.prepare(device=device, variant="once")
    assert once.flop_per_call == 20 * 2 * size**3
    assert selftest.memory_bytes(device=device, variant="once") == 3 * size**2 * 4


def test_kernels_are_the_same_but_for_their_number_of_products() -> None:
    assert [case.params["variant"] for case in selftest_cases()] == ["once", "again", "more"]
    assert PRODUCTS["more"] / PRODUCTS["once"] == pytest.approx(1.05)
    made = {v: selftest.prepare(device="cpu", variant=v) for v in PRODUCTS}
    assert all(isinstance(workload, Workload) for workload in made.values())
    assert made["more"].flop_per_call == pytest.approx(1.05 * (made["once"].flop_per_call or 0))
