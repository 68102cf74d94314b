"""The computations of the fingerprint. To add one, write a function with `@computation`.

A result is `bound` where IEEE 754 and whole numbers leave no choice, in whatever order and with
whatever kernel: whole numbers that a float32 holds exactly, or one correctly rounded operation for
each element. All others depend on the order of sums and on the polynomials behind exp and log.
Their tolerances are some ten times what was measured between an AMD and an Intel CPU, with kernels
from SSE2 to AVX-512, and an H100. In the deterministic mode of `lab.seed` those CPUs gave the same
bits in all but the square root: MKL's is not correctly rounded, and no switch makes it agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SINGLE, _DOUBLE = 1e-5, 1e-13
Body = Callable[[str], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class Computation:
    """One computation.

    Args:
        name: short and stable.
        tolerance: None where the result is bound, else the share of its largest value by which
            machines may differ.
        run: takes the device and returns the result. What is random comes from the CPU's generator,
            so that every device is given the same numbers.
    """

    name: str
    tolerance: float | None
    run: Body


COMPUTATIONS: list[Computation] = []


def computation(tolerance: float | None = None) -> Callable[[Body], Body]:
    """Add a function to the fingerprint, under its name."""

    def add(body: Body) -> Body:
        COMPUTATIONS.append(Computation(name=body.__name__, tolerance=tolerance, run=body))
        return body

    return add


def _uniform(device: str, *shape: int, seed: int = 0, double: bool = False) -> Tensor:
    import torch

    source = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    return torch.rand(*shape, generator=source, dtype=dtype).to(device)


def _whole(device: str, *shape: int, seed: int = 0) -> Tensor:
    """Whole numbers from -8 to 8, float32: sums of fewer than 2**18 products are exact."""
    import torch

    source = torch.Generator().manual_seed(seed)
    return torch.randint(-8, 9, shape, generator=source).float().to(device)


@computation()
def sampling(device: str) -> Tensor:
    """Uniform and whole random numbers and a permutation, (3000,)."""
    import torch

    source = torch.Generator().manual_seed(1)
    return torch.cat(
        [
            torch.rand(1000, generator=source),
            torch.randint(0, 1000, (1000,), generator=source).float(),
            torch.randperm(1000, generator=source).float(),
        ]
    )


@computation()
def elements(device: str) -> Tensor:
    """One addition, subtraction, product and quotient for each element, (40000,)."""
    import torch

    x, y = _uniform(device, 10_000), _uniform(device, 10_000, seed=1) + 0.5
    return torch.cat([x + y, x - y, x * y, x / y])


@computation()
def sorting(device: str) -> Tensor:
    """Sorted numbers, and the largest of each row with its place, (10200,)."""
    import torch

    x = _uniform(device, 100, 100)
    largest = x.max(dim=1)
    return torch.cat([x.flatten().sort().values, largest.values, largest.indices.float()])


@computation()
def matmul_whole(device: str) -> Tensor:
    """(300, 257) @ (257, 100), of whole numbers."""
    return _whole(device, 300, 257) @ _whole(device, 257, 100, seed=1)


@computation()
def sum_whole(device: str) -> Tensor:
    """Sums of (100, 1003) whole numbers by row, (100,)."""
    return _whole(device, 100, 1003).sum(dim=1)


@computation()
def convolution_whole(device: str) -> Tensor:
    """(4, 8, 16, 16) whole numbers with (16, 8, 3, 3)."""
    import torch

    kernel = _whole(device, 16, 8, 3, 3, seed=1)
    # Winograd's and Fourier's algorithms, which cuDNN and oneDNN may choose, round also here.
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    with cudnn.flags(enabled=False), mkldnn.flags(enabled=False):
        return torch.nn.functional.conv2d(_whole(device, 4, 8, 16, 16), kernel, padding=1)


@computation(tolerance=_SINGLE)
def normal(device: str) -> Tensor:
    """Normal random numbers, (10007,)."""
    import torch

    return torch.randn(10_007, generator=torch.Generator().manual_seed(0))


@computation(tolerance=_SINGLE)
def functions(device: str) -> Tensor:
    """Exponential, logarithm, tanh and sigmoid, (40000,)."""
    import torch

    x = _uniform(device, 10_000) + 0.01
    return torch.cat([x.exp(), x.log(), x.tanh(), x.sigmoid()])


@computation(tolerance=_SINGLE)
def square_root(device: str) -> Tensor:
    """Of (10000,), which MKL computes on a CPU."""
    return _uniform(device, 10_000).sqrt()


@computation(tolerance=_SINGLE)
def softmax(device: str) -> Tensor:
    """Of the rows of (100, 1003)."""
    return _uniform(device, 100, 1003).softmax(dim=1)


@computation(tolerance=_SINGLE)
def sums(device: str) -> Tensor:
    """Sum, mean and standard deviation of 10**6 numbers, and sums by row and column."""
    import torch

    x = _uniform(device, 1000, 1003)
    return torch.cat([torch.stack([x.mean(), x.std()]), x.sum(dim=1) / 1e3, x.sum(dim=0) / 1e3])


@computation(tolerance=_SINGLE)
def matmul(device: str) -> Tensor:
    """(300, 257) @ (257, 100)."""
    return _uniform(device, 300, 257) @ _uniform(device, 257, 100, seed=1)


@computation(tolerance=_DOUBLE)
def matmul_float64(device: str) -> Tensor:
    """(300, 257) @ (257, 100), in double precision."""
    return _uniform(device, 300, 257, double=True) @ _uniform(device, 257, 100, seed=1, double=True)


@computation(tolerance=_SINGLE)
def linear_system(device: str) -> Tensor:
    """The solution of (50, 50) x = (50,)."""
    import torch

    matrix = _uniform(device, 50, 50) + 5 * torch.eye(50, device=device)
    solution: Tensor = torch.linalg.solve(matrix, _uniform(device, 50, seed=1))
    return solution


@computation(tolerance=3 * _SINGLE)
def convolution(device: str) -> Tensor:
    """A convolution of (4, 8, 16, 16) with (16, 8, 3, 3), and the gradient of its mean square."""
    import torch

    kernel = _uniform(device, 16, 8, 3, 3, seed=1).requires_grad_()
    out = torch.nn.functional.conv2d(_uniform(device, 4, 8, 16, 16), kernel, padding=1)
    (gradient,) = torch.autograd.grad(out.square().mean(), kernel)
    return torch.cat([out.detach().flatten(), gradient.flatten()])


@computation(tolerance=_SINGLE)
def logistic_regression(device: str) -> Tensor:
    """The course's model: loss at each of 200 steps of gradient descent, then weights, (203,).

    150 points (x1, x2), of class 1 where x1 + 0.3 u > 0.1 with u uniform; as in notebook 5.
    """
    import torch

    x = 2 * _uniform(device, 150, 2) - 1
    y = (x[:, :1] + 0.3 * _uniform(device, 150, 1, seed=1) > 0.1).float()
    z = (x - x.mean(dim=0)) / x.std(dim=0)
    w = torch.zeros(2, 1, device=device, requires_grad=True)
    b = torch.zeros(1, 1, device=device, requires_grad=True)
    losses = []
    for _ in range(200):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ w + b, y)
        by_w, by_b = torch.autograd.grad(loss, (w, b))
        losses.append(loss.detach())
        with torch.no_grad():
            w -= by_w
            b -= by_b
    return torch.cat([torch.stack(losses), w.detach().flatten(), b.detach().flatten()])


@computation(tolerance=_SINGLE)
def network(device: str) -> Tensor:
    """A network of two layers: its loss at each of 50 steps of SGD with momentum, (50,)."""
    import torch

    x = _uniform(device, 256, 20)
    y = (3 * x[:, 0]).long()
    widths = ((20, 50), (50, 3))
    weights = [
        ((_uniform(device, n, m, seed=n) - 0.5) / n**0.5).requires_grad_() for n, m in widths
    ]
    speeds = [torch.zeros_like(w) for w in weights]
    losses = []
    for _ in range(50):
        loss = torch.nn.functional.cross_entropy((x @ weights[0]).relu() @ weights[1], y)
        losses.append(loss.detach())
        with torch.no_grad():
            for w, v, gradient in zip(
                weights, speeds, torch.autograd.grad(loss, weights), strict=True
            ):
                w -= 0.1 * v.mul_(0.9).add_(gradient)
    return torch.stack(losses)
