"""Logistic regression with cross-entropy, whole and step by step.

Labels y in {0, 1}, scores z = X w, probabilities σ(z). The gradient of the loss by w is Xᵀ(σ − y)
(Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.91).
"""

from collections.abc import Callable
from typing import Any

from lab.autograd.case import Checked, gradient_case

_ROWS, _COLUMNS = 20, 4


def _labels(random: Callable[..., Any]) -> Any:
    return (random(_ROWS, 1) > 0).double()


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def logistic_loss(random: Callable[..., Any]) -> Checked:
    """The loss Σ softplus(z) − y z by w, beside the closed form Xᵀ(σ − y)."""
    import torch

    x, y = random(_ROWS, _COLUMNS), _labels(random)

    def loss(w: Any) -> Any:
        return torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")

    return Checked(
        function=loss, inputs=(random(_COLUMNS, 1),),
        closed_form=lambda w, v: v * (x.T @ (torch.sigmoid(x @ w) - y)),
    )  # fmt: skip


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def logistic_loss_as_written(random: Callable[..., Any]) -> Checked:
    """The loss −Σ y log σ + (1 − y) log(1 − σ) as it is written, beside Xᵀ(σ − y)."""
    import torch

    x, y = random(_ROWS, _COLUMNS), _labels(random)

    def loss(w: Any) -> Any:
        s = torch.sigmoid(x @ w)
        return -(y * torch.log(s) + (1 - y) * torch.log(1 - s)).sum()

    return Checked(
        function=loss, inputs=(random(_COLUMNS, 1),),
        closed_form=lambda w, v: v * (x.T @ (torch.sigmoid(x @ w) - y)),
    )  # fmt: skip


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def logistic_scores(random: Callable[..., Any]) -> Checked:
    """The scores z = X w; the gradient by X is v wᵀ, by w it is Xᵀ v."""
    return Checked(
        function=lambda x, w: x @ w, inputs=(random(_ROWS, _COLUMNS), random(_COLUMNS, 1)),
        closed_form=lambda x, w, v: (v @ w.T, x.T @ v),
    )  # fmt: skip


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def logistic_sigmoid(random: Callable[..., Any]) -> Checked:
    """The probabilities σ(z); the derivative is σ (1 − σ)."""
    import torch

    return Checked(
        function=torch.sigmoid, inputs=(random(_ROWS, 1),),
        closed_form=lambda z, v: v * torch.sigmoid(z) * (1 - torch.sigmoid(z)),
    )  # fmt: skip


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def logistic_cross_entropy(random: Callable[..., Any]) -> Checked:
    """The cross-entropy of probabilities s; the derivative is (s − y) / (s (1 − s))."""
    import torch

    y = _labels(random)

    def entropy(s: Any) -> Any:
        return -(y * torch.log(s) + (1 - y) * torch.log(1 - s)).sum()

    return Checked(
        function=entropy, inputs=(0.8 * torch.sigmoid(random(_ROWS, 1)) + 0.05,),
        closed_form=lambda s, v: v * (s - y) / (s * (1 - s)),
    )  # fmt: skip
