"""The derivative of one operation by one of its inputs, by itself."""

from __future__ import annotations

from typing import Literal

from lab.graph.recorder import Recorder, Tensor, Use

_JACOBIAN = 36
_ELEMENTS = 4096


def local_derivative(
    recorder: Recorder, use: Use
) -> tuple[Literal["elementwise", "jacobian", ""], Tensor | None]:
    """What the operation does to a small change of this input.

    Returns:
        `elementwise` with a tensor of the input's shape, where each entry changes its own alone;
        `jacobian` with a matrix, outputs as rows, where it is small; else nothing.
    """
    import torch

    target = recorder.steps[use.target].tensor
    source = use.alias
    if source is None or not target.requires_grad or target.is_complex() or source.is_complex():
        return "", None
    if target.numel() > _ELEMENTS or source.numel() > _ELEMENTS:
        return "", None

    def back(v: Tensor) -> Tensor | None:
        try:
            (gradient,) = torch.autograd.grad(
                target, source, v, retain_graph=True, allow_unused=True
            )
        except RuntimeError:  # what it needed was changed in place since
            return None
        return gradient

    slope = back(torch.ones_like(target))
    if slope is None:
        return "", None
    if target.shape == source.shape:
        steps = torch.arange(1, target.numel() + 1, dtype=target.dtype, device=target.device)
        weights = torch.sin(steps).reshape(target.shape)
        weighted = back(weights)
        if weighted is not None and bool(torch.allclose(weighted, weights * slope, equal_nan=True)):
            return "elementwise", slope
    if target.numel() * source.numel() <= _JACOBIAN:
        eye = torch.eye(target.numel(), dtype=target.dtype, device=target.device)
        rows = [back(row.reshape(target.shape)) for row in eye]
        found = [row.flatten() for row in rows if row is not None]
        if len(found) == len(rows):
            return "jacobian", torch.stack(found)
    return "", None
