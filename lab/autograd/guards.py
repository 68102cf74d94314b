"""What is wrong before any number is compared: the contract of a function and of its backward."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lab.autograd.draft import Draft
from lab.autograd.inputs import Inputs, Slot, Tensor, flatten
from lab.autograd.overhear import Backward, bits, watch_backward
from lab.autograd.point import Point
from lab.autograd.problem import unflatten
from lab.autograd.subject import BackwardFailed, Subject
from lab.autograd.words import phrase

# Two calls that differ by less than this share differ by rounding in another order.
_SAME = 1e-11
# The engine's own: does it keep its promise, up to rounding?
_LINEAR = 1e-6


def forward_guards(subject: Subject, inputs: Inputs, language: str) -> list[Draft]:
    """Call it twice, on copies: same values, inputs as they were."""
    import torch

    slot = inputs.slots[0]
    found = []
    values, _ = inputs.build(inputs.vector, grad=False)
    before = [v.clone() if isinstance(v, torch.Tensor) else v for v in values]
    with torch.no_grad():
        first = [flatten(y) for y in subject.outputs(values)]
        changed = [
            k for k, (a, b) in enumerate(zip(values, before, strict=True))
            if isinstance(a, torch.Tensor) and not _equal(a, b)
        ]  # fmt: skip
        fresh, _ = inputs.build(inputs.vector, grad=False)
        fresh = (
            [b.clone() if isinstance(b, torch.Tensor) else b for b in before] if changed else fresh
        )
        second = [flatten(y) for y in subject.outputs(fresh)]
    if changed:
        hit = next((s for s in inputs.slots if s.position in changed), slot)
        words = {"evidence": phrase("input_changed", language)}
        found.append(Draft(cause="in_place", slot=hit, seen=words))
    if not _alike(first, second):
        words = {"part": phrase("values", language)}
        found.append(Draft(cause="nondeterministic", slot=slot, seen=words))
    return found


def _equal(a: Tensor, b: Tensor) -> bool:
    import torch

    a, b = torch.nan_to_num(flatten(a)), torch.nan_to_num(flatten(b))
    return a.shape == b.shape and bool(torch.equal(a, b))


def _alike(first: list[Tensor], second: list[Tensor]) -> bool:
    import torch

    if [y.shape for y in first] != [y.shape for y in second]:
        return False
    a, b = torch.cat(first), torch.cat(second)
    gap = torch.nan_to_num(a - b).abs()
    return bool((gap <= _SAME * (a.abs().nan_to_num() + b.abs().nan_to_num() + 1e-300)).all())


def backward_guards(point: Point, language: str) -> tuple[list[Draft], Backward]:
    """Run the backward several times: shapes, None, linear in what it is given, repeatable.

    Raises:
        LabError: the function cannot be evaluated.
    """
    import torch

    subject, inputs = point.problem.subject, point.problem.inputs
    slots = inputs.slots
    if subject.gradient is not None:
        return [], Backward()
    values, leaves = inputs.build(point.x, grad=True)
    copies = [values[s.position] for s in slots]
    with torch.enable_grad():
        outputs = subject.outputs(values)
    m = point.y.numel()
    v, w = point.noise(m), point.noise(m)
    given = unflatten(v, outputs)
    kept = [g.clone() for g in given]
    with watch_backward(outputs, copies) as seen:
        first = subject.differentiate(outputs, leaves, given)
    found = []
    if any(not _equal(g, k) for g, k in zip(given, kept, strict=True)):
        words = {"evidence": phrase("grad_changed", language)}
        found.append(Draft(cause="in_place", slot=slots[0], seen=words))
    again = subject.differentiate(outputs, leaves, unflatten(v, outputs))
    if not _alike(_flat(first, inputs), _flat(again, inputs)):
        words = {"evidence": phrase("saved_changed", language)}
        found.append(Draft(cause="in_place", slot=slots[0], seen=words))
    found += _of_backward(seen, point, language)
    narrow = _precision(point, seen, subject, outputs, leaves, language)
    if not narrow:  # 24 bits are linear to 24 bits alone
        found += _linearity(point, subject, outputs, leaves, (v, w))
    return found + narrow, seen


def _flat(grads: list[Tensor | None], inputs: Inputs) -> list[Tensor]:
    import torch

    return [
        torch.zeros(s.end - s.begin, dtype=torch.float64, device=s.like.device)
        if g is None
        else flatten(g)
        for g, s in zip(grads, inputs.slots, strict=True)
    ]


def _of_backward(seen: Backward, point: Point, language: str) -> list[Draft]:
    """Shapes that the engine sums to what it needs, without a word."""
    slots = point.problem.inputs.slots
    found = []
    for number, got, want in seen.shapes[:1]:
        words = {"shapes": phrase("got", language, got=got, want=want)}
        found.append(Draft(cause="missing_sum", slot=slots[number or 0], seen=words))
    return found


def shape_cause(got: tuple[int, ...], want: tuple[int, ...]) -> Any:
    """What a gradient of another shape is: transposed, not summed, or just wrong."""
    if got != want and got == want[::-1]:
        return "transposed"
    if len(got) > len(want) and got[len(got) - len(want) :] == want:
        return "missing_sum"
    if len(got) == len(want) and all(a == b or b == 1 for a, b in zip(got, want, strict=True)):
        return "missing_sum"
    return "wrong_shape"


def _linearity(
    point: Point, subject: Subject, outputs: list[Tensor], leaves: list[Tensor],
    pair: tuple[Tensor, Tensor],
) -> list[Draft]:  # fmt: skip
    """A pullback is linear: that of v + 2 w is that of v and twice that of w."""
    v, w = pair
    grads = [
        _flat(subject.differentiate(outputs, leaves, unflatten(g, outputs)), point.problem.inputs)
        for g in (v, w, v + 2 * w, v * (1 + 4 * point.eps * point.noise(v.numel())))
    ]
    found = []
    tolerance = _LINEAR if not point.native else 1e-4
    for slot, a, b, both, near in zip(point.problem.inputs.slots, *grads, strict=True):
        gap = float((a + 2 * b - both).norm())
        size = float(a.norm() + 2 * b.norm() + both.norm())
        floor = _rounding(point, v) / float(point.scale[slot.begin])
        # What rounding of the argument does to it already: some backwards are ill-conditioned.
        shaken = 100 * float((a - near).norm())
        if gap > max(tolerance * size, floor, shaken):
            found.append(Draft(cause="grad_output_ignored", slot=slot))
    return found


def _rounding(point: Point, v: Tensor) -> float:
    """Below this, per typical size of the input, a gradient is what rounding left of nothing."""
    return 1e-12 * point.largest * float(v.norm())


def _precision(
    point: Point, seen: Backward, subject: Subject, outputs: list[Tensor], leaves: list[Tensor],
    language: str,
) -> list[Draft]:  # fmt: skip
    """Numbers of 24 bits where random ones of 53 came in."""
    import torch

    slots = point.problem.inputs.slots
    if point.native:
        return []
    near = point.problem.inputs.build(point.x + point.direction() * 0.01, grad=True)
    try:
        with torch.enable_grad():
            values = subject.outputs(near[0])
        v = point.noise(point.y.numel())
        grads = _flat(
            subject.differentiate(values, near[1], unflatten(v, values)), point.problem.inputs
        )
    except Exception:
        return []
    found = []
    for slot, gradient in zip(slots, grads, strict=True):
        floor = _rounding(point, v) / float(point.scale[slot.begin])
        if _is_narrow(gradient[gradient.abs() > floor], v):
            words = {"part": phrase("gradient", language)}
            found.append(Draft(cause="float32_inside", slot=slot, seen=words))
    narrow = any(bits(y.dtype) < 64 for y in outputs)
    if narrow or _is_narrow(torch.cat([flatten(y) for y in values]), None):
        found = [
            Draft(cause="float32_inside", slot=slots[0], seen={"part": phrase("value", language)})
        ]
    elif seen.narrow and not found:
        words = {"part": phrase("gradient", language)}
        found.append(Draft(cause="float32_inside", slot=slots[0], seen=words))
    return found


def _is_narrow(tensor: Tensor, given: Tensor | None) -> bool:
    """Whether all numbers that say anything have 24 bits: not those that few bits hold anyway."""
    import torch

    telling = tensor[torch.isfinite(tensor) & (tensor != 0)]
    if given is None:  # values: whole and half numbers are what rounding, counting, comparing give
        telling = telling[(telling * 256) != torch.round(telling * 256)]
        if telling.numel() < 1:
            return False
    return telling.numel() > 0 and bool((telling == telling.float().double()).all())


def of_failed(error: BackwardFailed, slots: Sequence[Slot], language: str) -> Draft:
    """What a backward that raised is called."""
    words = str(error)
    slot = slots[0]
    shapes = re.search(
        r"got \[([0-9, ]*)\] but expected shape compatible with \[([0-9, ]*)\]", words
    )
    plain = re.search(r"shape \(([0-9, ]*)\), expected \(([0-9, ]*)\)", words)
    if found := shapes or plain:
        got, want = (tuple(int(k) for k in g.split(",") if k.strip()) for g in found.groups())
        at = re.search(r"at index ([0-9]+)", words)
        if at and int(at[1]) < len(slots):
            slot = slots[int(at[1])]
        seen = {"shapes": phrase("got", language, got=got, want=want)}
        return Draft(cause=shape_cause(got, want), slot=slot, seen=seen)
    told = phrase("raised", language, error=words.partition("\n")[0][:160])
    if "modified by an inplace operation" in words:
        return Draft(
            cause="in_place", slot=slot, seen={"evidence": phrase("saved_changed", language)}
        )
    if (
        "incorrect number of gradients" in words
        or "gradients:" in words
        or "size" in words
        or ("shape" in words)
    ):
        return Draft(cause="wrong_shape", slot=slot, seen={"shapes": told})
    return Draft(cause="unknown", slot=slot, seen={"evidence": told})
