"""The layers of networks, and small networks of them."""

from collections.abc import Callable
from typing import Any

from lab.autograd.case import Checked, gradient_case


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def matmul_chain(random: Callable[..., Any]) -> Checked:
    """A chain of products A B C; the gradients are v (B C)ᵀ, Aᵀ v Cᵀ and (A B)ᵀ v."""
    return Checked(
        function=lambda a, b, c: a @ b @ c, inputs=(random(3, 4), random(4, 5), random(5, 2)),
        closed_form=lambda a, b, c, v: (v @ (b @ c).T, a.T @ v @ c.T, (a @ b).T @ v),
    )  # fmt: skip


@gradient_case()
def mlp(random: Callable[..., Any]) -> Checked:
    """A perceptron with a hidden layer, by its inputs and its parameters."""
    import torch

    module = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3), torch.nn.Softplus()
    ).to(random(1))
    for parameter in module.parameters():
        parameter.data = random(*parameter.shape)
    return Checked(function=module, inputs=(random(5, 4),))


@gradient_case()
def relu_layer(random: Callable[..., Any]) -> Checked:
    """A layer with relu, where some of its sums are exactly at the kink."""
    import torch

    w = random(4, 3)

    def layer(x: Any) -> Any:
        return torch.relu(x @ w)

    x = random(5, 4)
    x[0] = 0
    return Checked(function=layer, inputs=(x,))


@gradient_case()
def convolution(random: Callable[..., Any]) -> Checked:
    """A convolution with padding and stride, by images, kernels and bias."""
    import torch

    def convolve(x: Any, w: Any, b: Any) -> Any:
        return torch.nn.functional.conv2d(x, w, b, stride=2, padding=1)

    return Checked(function=convolve, inputs=(random(2, 2, 5, 5), random(3, 2, 3, 3), random(3)))


@gradient_case()
def attention(random: Callable[..., Any]) -> Checked:
    """Scaled dot-product attention with a causal mask, by queries, keys and values."""
    import torch

    mask = torch.ones(4, 4, dtype=torch.bool, device=random(1).device).tril()

    def attend(q: Any, k: Any, v: Any) -> Any:
        scores = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
        return torch.softmax(scores.masked_fill(~mask, float("-inf")), -1) @ v

    return Checked(function=attend, inputs=tuple(random(2, 4, 3) for _ in range(3)))


# torch has no second derivative of its kernel for the CPU, and no forward mode of it.
@gradient_case(modes=("first", "vmap"))
def fused_attention(random: Callable[..., Any]) -> Checked:
    """torch's own scaled_dot_product_attention, by queries, keys and values."""
    import torch

    def attend(q: Any, k: Any, v: Any) -> Any:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    return Checked(function=attend, inputs=tuple(random(1, 2, 4, 3) for _ in range(3)))


@gradient_case()
def layer_norm(random: Callable[..., Any]) -> Checked:
    """Layer normalization, by inputs, scale and shift."""
    import torch

    def normalize(x: Any, w: Any, b: Any) -> Any:
        return torch.nn.functional.layer_norm(x, (6,), w, b)

    return Checked(function=normalize, inputs=(random(4, 6), random(6), random(6)))
