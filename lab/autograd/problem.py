"""A subject at a point as plain mathematics: a map of real vectors with its gradient under test."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.autograd.inputs import Inputs, Tensor, flatten
from lab.autograd.subject import BackwardFailed, Subject, leaves_of


class Unusable(Exception):
    """The function cannot be evaluated there, or gives another number of outputs."""


@dataclass(kw_only=True)
class Problem:
    """Maps (n,) to (m,), float64; `pullback` maps (m,) to (n,).

    Args:
        subject: the function.
        inputs: what it is given.
        grad_mode: evaluate with gradients enabled, for functions that need that themselves.
        order: 2 puts the first gradient in place of the function.
    """

    subject: Subject
    inputs: Inputs
    grad_mode: bool = True
    weights: list[Tensor] | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    batched: bool = False
    size: int = 0

    def values(self, points: Tensor) -> Tensor:
        """The outputs at p points (p, n), shape (p, m); nan where there are none."""
        import torch

        if self.batched and len(points) > 1:
            try:
                return self._batch(points)
            except Exception:  # another branch there, say
                self.batched = False
        rows: list[Tensor | None] = []
        for point in points:
            try:
                rows.append(self.value(point))
            except Unusable:
                rows.append(None)
        nothing = torch.full((self.size,), float("nan"), dtype=points.dtype, device=points.device)
        return torch.stack([nothing if row is None else row for row in rows])

    @property
    def together(self) -> int:
        """How many steps to take at once: in one call they cost little more than one."""
        return 3 if self.batched else 1

    def try_batches(self, vector: Tensor, y: Tensor) -> None:
        """Find out whether many points can go through in one call, with the same values."""
        import torch

        if self.size:  # it has been tried before
            return
        self.size = y.numel()
        plain = all(s.like.is_contiguous() and not s.like.is_complex() for s in self.inputs.slots)
        if not plain or self.grad_mode or self.subject.slowest_s > 0.05:
            return
        try:
            both = self._batch(torch.stack([vector, vector]))
        except Exception:  # no batching rule, a branch on values, random numbers
            return
        self.batched = both.shape == (2, y.numel()) and bool(
            torch.allclose(both, y.expand(2, -1), rtol=1e-13, atol=0, equal_nan=True)
        )

    def _batch(self, points: Tensor) -> Tensor:
        import torch

        def one(vector: Tensor) -> Tensor:
            values = list(self.inputs.values)
            for slot in self.inputs.slots:
                part = vector[slot.begin : slot.end].reshape(slot.like.shape)
                values[slot.position] = part.to(slot.like.dtype)
            return torch.cat([flatten(y) for y in self.subject.outputs(values)])

        width = points.shape[1] + self.size
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slow batching rules
            rows: Tensor = torch.func.vmap(one, chunk_size=max(1, 4_000_000 // width))(points)
        self.subject.evaluations += len(points) - 1
        return rows

    def value(self, vector: Tensor) -> Tensor:
        """The outputs as one real vector, shape (m,).

        Raises:
            Unusable: it raises there, or returns another number of outputs.
        """
        import torch

        values, leaves = self.inputs.build(vector, grad=self.grad_mode)
        try:
            with torch.set_grad_enabled(self.grad_mode):
                outputs = self._outputs(values, leaves)
        except Exception as error:
            raise Unusable(str(error)) from error
        shapes = tuple(tuple(y.shape) for y in outputs)
        if self.shapes and shapes != self.shapes:
            raise Unusable("other shapes")
        self.shapes = shapes
        return torch.cat([flatten(y) for y in outputs])

    def _outputs(self, values: list[Any], leaves: list[Tensor], *, create: bool = True) -> Any:
        outputs = self.subject.outputs(values)
        if self.weights is None:
            return outputs
        import torch

        first = self.subject.differentiate(outputs, leaves, self.weights, create=create)
        return [
            torch.zeros_like(leaf) if g is None else g
            for g, leaf in zip(first, leaves, strict=True)
        ]

    def pullback(self, vector: Tensor) -> Callable[[Tensor], Tensor]:
        """The gradient under test at a point, linear in what it is given by contract.

        Raises:
            BackwardFailed: when called, if a backward raises.
            Unusable: the function cannot be evaluated there.
        """
        import torch

        if self.subject.gradient is not None:
            return self._hand_written(vector)
        values, leaves = self.inputs.build(vector, grad=True)
        try:
            with torch.enable_grad():
                outputs = self._outputs(values, leaves)
        except BackwardFailed:
            raise
        except Exception as error:
            raise Unusable(str(error)) from error

        def pull(v: Tensor) -> Tensor:
            grads = self.subject.differentiate(outputs, leaves, unflatten(v, outputs))
            parts = [
                torch.zeros(s.end - s.begin, dtype=torch.float64, device=vector.device)
                if g is None
                else flatten(g)
                for g, s in zip(grads, self.inputs.slots, strict=True)
            ]
            return torch.cat(parts)

        return pull

    def _hand_written(self, vector: Tensor) -> Callable[[Tensor], Tensor]:
        import torch

        values, _ = self.inputs.build(vector, grad=False)
        with torch.no_grad():
            outputs = self.subject.outputs(list(values))
        sizes = [s.end - s.begin for s in self.inputs.slots]
        total = sum(y.numel() for y in outputs)

        def pull(v: Tensor) -> Tensor:
            fresh, _ = self.inputs.build(vector, grad=False)
            extra = unflatten(v, outputs) if self.subject.takes_output_gradient else []
            try:
                told = self.subject.gradient(fresh, *extra)  # type: ignore[misc]
            except Exception as error:
                raise BackwardFailed(f"{type(error).__name__}: {error}") from error
            parts = []
            grads = [g for g in leaves_of(told) if g is not None]
            if len(grads) != len(sizes):
                raise BackwardFailed(f"gradients: {len(grads)}, inputs: {len(sizes)}")
            for grad, slot in zip(grads, self.inputs.slots, strict=True):
                grad = torch.as_tensor(grad, device=vector.device)
                parts.append(self._fit(grad, slot, v, total, outputs))
            return torch.cat(parts)

        return pull

    def _fit(self, grad: Tensor, slot: Any, v: Tensor, total: int, outputs: list[Tensor]) -> Tensor:
        """A hand-written gradient as the pullback of `v`; a Jacobian is contracted with it."""
        shape = tuple(slot.like.shape)
        if tuple(grad.shape) == shape:
            flat = flatten(grad)
            if self.subject.takes_output_gradient:
                return flat
            return flat * v[0] if total == 1 else flat
        if len(outputs) == 1 and tuple(grad.shape) == (*outputs[0].shape, *shape):
            return v @ grad.to(v.dtype).reshape(total, -1)
        raise BackwardFailed(f"shape {tuple(grad.shape)}, expected {shape}")

    @property
    def fixed_weights(self) -> bool:
        """Whether only the gradient of the outputs' sum is known: a hand-written one of a function
        with several outputs, or one derivative for each entry of an elementwise function."""
        return self.subject.gradient is not None and not self.subject.takes_output_gradient


def unflatten(v: Tensor, outputs: list[Tensor]) -> list[Tensor]:
    """A real vector, shape (m,), as gradients of the outputs."""
    import torch

    parts = []
    begin = 0
    for y in outputs:
        end = begin + y.numel() * (2 if y.is_complex() else 1)
        part = v[begin:end]
        if y.is_complex():
            part = torch.view_as_complex(part.reshape(*y.shape, 2).contiguous())
        parts.append(part.reshape(y.shape).to(device=y.device, dtype=y.dtype))
        begin = end
    return parts
