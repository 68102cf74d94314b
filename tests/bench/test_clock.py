"""A timer that follows a script, and chains of multiplications that take exactly so long."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench.clock import measure_clock
from lab.bench.cpu_peaks import Identity

ZEN_5 = Identity(model="AMD EPYC", vendor="AuthenticAMD", family=26, model_number=2)
NEOVERSE_N1 = Identity(model="Neoverse N1", vendor="ARM", family=8, model_number=0xD0C)
ZEN_1 = Identity(model="AMD Ryzen 7 1700", vendor="AuthenticAMD", family=23, model_number=1)
HYBRID = Identity(model="Core i7-12700", vendor="GenuineIntel", family=6, model_number=0x97)
UNKNOWN = Identity(model="Apple M1")


@dataclass
class Core:
    """A core of a known clock.

    Args:
        seconds_each: what one multiplication takes.
        call_s: what a call costs beside them.
        late_s: by how much the chain of that number, counted from 0, is late.
    """

    seconds_each: float
    call_s: float = 0.0
    late_s: Callable[[int], float] = lambda number: 0.0
    now: float = 0.0
    calls: int = 0

    def chain(self, length: int) -> None:
        self.now += self.call_s + length * self.seconds_each + self.late_s(self.calls)
        self.calls += 1

    def measured(self, identity: Identity = ZEN_5) -> tuple[float | None, str]:
        return measure_clock(identity, chain=self.chain, timer=lambda: self.now)


def test_clock_is_cycles_over_seconds() -> None:
    hz, how = Core(seconds_each=3 / 4e9).measured()
    assert hz == pytest.approx(4e9)
    assert "3 cycles each" in how
    assert "one core alone" in how


def test_clock_counts_by_the_latency_of_its_core() -> None:
    hz, how = Core(seconds_each=4 / 3e9).measured(NEOVERSE_N1)
    assert hz == pytest.approx(3e9)
    assert "Neoverse N1" in how


@given(st.floats(0.41e9, 6.9e9), st.floats(0, 1e-5))
def test_clock_is_without_what_a_call_costs(hz: float, call_s: float) -> None:
    found, _ = Core(seconds_each=3 / hz, call_s=call_s).measured()
    assert found == pytest.approx(hz, rel=1e-3)


def test_disturbed_repetitions_do_not_count() -> None:
    core = Core(seconds_each=3 / 4e9, late_s=lambda number: 0.0 if number % 7 == 0 else 1e-3)
    assert core.measured()[0] == pytest.approx(4e9)


def test_core_that_has_yet_to_speed_up_is_measured_when_it_has() -> None:
    core = Core(seconds_each=3 / 4e9, late_s=lambda number: 1e-4 if number < 300 else 0.0)
    assert core.measured()[0] == pytest.approx(4e9)


@pytest.mark.parametrize("hz", [0.3e9, 8e9])
def test_clock_that_no_processor_has_is_refused_with_what_was_seen(hz: float) -> None:
    found, reason = Core(seconds_each=3 / hz).measured()
    assert found is None
    assert f"{hz / 1e9:g} GHz" in reason


def test_chain_that_takes_no_time_is_refused() -> None:
    found, reason = Core(seconds_each=0.0).measured()
    assert (found, "no longer" in reason) == (None, True)


@pytest.mark.parametrize(
    ("identity", "word"),
    [(UNKNOWN, "Apple M1"), (HYBRID, "i7-12700"), (ZEN_1, "disagree")],
)
def test_clock_is_not_measured_where_the_latency_is_not_known(
    identity: Identity, word: str
) -> None:
    core = Core(seconds_each=3 / 4e9)
    found, reason = core.measured(identity)
    assert (found, core.calls) == (None, 0)
    assert word in reason


def test_chain_that_fails_is_told() -> None:
    def fail(length: int) -> None:
        raise RuntimeError("not enough memory")

    found, reason = measure_clock(ZEN_5, chain=fail)
    assert (found, "not enough memory" in reason) == (None, True)


def test_clock_of_this_machine_is_one_that_processors_have() -> None:
    begin = time.perf_counter()
    hz, how = measure_clock()
    assert hz is None or 1e9 < hz < 6e9
    assert how
    assert time.perf_counter() - begin < 60
