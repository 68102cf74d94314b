"""Who is slow: by all samples, beside the others, with a floor in percent."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cluster.causes import likely_cause
from lab.cluster.figures import Figures, figure_of, figures_of
from lab.cluster.judge import Usual, scale_of, standings, times_of
from lab.cluster.odd import facts_of, odd_ones_out
from tests.cluster.samples import case, environment, report

FLOOR = 0.05


def slow(times: list[float], floor: float = FLOOR) -> list[int]:
    nodes = figures(*times)
    usual = Usual(times_of(nodes))
    return [
        i
        for i, (name, own) in enumerate(nodes.items())
        if any(s.slow for s in standings(name, own, None, usual, floor).values())
    ]


@pytest.mark.parametrize("count", [3, 4, 5, 16, 1000])
def test_one_slow_node_is_found_and_no_other(count: int) -> None:
    noise = random.Random(count)
    times = [1e-3 * (1 + noise.uniform(-0.01, 0.01)) for _ in range(count)]
    assert slow([*times[:-1], 5e-3]) == [count - 1]
    assert slow(times) == []


def test_nodes_that_agree_make_no_straggler_of_one_within_the_floor() -> None:
    """With deviations near 0 any difference is many of them."""
    assert slow([1.0, 1.0, 1.0, 1.049]) == []
    assert slow([1.0, 1.0, 1.0, 1.051]) == [3]


def test_where_nodes_scatter_a_difference_must_stand_out() -> None:
    assert slow([1.0, 1.2, 0.8, 1.1, 0.9, 1.3]) == []


def test_a_fast_node_is_none() -> None:
    assert slow([1.0, 1.0, 1.0, 0.2]) == []


def test_two_nodes_do_not_show_which_is_the_odd_one() -> None:
    assert slow([1.0, 5.0]) == []


TIMES = st.lists(st.floats(1e-9, 1e3), min_size=3, max_size=40)


@given(TIMES, st.floats(1e-3, 1e3))
def test_verdicts_do_not_depend_on_the_unit(times: list[float], factor: float) -> None:
    scale, other = scale_of(times), scale_of([time * factor for time in times])
    for time in times:
        one, two = scale.standing(time, FLOOR), other.standing(time * factor, FLOOR)
        assert one.score == pytest.approx(two.score, rel=1e-6, abs=1e-6)


@given(TIMES)
def test_never_are_all_nodes_slow_and_never_the_fastest(times: list[float]) -> None:
    found = slow(times)
    assert times.index(min(times)) not in found
    assert 2 * len(found) <= len(times)


def test_slow_node_of_few_that_scatter_is_found() -> None:
    """Taken on four virtual nodes of a busy machine, the second with a fifth of a processor."""
    assert slow([0.715, 1.870, 0.412, 0.372], floor=1.0) == [1]


@pytest.mark.parametrize("count", [4, 16, 40])
def test_two_slow_nodes_are_both_found(count: int) -> None:
    noise = random.Random(count)
    times = [1 + noise.uniform(-0.01, 0.01) for _ in range(count - 2)]
    assert slow([2.0, *times, 3.0]) == [0, count - 1]


def test_pauses_count_though_they_are_no_clean_samples() -> None:
    """A processor that is taken away four fifths of the time: by its clean samples it is fine."""
    paused = case(1e-3, pauses_s=0.160)
    assert paused.median_s == 1e-3
    assert figure_of(paused).time_s == pytest.approx(5e-3)
    assert figure_of(case(1e-3)).time_s == pytest.approx(1e-3)


def test_one_disturbed_round_does_not_decide() -> None:
    from msgspec.structs import replace

    steady = case(1e-3)
    samples = [*steady.samples_s[:-1], 10.0]
    assert figure_of(replace(steady, samples_s=samples)).time_s == pytest.approx(1e-3)


def figures(*times: float) -> dict[str, Figures]:
    return {f"n{i}": figures_of(report(case(time))) for i, time in enumerate(times, 1)}


def test_of_two_runs_the_faster_one_counts() -> None:
    nodes = figures(1e-3, 1e-3, 1e-3, 5e-3)
    usual = Usual(times_of(nodes))
    (once,) = standings("n4", nodes["n4"], None, usual, FLOOR).values()
    (fine,) = standings("n4", nodes["n4"], nodes["n1"], usual, FLOOR).values()
    (again,) = standings("n4", nodes["n4"], figures(4e-3)["n1"], usual, FLOOR).values()
    assert (once.slow, fine.slow, again.slow) == (True, False, True)
    assert again.ratio == pytest.approx(4)


@pytest.mark.parametrize(
    ("node", "cause"),
    [
        (report(case(5e-3), where=environment(cpus=0.2)), "cpu_limit"),
        (report(case(5e-3, disturbed={"throttled": 12})), "cpu_limit"),
        (report(case(5e-3, disturbed={"preempted": 12})), "cpu_contention"),
        (report(case(5e-3, disturbed={"stolen": 12})), "cpu_contention"),
        (report(case(5e-3, clock_hz=1.5e9)), "clock"),
        (report(case(5e-3, clock_hz=None)), "unexplained"),
        (report(case(5e-3)), "unexplained"),
    ],
)
def test_cause_is_what_the_record_shows(node: object, cause: str) -> None:
    own = figures_of(node)  # type: ignore[arg-type]
    found, words = likely_cause(own, list(figures(1e-3, 1e-3, 1e-3).values()), list(own.cases))
    assert found == cause
    assert words


def test_nodes_that_are_set_up_otherwise_are_odd_however_fast() -> None:
    usual = facts_of(Figures(environment=environment()))
    nodes = {f"n{i}": usual for i in range(3)} | {
        "n9": facts_of(Figures(environment=environment(cpus=2, torch="2.12.1")))
    }
    found = [(odd.node, odd.field, odd.value, odd.usual) for odd in odd_ones_out(nodes)]
    assert found == [("n9", "cgroup.cpus", "2", "none"), ("n9", "torch", "2.12.1", "2.13.0")]


def test_without_a_majority_nobody_is_odd() -> None:
    assert odd_ones_out({f"n{i}": {"torch": f"2.{i}"} for i in range(4)}) == []
    assert odd_ones_out({"a": {"torch": "2.0"}, "b": {"torch": "2.1"}}) == []
