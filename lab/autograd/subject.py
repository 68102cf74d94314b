"""What is under test, as a function of flat values."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Tensor
from lab.autograd.words import refuse
from lab.errors import LabError


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
    if (
        isinstance(error, MemoryError)
        or "can't allocate memory" in words
        or "out of memory" in words
    ):
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
