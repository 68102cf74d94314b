"""The inputs of a function under test as one real vector, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Tensor = Any  # torch is imported inside the functions that need it


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One tensor of the inputs that is differentiated.

    Args:
        position: where it is in the flat list of values.
        number: number of the input that a person counts, from 0.
        name: what a person calls it.
        like: its value, on its device, with its strides.
        begin, end: its part of the real vector; a complex entry takes two.
    """

    position: int
    number: int
    name: str
    like: Tensor
    begin: int
    end: int

    def build(self, vector: Tensor) -> Tensor:
        """A tensor like this one with the values of its part of `vector`, shape (n,)."""
        import torch

        part = vector[self.begin : self.end]
        if self.like.is_complex():
            real = part.reshape(*self.like.shape, 2).to(_real_dtype(self.like))
            part = torch.view_as_complex(real.contiguous())
        built = torch.empty_like(self.like, memory_format=torch.preserve_format)
        if not _is_dense(built):
            built = torch.empty(self.like.shape, dtype=built.dtype, device=built.device)
        return built.copy_(part.reshape(self.like.shape))

    def flatten(self, tensor: Tensor) -> Tensor:
        """The real numbers of a tensor of this shape, float64 on its device, shape (end-begin,)."""
        return flatten(tensor)

    def index(self, i: int) -> tuple[int, ...]:
        """The entry of the tensor that number `i` of the vector belongs to."""
        import torch

        entry = (i - self.begin) // (2 if self.like.is_complex() else 1)
        return tuple(int(k) for k in torch.unravel_index(torch.tensor(entry), self.like.shape))


def _is_dense(tensor: Tensor) -> bool:
    return tensor.numel() <= 1 or 0 not in tensor.stride()


def _real_dtype(tensor: Tensor) -> Any:
    import torch

    return torch.float64 if tensor.dtype == torch.complex128 else torch.float32


def flatten(tensor: Tensor) -> Tensor:
    """The real numbers of a real or complex tensor, float64, shape (n,)."""
    import torch

    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.reshape(-1).to(torch.float64)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All values that a function is given, those that are differentiated among them.

    Args:
        values: tensors and whatever else, in a flat list.
        slots: those that are differentiated.
    """

    values: tuple[Any, ...]
    slots: tuple[Slot, ...]

    @property
    def size(self) -> int:
        """Length n of the real vector."""
        return self.slots[-1].end

    @cached_property
    def vector(self) -> Tensor:
        """Where the gradient is checked, float64, shape (n,)."""
        import torch

        return torch.cat([slot.flatten(slot.like) for slot in self.slots])

    @cached_property
    def scale(self) -> Tensor:
        """A typical size of each number, shape (n,): the root mean square of its tensor, or 1."""
        import torch

        parts = []
        for slot in self.slots:
            part = self.vector[slot.begin : slot.end]
            finite = part[torch.isfinite(part)]
            size = float(finite.square().mean().sqrt()) if finite.numel() else 0.0
            parts.append(torch.full_like(part, size if size > 0 else 1.0))
        return torch.cat(parts)

    def build(self, vector: Tensor, *, grad: bool) -> tuple[list[Any], list[Tensor]]:
        """All values with the numbers of `vector`, and the leaves among them, in slots' order.

        The function gets copies of the leaves, so that it may change them in place.
        """
        values = list(self.values)
        leaves = []
        for slot in self.slots:
            leaf = slot.build(vector)
            if grad:
                leaf.requires_grad_()
            leaves.append(leaf)
            values[slot.position] = leaf.clone() if grad else leaf
        return values, leaves

    def slot_of(self, i: int) -> Slot:
        """The tensor that number `i` of the vector belongs to."""
        return next(slot for slot in self.slots if slot.begin <= i < slot.end)


def make_inputs(
    values: Sequence[Any], numbers: Sequence[int], names: Sequence[str], positions: Sequence[int]
) -> Inputs:
    """Inputs of which those at `positions` are differentiated.

    Args:
        values: flat list of everything that the function is given.
        numbers: of each value, the number of its input.
        names: of each value, for people.
        positions: the tensors to differentiate, floating or complex.
    """
    slots = []
    begin = 0
    for position in positions:
        like = values[position].detach()
        end = begin + like.numel() * (2 if like.is_complex() else 1)
        slots.append(
            Slot(
                position=position, number=numbers[position], name=names[position], like=like,
                begin=begin, end=end,
            )
        )  # fmt: skip
        begin = end
    return Inputs(values=tuple(values), slots=tuple(slots))
