"""What `check` promises whatever the function: its values, its manners, its refusals."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.autograd_planted import SMOOTH, chain
from lab.autograd import CheckReport, check
from lab.errors import LabError


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wrongly(
    function: Callable[[Tensor], Tensor], spoil: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """The function with a backward that spoils its gradient."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return function(x.detach())

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return spoil(torch.autograd.grad(function(x), x, grad)[0])

    return Wrong.apply  # type: ignore[no-any-return]


# One of a thousand random compositions has a rounding inside that no output shows, as the benchmark
# counts; so the examples are the same each time.
chains = st.lists(st.integers(0, len(SMOOTH) - 1), min_size=1, max_size=4)
sizes = st.integers(2, 90)
seeds = st.integers(0, 1000)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(chains, sizes, seeds)
def test_correct_chain_of_functions_is_right(numbers: list[int], n: int, seed: int) -> None:
    report = check(chain(numbers), randn(n, seed=seed), seed=seed)
    assert report.ok, str(report)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(chains, sizes, seeds, st.floats(-3, 3).filter(lambda f: abs(f - 1) > 1e-3 and f != 0))
def test_wrong_factor_is_found_and_told(
    numbers: list[int], n: int, seed: int, factor: float
) -> None:
    function = wrongly(chain(numbers), lambda grad: grad * factor)
    report = check(function, randn(n, seed=seed), seed=seed)
    assert not report.ok
    first = report.findings[0]
    assert first.cause in ("wrong_factor", "wrong_sign", "mean_instead_of_sum")
    assert first.analytical is not None
    assert first.numerical is not None
    if first.numerical != 0:
        assert first.analytical / first.numerical == pytest.approx(factor, rel=1e-3)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(chains, st.integers(3, 400), seeds, st.data())
def test_one_wrong_entry_is_found_at_its_place(
    numbers: list[int], n: int, seed: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, n - 1))

    def spoil(grad: Tensor) -> Tensor:
        grad = grad.clone()
        grad[place] += 1e-3 * float(grad.norm()) / n**0.5
        return grad

    report = check(wrongly(chain(numbers), spoil), randn(n, seed=seed), seed=seed)
    # Adding a number that depends on grad's norm is not linear either: both are true of it.
    assert not report.ok


@settings(max_examples=30, deadline=None, derandomize=True)
@given(chains, st.integers(3, 300), seeds, st.data())
def test_one_scaled_entry_is_named_by_its_index(
    numbers: list[int], n: int, seed: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, n - 1))
    x = randn(n, seed=seed)
    own = torch.autograd.functional.vjp(chain(numbers), x, torch.ones(n, dtype=x.dtype))[1]
    typical = float(own.norm()) / n**0.5

    def spoil(grad: Tensor) -> Tensor:
        mask = torch.ones_like(grad)
        mask[place] = 1.01
        return grad * mask

    report = check(wrongly(chain(numbers), spoil), x, seed=seed)
    if abs(float(own[place])) > 1e-2 * typical:
        assert not report.ok
        assert report.findings[0].index == (place,)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(chains, st.integers(1, 12), seeds)
def test_numerical_value_lies_within_its_uncertainty(numbers: list[int], n: int, seed: int) -> None:
    """Told for a gradient that is zero everywhere; the truth is known from autograd."""
    x = randn(n, seed=seed)
    function = chain(numbers)
    assume(not bool((torch.autograd.functional.jacobian(function, x).abs() < 1e-9).all()))
    report = check(wrongly(function, torch.zeros_like), x, seed=seed, language="en")
    first = report.findings[0]
    assert first.index is not None
    assert first.numerical is not None
    assert first.uncertainty is not None
    output = int(str(report).partition("output ")[2].partition(":")[0]) if n > 1 else 0
    truth = torch.autograd.functional.jacobian(function, x)[output, first.index[0]]
    assert abs(float(truth) - first.numerical) <= 20 * first.uncertainty + 1e-12


def test_report_reads_like_this() -> None:
    report = check((lambda w: (w**2).sum(), lambda w: w), randn(3), language="en")
    lines = str(report).splitlines()
    assert lines[0] == "The gradient is WRONG."
    assert lines[1].startswith("input 0 (w), entry (")
    assert lines[1].endswith("the gradient is 0.5 times what it should be.")
    assert lines[2].startswith("  analytical ")
    assert "±" in lines[2]
    assert lines[3].startswith("  look at: a constant")
    assert lines[4].endswith("s, seed 0")


def test_spanish_is_what_is_spoken_unless_asked() -> None:
    assert str(check(torch.sin, randn(3))).startswith("El gradiente está bien.")
    assert check(torch.sin, randn(3)).language == "es"


def test_neither_inputs_nor_random_numbers_nor_output_are_touched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    x = randn(4).requires_grad_()
    before = x.detach().clone()
    torch.manual_seed(3)
    state = torch.get_rng_state()

    def loud(x: Tensor) -> Tensor:
        print("shape", tuple(x.shape))
        return x.mul(2).exp()

    report = check(loud, x, language="en")
    assert report.ok
    assert torch.equal(x.detach(), before)
    assert x.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr().out == ""
    assert 'the function prints: "shape (4,)"' in str(report)


def test_same_seed_gives_the_same_report() -> None:
    def wrong(seed: int) -> CheckReport:
        return check((lambda w: (w**3).sum(), lambda w: w**2), randn(9), seed=seed)

    assert wrong(1).findings == wrong(1).findings
    assert wrong(1).evaluations == wrong(1).evaluations


def test_module_is_checked_with_its_parameters_and_left_as_it_is() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.GELU())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    report = check(module, torch.randn(6, 3), language="en")
    assert report.ok, str(report)
    after = module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert next(module.parameters()).dtype == torch.float32


def test_dropout_in_training_is_told() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout())
    assert check(module, torch.randn(6, 3)).findings[0].cause == "nondeterministic"
    assert check(module.eval(), torch.randn(6, 3)).ok


def test_saved_alias_of_a_function_is_checked() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
            return 3 * grad

    alias = Double.apply
    for subject in (Double, alias):
        report = check(subject, randn(4))
        assert report.findings[0].cause == "wrong_factor"


def test_second_order_is_checked_on_request_alone() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
            (x,) = ctx.saved_tensors
            return 3 * grad * x.detach() ** 2

    assert check(Cube, randn(4)).ok
    report = check(Cube, randn(4), order=2)
    assert report.findings[0].cause == "second_order"


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_other_dtypes_are_checked(dtype: torch.dtype) -> None:
    x = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert check(lambda z: (z * z.conj()).real.sum(), x).ok
    wrong = check((lambda z: (z * z.conj()).real.sum(), lambda z: z), x)
    assert wrong.findings[0].cause == "wrong_factor"


def test_float32_is_precise_enough_to_name_a_cause() -> None:
    """The function holds float32 of its own, and so cannot be had in float64."""
    source = torch.Generator().manual_seed(0)
    x = torch.randn(50, 4, generator=source)
    y = (torch.randn(50, generator=source) > 0).float()

    def loss(w: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")

    def closed(w: Tensor) -> Tensor:
        return x.T @ (torch.sigmoid(x @ w) - y)

    w = torch.randn(4, generator=source)
    assert check((loss, closed), w).ok
    for factor, cause in ((-1, "wrong_sign"), (0.02, "mean_instead_of_sum"), (2, "wrong_factor")):
        report = check((loss, lambda w, f=factor: f * closed(w)), w)
        assert report.findings[0].cause == cause


def test_gradient_that_takes_any_number_of_inputs_names_the_outputs() -> None:
    def gradient(*factors: Tensor, grad_output: Tensor) -> list[Tensor]:
        a, b = factors
        return [grad_output * b, grad_output * a]

    assert check((torch.mul, gradient), randn(4), randn(4, seed=1)).ok


def test_noise_that_hides_a_slope_is_not_called_right() -> None:
    """Rough at every scale, and the same in every call: nothing can be measured, and that is
    said."""

    def rough(x: Tensor) -> Tensor:
        return x + 1e-3 * torch.sin(1e9 * x)

    report = check((rough, torch.ones_like), randn(5))
    assert not report.ok
    assert report.findings


def old_style() -> Any:
    class Old(torch.autograd.Function):
        def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[override]
            return x

        def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[override]
            return grad

    return Old


def raising(x: Tensor) -> Tensor:
    raise KeyError("no such weight")


REFUSED: dict[str, tuple[Any, tuple[Any, ...], str, str]] = {
    "no tensor": (lambda a: a, (3,), "No input is a tensor.", "Ninguna entrada es un tensor."),
    "integers": (lambda a: a, (torch.arange(3),), "whole numbers", "números enteros"),
    "none": (lambda a: None, (randn(3),), "returns None.", "devuelve None."),
    "raises": (raising, (randn(3),), "raised KeyError", "terminó con KeyError"),
    "memory": (lambda a: a * torch.ones(10**13).sum(), (randn(3),), "more memory", "más memoria"),
    "numbers": (lambda a: float(a.sum()), (randn(3),), "returns no tensor", "ningún tensor"),
    "result of integers": (lambda a: a.argmax(), (randn(3),), "whole numbers", "números enteros"),
    "empty": (lambda a: a, (torch.zeros(0),), "inputs are empty", "entradas están vacías"),
    "empty result": (lambda a: a[:0], (randn(3),), "an empty tensor", "un tensor vacío"),
    "nan": (lambda a: a, (torch.tensor([1.0, float("nan")]),), "nan or inf", "nan o inf"),
    "nan result": (lambda a: a.log(), (-torch.ones(2),), "nan or inf", "nan o inf"),
    "half": (lambda a: a, (torch.ones(2, dtype=torch.float16),), "float16", "float16"),
    "no function": (3, (randn(3),), "nothing to call", "nada que llamar"),
    "three": ((abs, abs, abs), (randn(3),), "no pair", "no es un par"),
    "old style": (old_style(), (randn(3),), "no static method", "no es un método estático"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_checked_is_refused_with_the_next_step(name: str) -> None:
    function, inputs, english, spanish = REFUSED[name]
    for language, words in (("en", english), ("es", spanish)):
        with pytest.raises(LabError) as caught:
            check(function, *inputs, language=language)  # type: ignore[arg-type]
        assert words in str(caught.value)
        assert caught.value.next_step
        assert caught.value.exit_code == 2


def test_slow_function_is_refused_after_one_call() -> None:
    calls = []

    def slow(x: Tensor) -> Tensor:
        calls.append(1)
        begin = torch.zeros(200, 200, dtype=x.dtype)
        for _ in range(20):
            begin = begin @ begin
        return x + begin.sum()

    with pytest.raises(LabError, match="takes") as caught:
        check(slow, randn(3), budget_s=1e-6, language="en")
    assert "--budget" in caught.value.next_step
    assert len(calls) == 1


@pytest.mark.parametrize("bad", [{"order": 3}, {"language": "fr"}])
def test_wrong_arguments_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(LabError):
        check(torch.sin, randn(3), **bad)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("logit", [7.0, 8.0, 10.0, 20.0])
def test_point_elsewhere_where_values_come_in_coarse_steps_says_nothing(
    logit: float, n: int
) -> None:
    """At four times the input 1 - sigmoid has three digits or fewer: nothing changes within a small
    step, and the slope of nothing is no derivative to hold the gradient to."""

    def loss(w: torch.Tensor) -> torch.Tensor:
        return -torch.log(1 - torch.sigmoid(logit * w)).sum()

    w = torch.ones(n, dtype=torch.float64)
    report = check(loss, w)
    assert report.ok, str(report)
    assert not check((loss, lambda w: -logit * torch.sigmoid(logit * w)), w).ok


@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("function", [torch.round, torch.floor, lambda x: torch.round(x) + x])
def test_stairs_whose_gradient_is_that_of_a_step_are_right(
    function: Callable[[torch.Tensor], torch.Tensor], size: float
) -> None:
    x = size * torch.tensor([0.3, -1.7, 2.2, 0.9], dtype=torch.float64)
    assert check(function, x).ok
