"""Inputs for a function that a person names: by a decorator, by annotations, or by shapes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lab.errors import LabError

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__lab_check_inputs__"
_SHAPE = re.compile(r"[0-9]{1,7}(x[0-9]{1,7})*|scalar")


def check_inputs(*inputs: Any) -> Callable[[F], F]:
    """Say with which inputs a function is to be checked.

    Args:
        inputs: a tensor each, or its shape: `check_inputs((4, 3), (3,))`; or one function without
            arguments that makes all of them.
    """

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, inputs)
        return function

    return mark


def parse_shapes(text: str) -> tuple[tuple[int, ...], ...]:
    """Read shapes such as `4x3,3,scalar`.

    Raises:
        LabError: one of them is no shape.
    """
    shapes = []
    for word in text.lower().replace(" ", "").split(","):
        if not _SHAPE.fullmatch(word):
            raise LabError(
                f"There is no shape {word!r}.",
                why="a shape is numbers with x between them, or `scalar`; commas separate inputs",
                next_step="pass one for each input, such as --shapes 4x3,3",
            )
        shapes.append(() if word == "scalar" else tuple(int(k) for k in word.split("x")))
    return tuple(shapes)


def inputs_of(function: Any, shapes: Sequence[tuple[int, ...]], seed: int) -> list[Any]:
    """The inputs to check a function with.

    Args:
        function: as the person named it; of a pair its first counts.
        shapes: of each input; empty takes those that the function declares.
        seed: of random values, from a standard normal distribution.

    Raises:
        LabError: neither shapes nor the function say what it is to be given.
    """
    import torch

    function = function[0] if isinstance(function, tuple) else function
    random = torch.Generator().manual_seed(seed)
    declared: Any = list(shapes)
    if not declared:
        declared = getattr(function, _ATTRIBUTE, None)
        if declared is None:
            declared = _annotated(function)
    if declared is None:
        raise LabError(
            "It is not known with which inputs the function is to be checked.",
            why="it has no @check_inputs, and its annotations name no shapes",
            next_step="say their shapes: --shapes 4x3,3; or write @check_inputs((4, 3)) above it",
        )
    if len(declared) == 1 and callable(declared[0]):
        made = declared[0]()
        return list(made) if isinstance(made, tuple | list) else [made]
    return [
        torch.randn(item, generator=random, dtype=torch.float64)
        if isinstance(item, tuple | list)
        else item
        for item in declared
    ]


def _annotated(function: Any) -> list[tuple[int, ...]] | None:
    """Shapes from annotations: `x: Annotated[Tensor, (4, 3)]`, or `x: "Tensor (4, 3)"`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    shapes = []
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            continue
        shape = _shape_in(parameter.annotation)
        if shape is None:
            return None
        shapes.append(shape)
    return shapes or None


def _shape_in(annotation: Any) -> tuple[int, ...] | None:
    for item in getattr(annotation, "__metadata__", ()):
        if isinstance(item, tuple) and all(isinstance(k, int) for k in item):
            return item
    if isinstance(annotation, str):
        match = re.search(r"\(\s*([0-9]+\s*(?:,\s*[0-9]+\s*)*),?\s*\)", annotation)
        return tuple(int(k) for k in match[1].split(",")) if match else None
    return None
