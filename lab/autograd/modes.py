"""The ways of taking a derivative that a case is checked in: each against perturbed inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab.autograd.case import Checked
from lab.autograd.checker import check
from lab.autograd.inputs import Tensor
from lab.records.autograd import CheckReport, Language, Mode

# A batch for vmap: the inputs times these, so that no two of its members are alike.
_BATCH = (1.0, 0.9, 1.1)


def check_mode(checked: Checked, mode: Mode, *, seed: int, language: Language) -> CheckReport:
    """Check one case in one way.

    Args:
        checked: the function with its inputs.
        mode: `first` and `second` take derivatives in reverse mode; `forward` the Jacobian in
            forward mode; `vmap` the gradients of a batch in one call; `closed_form` a formula.
        seed: of the random directions.
        language: of the report.
    """
    if mode in ("first", "second"):
        order = 2 if mode == "second" else 1
        return check(checked.function, *checked.inputs, order=order, seed=seed, language=language)
    function, inputs = _functional(checked)
    gradient = checked.closed_form
    if mode == "forward":
        gradient = _forward_mode(function, inputs)
    elif mode == "vmap":
        function, gradient, inputs = _batched(function, inputs)
    return check((function, gradient), *inputs, seed=seed, language=language)


def _functional(checked: Checked) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A module as a function of its inputs and its parameters."""
    import torch

    module = checked.function
    if not isinstance(module, torch.nn.Module):
        return module, checked.inputs
    names = [name for name, _ in module.named_parameters()]
    count = len(checked.inputs)

    def function(*values: Any) -> Any:
        parameters = dict(zip(names, values[count:], strict=True))
        return torch.func.functional_call(module, parameters, values[:count])

    return function, (*checked.inputs, *(p.detach() for p in module.parameters()))


def _floating(inputs: Sequence[Any]) -> tuple[int, ...]:
    """Numbers of the inputs that are differentiated."""
    import torch

    return tuple(
        i for i, x in enumerate(inputs) if isinstance(x, torch.Tensor) and x.is_floating_point()
    )


def _forward_mode(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[..., Any]:
    """The gradient by the Jacobian in forward mode: v times it, for each floating input."""
    import torch

    floating = _floating(inputs)
    jacobian = torch.func.jacfwd(function, argnums=floating)

    def gradient(*at: Any, grad_output: Tensor) -> list[Tensor]:
        dims = grad_output.ndim
        return [torch.tensordot(grad_output, part, dims=dims) for part in jacobian(*at)]

    return gradient


def _batched(
    function: Callable[..., Any], inputs: Sequence[Any]
) -> tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]:
    """The function over a batch, one member after the other; its gradient by vmap in one call: that
    of each member, and that of the whole batch."""
    import torch

    floating = _floating(inputs)
    batch = tuple(
        torch.stack([x * factor for factor in _BATCH]) if i in floating else x
        for i, x in enumerate(inputs)
    )

    def one_by_one(*values: Any) -> Tensor:
        members = [
            function(*(x[k] if i in floating else x for i, x in enumerate(values)))
            for k in range(len(_BATCH))
        ]
        return torch.stack(members)

    def gradient(*at: Any, grad_output: Tensor) -> list[Tensor]:
        def of_floating(*parts: Tensor) -> Any:
            whole = list(at)
            for i, part in zip(floating, parts, strict=True):
                whole[i] = part
            return function(*whole)

        def member(own: tuple[Tensor, ...], weight: Tensor) -> tuple[Tensor, ...]:
            grads: tuple[Tensor, ...] = torch.func.vjp(of_floating, *own)[1](weight)
            return grads

        own = tuple(at[i] for i in floating)
        of_members = torch.func.vmap(member)(own, grad_output)
        of_batch = torch.func.vjp(torch.func.vmap(of_floating), *own)[1](grad_output)
        # Their mean is wrong where either is.
        return [(a + b) / 2 for a, b in zip(of_members, of_batch, strict=True)]

    return one_by_one, gradient, batch
