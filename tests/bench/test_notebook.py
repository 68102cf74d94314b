"""`measure`, as a notebook calls it: on a scripted clock, where every duration is exact, and for
real."""

import time
from collections.abc import Callable

import pytest

import lab.bench
from lab.bench.case import Workload
from lab.bench.notebook import Measured, measure, measure_with
from lab.errors import LabError
from lab.records.bench import CaseResult
from tests.bench.script import Script

MS = 1e-3


def script_of(disturbed: Callable[[int], bool] = lambda number: False) -> Script:
    """A host's: its samples may be short."""
    return Script(least=MS, disturbed=disturbed)


def measured(
    script: Script, call_s: Callable[[], float], budget_s: float = 1.0, **per: float
) -> Measured:
    def run() -> None:
        script.now += call_s()

    workload = Workload(run=run, **per)  # type: ignore[arg-type]
    return measure_with(workload, "cpu", script, budget_s, clock=script.clock)


def test_steady_call_is_ok_and_says_so_in_one_line() -> None:
    found = measured(script_of(), lambda: 2 * MS, flop_per_call=4e6, bytes_per_call=3e3)
    assert (found.verdict, found.reason) == ("ok", None)
    assert found.median_s == pytest.approx(2 * MS)
    assert found.best_s == pytest.approx(2 * MS)
    assert found.ci95_s == pytest.approx((2 * MS, 2 * MS))
    assert repr(found) == str(found) == "2.00 ms ± 0.0 %, 2.00 GFLOP/s, 1.50 MB/s, ok"
    assert found.result.dtype is None  # of a call nobody knows it


@pytest.mark.parametrize("call_s", [2e-6, 0.5 * MS, 20 * MS])
def test_it_takes_the_time_that_it_was_given_and_no_more(call_s: float) -> None:
    script = script_of()
    measured(script, lambda: call_s, budget_s=0.5)
    assert script.now - 100 <= 0.5 + 1e-9


def test_slow_call_gets_three_rounds_and_the_argument_that_helps() -> None:
    found = measured(script_of(), lambda: 3.0, budget_s=0.5)
    assert found.verdict == "not_converged"
    assert found.reason is not None
    assert found.reason.endswith("budget_s")
    assert found.median_s == pytest.approx(3.0)
    assert str(found) == "3.00 s ± 0.0 %, not_converged"


def test_figures_are_those_of_undisturbed_samples() -> None:
    script = script_of(lambda number: number % 3 == 0)
    found = measured(script, lambda: 9 * MS if script.disturbed(script.taken + 1) else 2 * MS)
    assert found.median_s == pytest.approx(2 * MS)
    assert found.verdict == "ok"


def test_without_an_undisturbed_sample_there_is_no_figure_but_the_fastest_is_known() -> None:
    found = measured(script_of(lambda number: True), lambda: 2 * MS, flop_per_call=1.0)
    assert (found.median_s, found.ci95_s, found.flop_per_s) == (None, None, None)
    assert found.best_s == pytest.approx(2 * MS)
    assert str(found) == "-, contaminated"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1.5e-9, "1.50 ns"), (9.996e-6, "10.0 µs"), (0.9996, "1.00 s"), (123.4e-6, "123 µs"),
        (7200.0, "7200 s"),
    ],
)  # fmt: skip
def test_duration_has_three_digits(seconds: float, words: str) -> None:
    found = measured(script_of(), lambda: seconds, budget_s=1e-9 + 40 * seconds)
    assert str(found).startswith(words)


def test_figure_of_launches_says_that_it_is_one() -> None:
    result = CaseResult(
        name="call", params={}, device="cuda", calls_per_sample=10, samples_s=[1e-4],
        wall_s=[2e-4], median_s=1e-5, launch_bound=True, verdict="ok",
    )  # fmt: skip
    found = Measured(result=result)
    assert str(found) == "10.0 µs, launch_bound, ok"
    assert found.best_s == pytest.approx(2e-5)  # the wall clock's: it errs on the slow side


def test_real_call_takes_at_least_what_it_sleeps() -> None:
    found = lab.bench.measure(lambda: time.sleep(2 * MS), budget_s=0.2)
    assert found.best_s >= 2 * MS
    assert found.result.device == "cpu"
    assert found.result.samples_s


def test_measuring_leaves_the_random_numbers_alone() -> None:
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    measure(lambda: None, budget_s=0.05)
    assert torch.equal(torch.rand(3), expected)


def test_error_of_the_call_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (3.0, {}, "of type float"),
        (print, {"budget_s": 0.0}, "budget_s cannot be 0.0"),
        (print, {"budget_s": float("nan")}, "budget_s cannot be nan"),
        (print, {"device": "nonsense"}, "no device 'nonsense'"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: object, options: dict, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(LabError, match=words):
        measure(call, **options)  # type: ignore[arg-type]


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_work_that_is_measured_and_not_the_launch() -> None:
    import torch

    a, b = torch.randn(2, 4096, 4096, device="cuda")
    out = torch.empty_like(a)
    found = measure(lambda: torch.mm(a, b, out=out), device="cuda", flop_per_call=2 * 4096**3)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(20):
        torch.mm(a, b, out=out)
    torch.cuda.synchronize()
    each_s = (time.perf_counter() - begin) / 20
    assert found.best_s == pytest.approx(each_s, rel=0.2)
