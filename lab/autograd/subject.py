"""What is under test: a function, a module, an autograd.Function, or a function with a hand-written
gradient."""

from __future__ import annotations

import inspect
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Inputs, Tensor, make_inputs
from lab.autograd.words import refuse
from lab.errors import LabError

Pullback = Callable[[list[Tensor]], list[Tensor | None]]


class BackwardFailed(Exception):
    """The backward pass of the function under test raised; the message is its own."""


@dataclass(kw_only=True)
class Subject:
    """A function of flat values, counted and kept quiet while it runs.

    Args:
        call: maps all values to what the function returns.
        gradient: the hand-written gradient, called with the same values and, where
            `takes_output_gradient`, with the gradient of the output; None: autograd's.
        takes_output_gradient: see `gradient`.
        language: of error messages.
        said: takes what it prints: it runs a hundred times, and standard output may be JSON.
    """

    call: Callable[[list[Any]], Any]
    gradient: Callable[..., Any] | None = None
    takes_output_gradient: bool = False
    language: str = "es"
    evaluations: int = 0
    said: io.StringIO = field(default_factory=io.StringIO)
    slowest_s: float = field(default=0.0)

    def outputs(self, values: list[Any]) -> list[Tensor]:
        """The floating or complex tensors that the function returns.

        Raises:
            LabError: it raises, or returns no such tensor.
        """
        self.evaluations += 1
        begin = time.perf_counter()
        try:
            returned = self.call(values)
        except LabError:
            raise
        except Exception as error:
            raise of_exception(error, self.language) from error
        self.slowest_s = max(self.slowest_s, time.perf_counter() - begin)
        tensors = [t for t in leaves_of(returned) if _is_tensor(t)]
        if returned is None:
            raise refuse("returned_none", self.language, printed=bool(self.said.getvalue()))
        if not tensors:
            raise refuse("returned_no_tensor", self.language, kind=type(returned).__name__)
        differentiable = [t for t in tensors if t.is_floating_point() or t.is_complex()]
        if not differentiable:
            raise refuse("returned_integers", self.language, dtype=str(tensors[0].dtype))
        if not any(t.numel() for t in differentiable):
            raise refuse("returned_empty", self.language)
        if any(str(t.layout) != "torch.strided" for t in differentiable):
            raise refuse("returned_sparse", self.language)
        return differentiable

    def differentiate(
        self, outputs: list[Tensor], leaves: list[Tensor], v: list[Tensor], *, create: bool = False
    ) -> list[Tensor | None]:
        """Gradients of the outputs, weighted by `v`, with respect to the leaves.

        Raises:
            BackwardFailed: a backward raised.
        """
        import torch

        pairs = [(y, w) for y, w in zip(outputs, v, strict=True) if y.requires_grad]
        if not pairs:
            return [None] * len(leaves)
        try:
            return list(
                torch.autograd.grad(
                    [y for y, _ in pairs], leaves, [w for _, w in pairs], allow_unused=True,
                    retain_graph=True, create_graph=create,
                )
            )  # fmt: skip
        except Exception as error:
            raise BackwardFailed(f"{type(error).__name__}: {error}") from error


def of_exception(error: Exception, language: str) -> LabError:
    """What a person is told of an exception in the function under test."""
    words = str(error).strip().partition("\n")[0]
    if isinstance(error, MemoryError) or "can't allocate memory" in words or "out of memory" in words:
        return refuse("memory", language, words=words)
    where = ""
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if "/torch/" not in code.co_filename and "/lab/autograd/" not in code.co_filename:
            where = f"{code.co_filename}:{frame.tb_lineno}"
        frame = frame.tb_next
    return refuse("raised", language, kind=type(error).__name__, words=words, where=where)


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def leaves_of(value: Any) -> list[Any]:
    """What nested lists, tuples and dicts hold, in order."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves_of(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves_of(item)]
    return [value]


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
        subject.gradient = lambda flat, *v: gradient(*_rebuild(tuple(arguments), iter(flat)), *v)
        subject.takes_output_gradient = _takes(gradient, len(arguments) + 1)
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
    owner = getattr(function, "__self__", None)
    skip = 0
    if getattr(function, "__name__", "") == "apply" and hasattr(owner, "backward"):
        function = owner.forward
        skip = 0 if "setup_context" in vars(owner) else 1
    try:
        names = list(inspect.signature(function).parameters)[skip:]
    except (TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) and names[i] != "args" else "" for i in range(count)]


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
    if not bool(torch.isfinite(torch.view_as_real(tensor) if tensor.is_complex() else tensor).all()):
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
