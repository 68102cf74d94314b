"""A tensor as what a record holds of it."""

from __future__ import annotations

import math
from typing import Any

from lab.records.graph import Values

_MOST = 256
_SHOWN = 4


def values_of(tensor: Any) -> Values:
    """All entries where they are few, and a text for people."""
    import torch

    shape = tuple(tensor.shape)
    if tensor.is_sparse or tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    real = real.detach().to("cpu", torch.float64).flatten()
    entries = real.tolist() if real.numel() <= _MOST else None
    text = _text(real)
    if entries is not None and not all(map(math.isfinite, entries)):
        entries = None
    return Values(shape=shape, entries=entries, text=text)


def _text(real: Any) -> str:
    count = real.numel()
    if count == 0:
        return "[]"
    if count <= _SHOWN:
        words = ", ".join(f"{v + 0.0:.4g}" for v in real.tolist())
        return words if count == 1 else f"[{words}]"
    three = (float(real.min()), float(real.mean()), float(real.max()))
    return " … ".join(f"{v + 0.0:.3g}" for v in three)
