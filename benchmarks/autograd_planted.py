"""Functions with a planted bug, and correct ones that are hard, for `autograd.py` and the tests.

Each bug names the cause that a person would give it; those of several causes, or of none in the
list, have None.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

Maker = Callable[[], tuple[Any, tuple[Any, ...]]]


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One case: `make` gives what is under test and its inputs.

    Args:
        name: of the case.
        make: gives fresh ones.
        causes: those that are right; empty for a correct function.
        order: of the check.
    """

    name: str
    make: Maker
    causes: tuple[str, ...] = ()
    order: int = 1


def written(forward: Callable[..., Tensor], backward: Callable[..., Any]) -> Any:
    """An autograd.Function of a forward and of a backward(grad_output, *inputs)."""

    class Written(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return backward(grad, *ctx.saved_tensors)

    return Written


_N = torch.nn.functional
SMOOTH: list[Callable[[Tensor], Tensor]] = [
    torch.sin, torch.tanh, torch.exp, torch.sigmoid, lambda x: x**2 + x, torch.atan, _N.softplus,
    lambda x: torch.log(1 + x**2), lambda x: x * x.roll(1, 0), lambda x: torch.softmax(x, 0),
    lambda x: x.cumsum(0), lambda x: x / (1 + x.norm()),
]  # fmt: skip


def chain(numbers: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """The functions of these numbers in SMOOTH, one after the other."""

    def function(x: Tensor) -> Tensor:
        for number in numbers:
            x = SMOOTH[number](x)
        return x

    return function


def _given(function: Any, *inputs: Any) -> tuple[Any, tuple[Any, ...]]:
    return function, inputs


def compositions(count: int, seed: int) -> Iterator[Planted]:
    """Random compositions of smooth functions at random points, the same for the same seed.

    Sizes from 1 to 200, values of the sizes 0.1, 1 and 10; those that are not finite there, or
    whose gradient is not, are left out.
    """
    draw = random.Random(seed)
    made = 0
    while made < count:
        numbers = [draw.randrange(len(SMOOTH)) for _ in range(draw.randint(1, 4))]
        n = draw.choice([1, 2, 5, 20, 50, 77, 90, 200])
        source = torch.Generator().manual_seed(draw.randrange(10000))
        x = torch.randn(n, generator=source, dtype=torch.float64) * draw.choice([1, 1, 1, 0.1, 10])
        leaf = x.clone().requires_grad_()
        y = chain(numbers)(leaf)
        slope = torch.autograd.grad(y.sum(), leaf)[0]
        if not bool(y.isfinite().all() and slope.isfinite().all()):
            continue
        made += 1
        yield Planted(name=f"{numbers} of {n}", make=partial(_given, chain(numbers), x))


def randn(*shape: int) -> Tensor:
    """Standard normal numbers, float64."""
    return torch.randn(*shape, dtype=torch.float64)


def _single(grad: Tensor, place: int, factor: float) -> Tensor:
    grad = grad.clone()
    grad.view(-1)[place % grad.numel()] *= factor
    return grad


def _softmax_back(grad: Tensor, x: Tensor) -> Tensor:
    s = torch.softmax(x, -1)
    return s * (grad - (grad * s).sum(-1, keepdim=True))


def _norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


def _norm_back_short(grad: Tensor, x: Tensor) -> Tensor:
    return grad / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


def _logistic(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")


def bugs(sizes: tuple[int, ...] = (5, 40, 1500)) -> Iterator[Planted]:
    """The planted bugs, each at several sizes."""
    for n in sizes:
        yield from _elementwise(n)
        yield from _reductions(n)
        yield from _graphs(n)
    for n in (3, 8, 24):
        yield from _matrices(n)
    yield from _pairs()
    yield from _second()


def _elementwise(n: int) -> Iterator[Planted]:
    def case(name: str, forward: Any, backward: Any, *causes: str, make: Any = None) -> Planted:
        build = make or (lambda: (randn(n),))
        return Planted(
            name=f"{name}, {n}", make=lambda: (written(forward, backward), build()), causes=causes
        )

    yield case("square, sign", lambda x: x**2, lambda g, x: -2 * g * x, "wrong_sign")
    yield case("exp, sign", torch.exp, lambda g, x: -g * x.exp(), "wrong_sign")
    yield case("square, no 2", lambda x: x**2, lambda g, x: g * x, "wrong_factor")
    yield case("sin, 1.0005", torch.sin, lambda g, x: 1.0005 * g * x.cos(), "wrong_factor")
    yield case("tanh, zero", torch.tanh, lambda g, x: torch.zeros_like(g), "detached")
    yield case("tanh, None", torch.tanh, lambda g, x: None, "none_gradient")
    yield case("exp, grad_output", torch.exp, lambda g, x: x.exp(), "grad_output_ignored")
    yield case("exp, squared grad", torch.exp, lambda g, x: g * g * x.exp(), "grad_output_ignored")
    yield case(
        "cube, one entry",
        lambda x: x**3,
        lambda g, x: _single(3 * g * x**2, 3, 1 + 1e-4),
        "wrong_entry",
    )
    yield case(
        "cube, last entry zero",
        lambda x: x**3,
        lambda g, x: _single(3 * g * x**2, -1, 0),
        "wrong_entry",
    )
    yield case(
        "leaky relu, slope",
        lambda x: torch.where(x > 0, x, 0.1 * x),
        lambda g, x: torch.where(x > 0, g, 0.2 * g),
        "branch",
    )
    yield case(
        "clamp, beyond",
        lambda x: x.clamp(-1, 1),
        lambda g, x: torch.where(x > 1, g, g * (x.abs() < 1)),
        "branch",
        make=lambda: (3 * randn(n),),
    )
    yield case(
        "huber, far",
        lambda x: torch.where(x.abs() < 1, x**2 / 2, x.abs() - 0.5),
        lambda g, x: g * x,
        "branch",
        make=lambda: (2 * randn(n),),
    )
    yield case(
        "branch not visited",
        lambda x: torch.where(x.abs() < 1, x**2, 2 * x.abs() - 1),
        lambda g, x: 2 * g * x,
        "branch",
        make=lambda: (0.5 * torch.rand(n).double() + 0.3,),
    )
    yield case(
        "float32 gradient",
        torch.exp,
        lambda g, x: (g.float() * x.float().exp()).double(),
        "float32_inside",
    )
    yield case(
        "float32 dtype", torch.exp, lambda g, x: g.float() * x.float().exp(), "float32_inside"
    )
    yield case(
        "relu, 5 at the kink",
        torch.relu,
        lambda g, x: torch.where(x == 0, 5 * g, g * (x > 0)),
        "kink",
        make=lambda: (torch.arange(n).remainder(5).double() - 2,),
    )
    yield case("round, straight through", torch.round, lambda g, x: g, "not_differentiable")
    yield case("in place backward", torch.exp, lambda g, x: g.mul_(x.exp()), "in_place")
    yield case(
        "tiny gradient, sign", lambda x: 1e-7 * x**2, lambda g, x: -2e-7 * g * x, "wrong_sign"
    )
    yield case("sigmoid, forgot 1 - s", torch.sigmoid, lambda g, x: g * torch.sigmoid(x), "unknown")
    yield case("shape", torch.exp, lambda g, x: (g * x.exp())[:-1], "wrong_shape")


def _reductions(n: int) -> Iterator[Planted]:
    m = 7

    def case(name: str, forward: Any, backward: Any, *causes: str, make: Any = None) -> Planted:
        build = make or (lambda: (randn(m, n), randn(n)))
        return Planted(
            name=f"{name}, {n}", make=lambda: (written(forward, backward), build()), causes=causes
        )

    yield case("bias, no sum", torch.add, lambda g, x, b: (g, g), "missing_sum")
    yield case("bias, mean", torch.add, lambda g, x, b: (g, g.mean(0)), "mean_instead_of_sum")
    yield case("bias, first row", torch.add, lambda g, x, b: (g, g[0]), "missing_sum")
    yield case("scale, no sum", lambda x, b: x * b, lambda g, x, b: (g * b, g * x), "missing_sum")
    yield case(
        "scale, mean",
        lambda x, b: x * b,
        lambda g, x, b: (g * b, (g * x).mean(0)),
        "mean_instead_of_sum",
    )
    yield case(
        "row sum, mean",
        lambda x: x.sum(-1),
        lambda g, x: g.unsqueeze(-1).expand_as(x) / n,
        "mean_instead_of_sum",
        make=lambda: (randn(m, n),),
    )
    yield case(
        "softmax, no sum",
        lambda x: torch.softmax(x, -1),
        lambda g, x: torch.softmax(x, -1) * g,
        "missing_sum",
        "unknown",
        make=lambda: (randn(2, n),),
    )
    yield case(
        "softmax, sign",
        lambda x: torch.softmax(x, -1),
        lambda g, x: -_softmax_back(g, x),
        "wrong_sign",
        make=lambda: (randn(2, n),),
    )
    yield case(
        "norm, short",
        _norm,
        _norm_back_short,
        "missing_sum",
        "unknown",
        make=lambda: (randn(2, n),),
    )


def _graphs(n: int) -> Iterator[Planted]:
    def case(name: str, function: Any, *causes: str) -> Planted:
        return Planted(name=f"{name}, {n}", make=lambda: (function, (randn(n),)), causes=causes)

    def without(x: Tensor) -> Tensor:
        with torch.no_grad():
            scale = x.exp()
        return x * scale

    def data(x: Tensor) -> Tensor:
        return x * x.data

    def noisy(x: Tensor) -> Tensor:
        return x * torch.rand_like(x)

    def in_place(x: Tensor) -> Tensor:
        return x.mul_(2.0).exp()

    yield case("detach", lambda x: x * x.detach(), "detached")
    yield case("detach all", lambda x: x.detach().exp(), "detached")
    yield case("item", lambda x: x * x[0].item(), "detached")
    yield case("no_grad", without, "detached")
    yield case("data", data, "detached")
    yield case("numpy", lambda x: x * torch.from_numpy(x.detach().numpy().copy()), "detached")
    yield case("float32 inside", lambda x: x.float().exp().double(), "float32_inside")
    yield case("random", noisy, "nondeterministic")
    yield case("in place", in_place, "in_place")
    yield case("where and sqrt", lambda x: torch.where(x > 0, x.sqrt(), 0 * x), "branch")


def _matrices(n: int) -> Iterator[Planted]:
    def case(name: str, backward: Any, *causes: str, rows: int = n) -> Planted:
        return Planted(
            name=f"matmul, {name}, {n}",
            make=lambda: (written(torch.matmul, backward), (randn(rows, n), randn(n, n))),
            causes=causes,
        )

    yield case("transposed", lambda g, a, b: ((g @ b.T).T, a.T @ g), "transposed")
    yield case("second transposed", lambda g, a, b: (g @ b.T, (a.T @ g).T), "transposed")
    yield case("not transposed", lambda g, a, b: (g @ b, a.T @ g), "unknown")
    yield case("wrong shape", lambda g, a, b: ((g @ b.T).T, a.T @ g), "transposed", rows=n + 1)
    yield case("sign", lambda g, a, b: (g @ b.T, -a.T @ g), "wrong_sign")
    yield case("one entry", lambda g, a, b: (g @ b.T, _single(a.T @ g, 5, 1.01)), "wrong_entry")


def _pairs() -> Iterator[Planted]:
    def case(name: str, gradient: Any, *causes: str, rows: int = 50, d: int = 4) -> Planted:
        def make() -> tuple[Any, tuple[Any, ...]]:
            x, y = randn(rows, d), torch.randint(2, (rows, 1)).double()
            pair = (lambda w: _logistic(w, x, y), lambda w: gradient(x, torch.sigmoid(x @ w), y))
            return pair, (randn(d, 1),)

        return Planted(name=f"logistic, {name}, {rows}x{d}", make=make, causes=causes)

    for d in (4, 300):
        yield case("sign", lambda x, s, y: x.T @ (y - s), "wrong_sign", d=d)
        yield case("mean", lambda x, s, y: x.T @ (s - y) / 50, "mean_instead_of_sum", d=d)
        yield case("no labels", lambda x, s, y: x.T @ s, "unknown", d=d)
        yield case("no sum", lambda x, s, y: x * (s - y), "wrong_shape", "missing_sum", d=d)
        yield case("factor", lambda x, s, y: 2 * x.T @ (s - y), "wrong_factor", d=d)
        yield case("shape", lambda x, s, y: (x.T @ (s - y)).T, "transposed", "wrong_shape", d=d)
        yield case(
            "one entry", lambda x, s, y: _single(x.T @ (s - y), 2, 1.001), "wrong_entry", d=d
        )


def _second() -> Iterator[Planted]:
    def case(name: str, backward: Any, n: int) -> Planted:
        return Planted(
            name=f"second, {name}, {n}",
            causes=("second_order",),
            order=2,
            make=lambda: (written(lambda x: x**3, backward), (randn(n),)),
        )

    for n in (5, 200):
        yield case("detached", lambda g, x: 3 * g * x.detach() ** 2, n)
        yield case("half", lambda g, x: g * (x * x.detach() * 3), n)


def correct() -> Iterator[Planted]:
    """Correct functions that are hard."""
    f = torch.nn.functional

    def case(name: str, function: Any, *inputs: Any, order: int = 1) -> Planted:
        return Planted(name=name, make=lambda: (function, inputs), order=order)

    ints = torch.randint(-3, 4, (40, 30)).double()
    labels, weights = torch.randint(5, (12,)), torch.randn(9, 4)
    yield case("relu at its kink", torch.relu, ints)
    yield case("abs at zero", torch.abs, torch.zeros(6, dtype=torch.float64))
    yield case("clamp at its ends", lambda x: x.clamp(-1, 1), ints)
    yield case("max with ties", lambda x: x.amax(-1), ints)
    yield case("hardtanh, minus relu", lambda x: f.hardtanh(x) - f.relu(x), ints[0])
    yield case(
        "relu of a layer at zero",
        lambda x: torch.relu(x @ ints[:, :10] * 0.37).sum(),
        torch.zeros(40, dtype=torch.float64),
    )
    yield case("norm at zero", lambda x: x.norm(), torch.zeros(4, dtype=torch.float64))
    yield case("floor", torch.floor, randn(20) * 5)
    yield case("floor at whole numbers", lambda x: torch.floor(x) + x**2, ints[0])
    yield case("square at 1e8", lambda x: (x**2).sum(), randn(50) * 1e8)
    yield case("square at 1e-9", lambda x: (x**2).sum(), randn(50) * 1e-9)
    yield case("sin at 1e6", torch.sin, randn(20) * 1e6)
    yield case(
        "log near zero", torch.log, torch.tensor([1e-12, 1e-6, 1.0, 1e7], dtype=torch.float64)
    )
    yield case(
        "mixed sizes", lambda x: (x**2).sum(), torch.logspace(-9, 9, 200, dtype=torch.float64)
    )
    yield case("sigmoid saturated", torch.sigmoid, torch.linspace(-60, 60, 41, dtype=torch.float64))
    yield case("softmax saturated", lambda x: torch.softmax(x, -1), randn(6, 10) * 200)
    yield case("cross entropy saturated", lambda x: f.cross_entropy(x, labels), randn(12, 5) * 100)
    yield case(
        "embedding of integers",
        lambda w, i: f.embedding(i, w).sum(0),
        randn(20, 4),
        torch.arange(9),
    )
    yield case("leaky relu", lambda x: torch.where(x > 0, x, 0.1 * x), randn(3000))
    yield case(
        "branch on the whole", lambda x: x.exp() if float(x.detach().sum()) > 0 else x**2, randn(30)
    )
    yield case("transposed input", lambda x: (x @ x.T).tanh(), randn(8, 6).T)
    yield case("every second", lambda x: x.cumsum(0), randn(60)[::2])
    yield case("expanded input", lambda x: (x**3).sum(), randn(1, 6).expand(5, 6))
    yield case("broadcast", lambda x, b, s: (x * s + b).tanh(), randn(9, 5), randn(5), randn(1))
    yield case("scalar", torch.exp, torch.tensor(0.3, dtype=torch.float64))
    yield case(
        "complex",
        lambda z: (z * z.conj()).real.sqrt() + z.imag,
        torch.randn(7, dtype=torch.complex128),
    )
    yield case("float32 input", lambda x: x.exp().sum(), torch.randn(9))
    yield case(
        "float32 with float32 weights",
        lambda x: (x @ weights).tanh(),
        torch.randn(3, 9),
    )
    yield case("norm of rows", _norm, randn(4, 30))
    yield case("determinant", torch.linalg.slogdet, randn(6, 6))
    yield case(
        "written square", written(lambda x: x**2, lambda g, x: 2 * g * x), randn(33), order=2
    )
    yield case(
        "one-hot cross entropy",
        written(
            lambda u, y: -(y * torch.log_softmax(u, -1)).sum(),
            lambda g, u, y: (g * (torch.softmax(u, -1) - y), None),
        ),
        randn(6, 4).requires_grad_(),
        torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 1, 2]],
    )
    yield case(
        "pair, logistic",
        (
            lambda w: _logistic(w, ints[:, :4], (ints[:, 5:6] > 0).double()),
            lambda w: (
                ints[:, :4].T @ (torch.sigmoid(ints[:, :4] @ w) - (ints[:, 5:6] > 0).double())
            ),
        ),
        randn(4, 1),
    )
    yield case(
        "mlp",
        torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.ReLU(), torch.nn.Linear(30, 3)),
        torch.randn(6, 40),
    )
    yield case("convolution", torch.nn.Conv2d(2, 3, 3), torch.randn(2, 2, 8, 8))
    yield case(
        "attention",
        lambda q, k, v: f.scaled_dot_product_attention(q, k, v),
        randn(2, 5, 8),
        randn(2, 5, 8),
        randn(2, 5, 8),
    )
