"""Functions that turn scores into probabilities and losses, and the loss of least squares."""

from collections.abc import Callable
from typing import Any

from lab.autograd.case import Checked, gradient_case
from lab.records.autograd import Mode

_FORMULA: tuple[Mode, ...] = ("first", "second", "forward", "vmap", "closed_form")


@gradient_case(modes=_FORMULA)
def softmax(random: Callable[..., Any]) -> Checked:
    """Softmax over the last dimension; the gradient is s (v − Σ v s)."""
    import torch

    def gradient(u: Any, v: Any) -> Any:
        s = torch.softmax(u, -1)
        return s * (v - (v * s).sum(-1, keepdim=True))

    return Checked(
        function=lambda u: torch.softmax(u, -1), inputs=(random(5, 6),), closed_form=gradient
    )


@gradient_case(modes=_FORMULA)
def cross_entropy(random: Callable[..., Any]) -> Checked:
    """The mean cross-entropy of n scores; the gradient is (softmax − one-hot) / n."""
    import torch

    labels = random(8, 5).argmax(1)
    hot = torch.nn.functional.one_hot(labels, 5).double()
    return Checked(
        function=torch.nn.functional.cross_entropy, inputs=(random(8, 5), labels),
        closed_form=lambda u, _, v: v * (torch.softmax(u, -1) - hot) / 8,
    )  # fmt: skip


@gradient_case(modes=_FORMULA)
def least_squares(random: Callable[..., Any]) -> Checked:
    """The loss of least squares ½ |X w − y|²; the gradient by w is Xᵀ(X w − y)."""
    x, y = random(12, 3), random(12)
    return Checked(
        function=lambda w: (x @ w - y).square().sum() / 2, inputs=(random(3),),
        closed_form=lambda w, v: v * (x.T @ (x @ w - y)),
    )  # fmt: skip
