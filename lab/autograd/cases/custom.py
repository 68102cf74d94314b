"""A Function that is written by hand, with reverse mode, forward mode and vmap."""

from collections.abc import Callable
from typing import Any

from lab.autograd.case import Checked, gradient_case


@gradient_case(modes=("first", "second", "forward", "vmap", "closed_form"))
def custom_function(random: Callable[..., Any]) -> Checked:
    """Softplus as an autograd.Function; its derivative is the sigmoid."""
    import torch

    class Softplus(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Any) -> Any:
            return torch.clamp(x, min=0) + torch.log1p(torch.exp(-x.abs()))

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * torch.sigmoid(x)

        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            (x,) = ctx.saved_tensors
            return tangent * torch.sigmoid(x)

    return Checked(
        function=Softplus.apply, inputs=(random(9) * 3,),
        closed_form=lambda x, v: v * torch.sigmoid(x),
    )  # fmt: skip
