"""Calibration, warm-up and rounds on a scripted clock, where every duration is exact."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from lab.bench.case import Workload
from lab.bench.sampler import (
    MOST_ROUNDS,
    ROUNDS,
    Block,
    Subject,
    calibrate,
    measure,
    warm_up,
)  # fmt: skip
from lab.bench.timer import DeviceTimer, Sample
from tests.bench.script import Script
from tests.bench.test_timer import Machine


def subject_of(
    script: Script, index: int, cost: Callable[[int], float] | float, calls: int = 0
) -> Subject:
    """A subject whose calls take so many seconds, by the number of the call."""
    made = 0

    def run() -> None:
        nonlocal made
        script.now += cost(made) if callable(cost) else cost
        made += 1

    return Subject(index=index, workload=Workload(run=run, flop_per_call=index), calls=calls)


@pytest.mark.parametrize("cost", [50e-9, 3e-6, 1e-3, 4.9e-3, 5e-3, 2.0])
def test_calibrated_sample_lasts_long_enough_and_not_much_longer(cost: float) -> None:
    script = Script()
    subject = subject_of(script, 0, cost)
    calibrate(subject, script)
    assert subject.calls * cost >= 5e-3
    assert subject.calls == 1 or subject.calls * cost <= 12e-3


def test_calibration_is_not_misled_by_one_call_that_lost_its_processor() -> None:
    script = Script()
    subject = subject_of(script, 0, lambda made: 10e-3 if made in (1, 5) else 10e-6)
    calibrate(subject, script)
    assert subject.calls * 10e-6 >= 5e-3


def test_cold_call_on_a_device_is_repeated_until_its_flushes_too_make_a_sample() -> None:
    """By the device's own figure of 10 µs a sample would have 600 calls, and 600 flushes."""
    machine = Machine()
    flush_ns, call_ns = 2_000_000, 10_000
    cold = Workload(run=lambda: machine.launch(call_ns), flush=lambda: machine.launch(flush_ns))
    subject = Subject(index=0, workload=cold)
    calibrate(subject, DeviceTimer(machine, machine.clock))
    sample_s = subject.calls * (flush_ns + call_ns) * 1e-9
    assert 5e-3 <= sample_s <= 12e-3


def test_clock_that_stands_still_ends_the_calibration() -> None:
    script = Script()
    subject = subject_of(script, 0, 0.0)
    script.sample = lambda workload, calls: Sample(duration_s=0.0, begin_s=0.0)  # type: ignore[method-assign]
    calibrate(subject, script)
    assert subject.calls >= 10**6


def test_call_that_fails_is_left_out_and_the_others_go_on() -> None:
    script = Script()

    def fail_later(made: int) -> float:
        if made > 100:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return 1e-3

    subjects = [subject_of(script, 0, fail_later, calls=5), subject_of(script, 1, 1e-3, calls=5)]
    for subject in subjects:
        subject.sample_s = 5e-3
    failed: list[int] = []
    blocks = list(
        measure(
            subjects,
            script,
            end_s=script.clock() + 5,
            precision=0.01,
            order=random.Random(1),
            clock=script.clock,
            failed=lambda subject, error: failed.append(subject.index),
        )
    )
    assert failed == [0]
    assert {block.round for block in blocks if block.index == 1} == set(range(ROUNDS))


def test_calls_found_by_an_earlier_process_stay() -> None:
    script = Script()
    subject = subject_of(script, 0, 1e-3, calls=17)
    calibrate(subject, script)
    assert subject.calls == 17


def test_warm_up_goes_on_until_two_windows_agree() -> None:
    script = Script()
    subject = subject_of(script, 0, lambda made: 10e-3 * (1 + 0.5 * 0.9**made), calls=1)
    warm_up(subject, script, 15, script.clock)
    assert subject.steady
    assert subject.sample_s == pytest.approx(10e-3, rel=0.1)


def test_warm_up_that_does_not_end_is_not_steady() -> None:
    script = Script()
    subject = subject_of(script, 0, lambda made: 1e-3 * 1.01**made, calls=1)
    begin = script.clock()
    warm_up(subject, script, 2.0, script.clock)
    assert not subject.steady
    assert script.clock() - begin <= 2.1


def _measured(
    script: Script, subjects: list[Subject], seconds: float, seed: int = 1
) -> list[Block]:
    for subject in subjects:
        warm_up(subject, script, 1.0, script.clock)
    end = script.clock() + seconds
    return list(
        measure(
            subjects, script, end_s=end, precision=0.01, order=random.Random(seed),
            clock=script.clock,
        )
    )  # fmt: skip


def test_each_round_holds_every_subject_once_in_an_order_drawn_anew() -> None:
    script = Script()
    blocks = _measured(script, [subject_of(script, i, 1e-3, calls=5) for i in range(4)], 4)
    orders = [tuple(b.index for b in blocks if b.round == r) for r in range(ROUNDS)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len(set(orders)) > 4


def test_order_follows_the_seed() -> None:
    def order(seed: int) -> list[int]:
        script = Script()
        subjects = [subject_of(script, i, 1e-3, calls=5) for i in range(4)]
        return [block.index for block in _measured(script, subjects, 4, seed)]

    assert order(7) == order(7)
    assert order(7) != order(8)


def test_first_sample_of_a_block_is_dropped() -> None:
    """The subject before it has left its own data in the caches."""
    script = Script()
    subject = subject_of(script, 0, 1e-3, calls=5)
    warm_up(subject, script, 1.0, script.clock)
    before = script.taken
    blocks = list(
        measure(
            [subject], script, end_s=script.clock() + 2, precision=0.01, order=random.Random(1),
            clock=script.clock,
        )
    )  # fmt: skip
    taken = script.taken - before
    assert taken == sum(len(block.samples) for block in blocks) + len(blocks)


def test_subject_whose_rounds_agree_is_left_out_after_eight_and_the_others_go_on() -> None:
    script = Script()
    calm = subject_of(script, 0, 1e-3, calls=5)
    # Every block has a level of its own: the rounds of this one never agree.
    wild = subject_of(script, 1, lambda made: 1e-3 * (1 + 0.5 * ((made // 200) % 2)), calls=5)
    rounds = Counter(block.index for block in _measured(script, [calm, wild], 20))
    assert rounds[0] == ROUNDS
    assert ROUNDS < rounds[1] <= MOST_ROUNDS


def test_time_limit_holds_with_calls_of_any_length() -> None:
    for cost in (1e-6, 1e-3, 0.3, 4.0):
        script = Script()
        subjects = [subject_of(script, i, cost, calls=max(1, int(5e-3 / cost))) for i in range(3)]
        for subject in subjects:
            subject.sample_s = cost * subject.calls
        end = script.clock() + 3.0
        blocks = list(
            measure(
                subjects, script, end_s=end, precision=1e-9, order=random.Random(1),
                clock=script.clock,
            )
        )  # fmt: skip
        assert script.clock() <= end + 2 * subjects[0].sample_s
        assert bool(blocks) == (cost < 3.0)


def test_estimate_of_a_round_comes_from_clean_samples_alone() -> None:
    script = Script()
    subject = subject_of(script, 0, lambda made: 9e-3 if made % 10 < 5 else 1e-3, calls=5)
    script.disturbed = lambda number: script.now > 0 and number % 2 == 1
    subject.sample_s = 25e-3
    blocks = list(
        measure(
            [subject], script, end_s=script.clock() + 3, precision=0.01, order=random.Random(1),
            clock=script.clock,
        )
    )  # fmt: skip
    assert blocks
    assert any(s.disturbance for block in blocks for s in block.samples)
    assert subject.estimates == pytest.approx([1e-3] * len(subject.estimates))
