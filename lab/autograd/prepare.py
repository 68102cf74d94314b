"""Makes a subject and its inputs of what a person passes: a function, a module, an
autograd.Function, or a function with a hand-written gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lab.autograd.inputs import Inputs, Tensor, make_inputs
from lab.autograd.subject import Subject, leaves_of
from lab.autograd.words import refuse


def _rebuild(like: Any, leaves: Iterator[Any]) -> Any:
    """The same nesting with other leaves."""
    if isinstance(like, dict):
        return type(like)((key, _rebuild(item, leaves)) for key, item in like.items())
    if isinstance(like, tuple) and hasattr(like, "_fields"):
        return type(like)(*(_rebuild(item, leaves) for item in like))
    if isinstance(like, list | tuple):
        return type(like)(_rebuild(item, leaves) for item in like)
    return next(leaves)


def prepare(
    function: Any, arguments: Sequence[Any], language: str, *, native: bool = False
) -> tuple[Subject, Inputs]:
    """Make a subject and its inputs of what a person passed.

    Args:
        function: what is under test.
        arguments: its arguments.
        language: of error messages.
        native: leave float32 as it is; otherwise everything floating becomes float64.

    Raises:
        LabError: there is nothing that could be differentiated.
    """
    import torch

    function, gradient = _pair(function, language)
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        function = _apply_of(function, language)
    if not callable(function):
        raise refuse("not_callable", language, kind=type(function).__name__)
    if isinstance(function, torch.nn.Module):
        return _of_module(function, arguments, language, native=native)
    values, numbers = _flat(arguments)
    names = _argument_names(function, len(arguments))
    inputs = _inputs(values, numbers, [names[n] for n in numbers], language, native=native)

    def call(flat: list[Any]) -> Any:
        return function(*_rebuild(tuple(arguments), iter(flat)))

    subject = Subject(call=call, language=language)
    if gradient is not None:
        named = _names_output_gradient(gradient)

        def written(flat: list[Any], *v: Tensor) -> Any:
            given = _rebuild(tuple(arguments), iter(flat))
            if named:
                return gradient(*given, grad_output=v[0] if len(v) == 1 else v)
            return gradient(*given, *v)

        subject.gradient = written
        count = len(arguments)  # an argument with a default is the person's own
        needs_one_more = _takes(gradient, count + 1) and not _takes(gradient, count)
        subject.takes_output_gradient = named or needs_one_more
    return subject, inputs


def _pair(function: Any, language: str) -> tuple[Any, Callable[..., Any] | None]:
    if not isinstance(function, tuple | list):
        return function, None
    if len(function) != 2 or not all(callable(f) for f in function):
        raise refuse("no_pair", language)
    return function[0], function[1]


def _apply_of(kind: Any, language: str) -> Callable[..., Any]:
    """The function of an autograd.Function class; those before torch 1.5 cannot be called."""
    for name in ("forward", "backward"):
        method = inspect.getattr_static(kind, name, None)
        if method is not None and not isinstance(method, staticmethod | classmethod):
            raise refuse("not_static", language, name=f"{kind.__name__}.{name}")
    applied: Callable[..., Any] = kind.apply
    return applied


def _flat(arguments: Sequence[Any]) -> tuple[list[Any], list[int]]:
    values: list[Any] = []
    numbers: list[int] = []
    for number, argument in enumerate(arguments):
        leaves = leaves_of(argument)
        values.extend(leaves)
        numbers.extend([number] * len(leaves))
    return values, numbers


def _argument_names(function: Any, count: int) -> list[str]:
    owner: Any = getattr(function, "__self__", None)
    skip = 0
    if getattr(function, "__name__", "") == "apply" and hasattr(owner, "backward"):
        function = owner.forward
        skip = 0 if "setup_context" in vars(owner) else 1
    try:
        names = list(inspect.signature(function).parameters)[skip:]
    except (TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) and names[i] != "args" else "" for i in range(count)]


def _names_output_gradient(function: Callable[..., Any]) -> bool:
    """Whether a gradient takes that of the output by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    found = parameters.get("grad_output")
    return found is not None and found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD)


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return not any(
        p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values()
    )


_DOUBLE = {"torch.float32": "float64", "torch.complex64": "complex128"}


def widen(value: Any, *, native: bool) -> Any:
    """A float32 tensor as float64, everything else as it is."""
    import torch

    if native or not isinstance(value, torch.Tensor) or str(value.dtype) not in _DOUBLE:
        return value
    wide = value.detach().to(getattr(torch, _DOUBLE[str(value.dtype)]))
    return wide.requires_grad_(value.requires_grad)


def _inputs(
    values: list[Any], numbers: list[int], names: list[str], language: str, *, native: bool
) -> Inputs:
    import torch

    values = [widen(value, native=native) for value in values]
    tensors = [i for i, value in enumerate(values) if isinstance(value, torch.Tensor)]
    if not tensors:
        raise refuse("no_tensor", language)
    floating = [i for i in tensors if values[i].is_floating_point() or values[i].is_complex()]
    if not floating:
        raise refuse("integers", language, dtype=str(values[tensors[0]].dtype))
    marked = [i for i in floating if values[i].requires_grad]
    chosen = [i for i in marked or floating if values[i].numel()]
    if not chosen:
        raise refuse("empty", language)
    for i in chosen:
        _refuse_bad(values[i], language)
    plain = [v.detach() if isinstance(v, torch.Tensor) else v for v in values]
    return make_inputs(plain, numbers, names, chosen)


def _refuse_bad(tensor: Tensor, language: str) -> None:
    import torch

    if tensor.dtype not in (torch.float64, torch.complex128, torch.float32, torch.complex64):
        raise refuse("half", language, dtype=str(tensor.dtype))
    if tensor.layout != torch.strided:
        raise refuse("sparse", language, layout=str(tensor.layout))
    if not bool(
        torch.isfinite(torch.view_as_real(tensor) if tensor.is_complex() else tensor).all()
    ):
        raise refuse("not_finite", language)


def _of_module(
    module: Any, arguments: Sequence[Any], language: str, *, native: bool
) -> tuple[Subject, Inputs]:
    """A module as a function of its inputs and its parameters; the module itself stays as it is."""
    import copy

    import torch

    module = copy.deepcopy(module)
    if not native and any(p.dtype == torch.float32 for p in module.parameters()):
        module = module.double()
    parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
    values, numbers = _flat(arguments)
    count = len(values)
    names = [f"input {n}" for n in numbers] + list(parameters)
    marked = any(getattr(v, "requires_grad", False) for v in values)
    values = [widen(v, native=native) for v in values]
    if not marked:
        values = [_marked(v) for v in values]
    inputs = _inputs(
        values + list(parameters.values()), numbers + list(
            range(len(arguments), len(arguments) + len(parameters))),
        names, language, native=native,
    )  # fmt: skip
    buffers = {n: b.clone() for n, b in module.named_buffers()}

    def call(flat: list[Any]) -> Any:
        state = dict(zip(parameters, flat[count:], strict=True))
        state |= {n: b.clone() for n, b in buffers.items()}
        return torch.func.functional_call(
            module, state, tuple(_rebuild(tuple(arguments), iter(flat[:count])))
        )

    return Subject(call=call, language=language), inputs


def _marked(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
        return value.detach().requires_grad_()
    return value
