"""Names the likely cause of a wrong gradient from the pattern of both gradients' values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lab.autograd.draft import Draft
from lab.autograd.inputs import Slot, Tensor
from lab.autograd.locate import Entry, entry, row_of, sample, search
from lab.autograd.point import Point, Residual
from lab.autograd.words import phrase

_SAME_RATIO = 1e-5


@dataclass(frozen=True, kw_only=True)
class Background:
    """What is known beside the numbers.

    Args:
        written: whether any backward was written by hand.
        cuts: where the function leaves autograd's sight.
        none: slots for which a written backward returns None.
        counts: sizes that a mean may have divided by.
        language: of messages.
    """

    written: bool
    cuts: list[str]
    none: list[int]
    counts: set[int]
    language: str


def diagnose(point: Point, failing: list[Residual], known: Background) -> list[Draft]:
    """One finding for each input whose gradient is wrong, the worst first; three at most."""
    hits: dict[int, list[int]] = {}
    # Patterns show where many entries and outputs take part.
    widest = max(failing, key=lambda r: (int((r.v != 0).sum()), int((r.u != 0).sum()), r.excess))
    v = widest.v
    slots = point.problem.inputs.slots
    found_first = search(point, widest)
    dense = point.weights()
    if found_first and entry(point, found_first[0], dense).wrong:
        v = dense
    for i in found_first:
        hits.setdefault(slots.index(point.problem.inputs.slot_of(i)), []).append(i)
    others = [k for k in range(len(slots)) if k not in hits]
    found = []
    for k in [*hits, *others][:8]:
        entries = sample(point, v, slots[k].begin, slots[k].end, hits.get(k, []))
        if any(e.wrong for e in entries):
            found.append(_one(point, k, entries, v, known))
    return found[:3]


def _one(point: Point, k: int, entries: list[Entry], v: Tensor, known: Background) -> Draft:
    slot = point.problem.inputs.slots[k]
    wrong = [e for e in entries if e.wrong]
    worst = max(wrong, key=lambda e: abs(e.analytical - e.numerical))
    cause, seen = _cause(point, k, entries, wrong, v, known)
    output, values = None, (worst.analytical, worst.numerical, worst.uncertainty)
    if point.problem.fixed_weights or point.y.numel() == 1:
        values = tuple(value / float(v[0]) for value in values)  # type: ignore[assignment]
        values = (values[0], values[1], abs(values[2]))
    else:
        output = row_of(point, worst.i, v)
        values = _of_row(point, worst.i, output)
    if cause == "unknown" and not known.written and values[0] == 0 and output is not None:
        cause, seen = "detached", {"evidence": phrase("partly", known.language)}
    seen.setdefault("count", len(wrong))
    seen.setdefault("looked", len(entries))
    return Draft(
        cause=cause, slot=slot, i=worst.i,
        analytical=values[0], numerical=values[1], uncertainty=values[2], output=output, seen=seen,
    )  # fmt: skip


def _of_row(point: Point, i: int, row: int) -> tuple[float, float, float]:
    import torch

    v = torch.zeros_like(point.y)
    v[row] = 1.0
    seen = entry(point, i, v)
    return seen.analytical, seen.numerical, seen.uncertainty


def _cause(
    point: Point, k: int, entries: list[Entry], wrong: list[Entry], v: Tensor, known: Background
) -> tuple[Any, dict[str, Any]]:
    slot = point.problem.inputs.slots[k]
    language = known.language
    if all(e.analytical == 0 for e in entries) and any(e.numerical != 0 for e in wrong):
        if k in known.none:
            return "none_gradient", {}
        evidence = known.cuts[0] if known.cuts else phrase("zero", language)
        return "detached", {"evidence": evidence}
    if _in_steps(point, wrong):
        return "not_differentiable", {"evidence": phrase("steps", language)}
    if not known.written:
        found = _ratio(entries)
        if found is not None and abs(found[0] - 1) < 2.0**-23:
            return _of_ratio(*found, known)
        evidence = known.cuts[0] if known.cuts else phrase("partly", language)
        return ("detached", {"evidence": evidence}) if known.cuts else ("unknown", {})
    found = _ratio(entries)
    if found is not None:
        return _of_ratio(*found, known)
    if _is_transposed(point, slot, entries, v):
        return "transposed", {}
    if len(wrong) < len(entries):
        partly = _partly(point, entries, wrong, v)
        if partly is not None:
            return partly, {}
    if _one_sample(point, slot, wrong, v) or _only_diagonal(point, slot, wrong):
        return "missing_sum", {}
    if known.cuts:
        return "detached", {"evidence": known.cuts[0]}
    return "unknown", {}


def _ratio(entries: list[Entry]) -> tuple[float, float] | None:
    """The factor between both gradients, where it is one and the same for all entries that say
    anything; and how far off it may be, as a share."""
    largest = max(abs(e.numerical) for e in entries)
    telling = [e for e in entries if abs(e.numerical) > 1e-4 * largest and e.smooth]
    if not telling:
        return None
    ratios = [e.analytical / e.numerical for e in telling]
    middle = sorted(ratios)[len(ratios) // 2]
    slack = max(abs(e.uncertainty / e.numerical) for e in telling) * 20 + _SAME_RATIO
    rest = all(abs(e.analytical) <= 2e-4 * abs(middle) * largest + 20 * e.uncertainty
               for e in entries if e not in telling)  # fmt: skip
    same = all(abs(r - middle) <= slack * max(abs(middle), 1e-12) for r in ratios)
    if not (same and rest) or abs(middle - 1) < 1e-12:
        return None
    return (middle, slack) if len(telling) > 1 or len(entries) == 1 else None


def _of_ratio(ratio: float, slack: float, known: Background) -> tuple[Any, dict[str, Any]]:
    near = min(slack, 1e-3)  # float32 is known to some digits alone
    if abs(ratio - 1) < 2.0**-23:
        return "float32_inside", {"part": phrase("gradient", known.language)}
    if math.isclose(ratio, -1, rel_tol=near):
        return "wrong_sign", {}
    if 0 < ratio < 0.4:
        count = round(1 / ratio)
        if math.isclose(1 / ratio, count, rel_tol=near) and count in known.counts:
            return "mean_instead_of_sum", {"count": count}
    return "wrong_factor", {"factor": ratio}


def _is_transposed(point: Point, slot: Slot, entries: list[Entry], v: Tensor) -> bool:
    """Whether the gradient holds the right numbers, rows for columns."""
    import torch

    shape = tuple(slot.like.shape)
    if len(shape) < 2 or slot.like.is_complex() or min(shape[-2:]) < 2:
        return False
    order = torch.arange(slot.end - slot.begin).reshape(shape)
    kinds = [order.transpose(-1, -2).reshape(shape)]
    if shape[-1] == shape[-2]:
        kinds = [order.transpose(-1, -2)]
    gradient = point.pull(v)
    for kind in kinds:
        places = kind.reshape(-1)
        moved = [e for e in entries if int(places[e.i - slot.begin]) != e.i - slot.begin][:12]
        goals = [slot.begin + int(places[e.i - slot.begin]) for e in moved]
        pairs = [
            (e.analytical, entry(point, goal, v, gradient))
            for e, goal in zip(moved, goals, strict=True)
        ]
        size = max((abs(a) for a, _ in pairs), default=0.0)
        if pairs and all(
            abs(a - e.numerical) <= 20 * e.uncertainty + 1e-6 * size for a, e in pairs
        ):
            return True
    return False


def _partly(point: Point, entries: list[Entry], wrong: list[Entry], v: Tensor) -> Any:
    """A few entries by their place, or those of some values: a branch."""
    right = [e for e in entries if not e.wrong and (e.numerical != 0 or e.analytical != 0)]
    if not right:
        return None
    size = point.problem.inputs.slot_of(wrong[0].i)
    few = len(wrong) <= max(1, len(entries) // 10)
    if len(wrong) > 1:
        for values in (point.x, point.x.abs()):
            bad, good = [float(values[e.i]) for e in wrong], [float(values[e.i]) for e in right]
            if max(bad) < min(good) or min(bad) > max(good):
                return "branch"
    elif size.end - size.begin > 1 and _moves_with_value(point, wrong[0], right[0], v):
        return "branch"
    return "wrong_entry" if few or len(wrong) < len(entries) / 2 else None


def _moves_with_value(point: Point, wrong: Entry, right: Entry, v: Tensor) -> bool:
    """Whether the fault goes away when the entry takes the value of one that is right."""
    x = point.x.clone()
    x[wrong.i], x[right.i] = point.x[right.i].clone(), point.x[wrong.i].clone()
    try:
        moved = point.elsewhere(x)
        return not entry(moved, wrong.i, v).wrong and entry(moved, right.i, v).wrong
    except Exception:  # outside the domain: nothing is known
        return False


def _one_sample(point: Point, slot: Slot, wrong: list[Entry], v: Tensor) -> bool:
    """Whether only one row of a batch of outputs counts in the gradient, of many that should."""
    import torch

    shape = point.problem.shapes[0] if point.problem.shapes else ()
    if len(shape) < 1 or shape[0] < 2 or len(point.problem.shapes) > 1:
        return False
    if point.problem.fixed_weights:
        return False
    width = point.y.numel() // shape[0]
    missing = counting = 0
    for row in range(min(shape[0], 8)):
        part = torch.zeros_like(v)
        part[row * width : (row + 1) * width] = point.noise(width)
        seen = entry(point, wrong[0].i, part)
        if abs(seen.numerical) > 100 * seen.uncertainty + 1e-12:
            missing += seen.analytical == 0
            counting += seen.analytical != 0
    return missing > 0 and counting <= 1


def _only_diagonal(point: Point, slot: Slot, wrong: list[Entry]) -> bool:
    """Whether each entry's gradient knows its own output alone, where others depend on it too."""
    import torch

    m = point.y.numel()
    if m != slot.end - slot.begin or m < 2 or point.problem.fixed_weights:
        return False
    for seen in wrong[:3]:
        v = point.noise(m)
        v[seen.i - slot.begin] = 0
        beside = entry(point, seen.i, v)
        if beside.analytical != 0 or abs(beside.numerical) <= 100 * beside.uncertainty:
            return False
    return bool(torch.isfinite(point.y).all())


def _in_steps(point: Point, wrong: list[Entry]) -> bool:
    """Whether the function is flat around here, and changes in steps further on."""
    if any(e.numerical != 0 or e.uncertainty > 1e-9 for e in wrong):
        return False
    u = point.unit(wrong[0].i)
    changed = False
    for shift in (-3.1, -1.3, -0.37, 0.41, 1.7, 2.9):
        try:
            here = point.problem.value(point.x + shift * u)
            beside = point.problem.value(point.x + (shift + 1e-6) * u)
        except Exception:
            return False
        if bool((here != beside).any()):
            return False
        changed = changed or bool((here != point.y).any())
    return changed
