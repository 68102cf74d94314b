"""Hears what a backward that somebody wrote returns, before the engine mends it without a word."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Tensor


@dataclass(kw_only=True)
class Backward:
    """What the functions that a person wrote return from their backward.

    Args:
        custom: whether the graph has such a function at all.
        none: slots for which it returns None.
        shapes: slot, where known, shape returned, and shape due.
        narrow: whether it returns fewer bits than are due.
    """

    custom: bool = False
    none: list[int] = field(default_factory=list)
    shapes: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    narrow: bool = False


def nodes(outputs: list[Tensor]) -> Iterator[Any]:
    """Every node of the graph behind some outputs."""
    seen: set[Any] = set()
    todo = [y.grad_fn for y in outputs if y.grad_fn is not None]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        todo += [following for following, _ in node.next_functions if following is not None]


def is_custom(node: Any) -> bool:
    """Whether a node of the graph is that of an autograd.Function somebody wrote."""
    import torch

    return isinstance(node, torch.autograd.function.BackwardCFunction)


def bits(dtype: Any) -> int:
    """Bits of one real number of a dtype; whole numbers count as wide."""
    import torch

    return int(torch.finfo(dtype).bits) if dtype.is_floating_point or dtype.is_complex else 64


@contextlib.contextmanager
def watch_backward(outputs: list[Tensor], copies: list[Tensor]) -> Iterator[Backward]:
    """See what written backwards return while this lasts.

    Args:
        outputs: of the function.
        copies: the inputs as the function got them, one for each slot.
    """
    seen = Backward()
    direct = {copy.grad_fn: number for number, copy in enumerate(copies)}
    kinds = {node._forward_cls for node in nodes(outputs) if is_custom(node)}
    seen.custom = bool(kinds)
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(_overheard(kind, seen, direct))
        yield seen


@contextlib.contextmanager
def _overheard(kind: Any, seen: Backward, direct: dict[Any, int]) -> Iterator[None]:
    """Let the backward of a class tell what it returns: hooks come after the engine's mending."""
    import torch

    name = "backward" if kind.backward is not torch.autograd.Function.backward else "vjp"
    own = vars(kind).get(name)
    original = getattr(kind, name)

    def overheard(context: Any, *grads: Any) -> Any:
        told = original(context, *grads)
        _look(context, told if isinstance(told, tuple) else (told,), seen, direct)
        return told

    setattr(kind, name, staticmethod(overheard))
    try:
        yield
    finally:
        if own is None:
            delattr(kind, name)
        else:
            setattr(kind, name, own)


def _look(context: Any, told: tuple[Any, ...], seen: Backward, direct: dict[Any, int]) -> None:
    needed = [g for g, need in zip(told, context.needs_input_grad, strict=False) if need]
    following = [pair for pair in context.next_functions if pair[0] is not None]
    for grad, (node, number) in zip(needed, following, strict=False):
        slot = direct.get(node)
        if grad is None:
            if slot is not None:
                seen.none.append(slot)
            continue
        wanted = node._input_metadata[number]
        if tuple(grad.shape) != tuple(wanted.shape):
            seen.shapes.append((slot, tuple(grad.shape), tuple(wanted.shape)))
        if bits(grad.dtype) < bits(wanted.dtype):
            seen.narrow = True
