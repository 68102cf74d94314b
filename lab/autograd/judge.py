"""Turns a comparison into findings: nothing, a kink, a point without derivative, or a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.autograd.compare import Comparison
from lab.autograd.diagnose import Background, diagnose
from lab.autograd.draft import Draft
from lab.autograd.inputs import Inputs, Tensor
from lab.autograd.kinks import Kink, examine
from lab.autograd.locate import entry
from lab.autograd.overhear import Backward
from lab.autograd.point import Point, Residual
from lab.autograd.subject import Subject
from lab.autograd.witness import cuts_of
from lab.autograd.words import phrase
from lab.errors import LabError
from lab.records.autograd import Language


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Knows the function, and so what a difference may come from.

    Args:
        subject: the function.
        inputs: what it is given.
        seen: what its backward returned before the engine mended it.
        language: of messages.
    """

    subject: Subject
    inputs: Inputs
    seen: Backward
    language: Language

    def judge(self, point: Point, compared: Comparison) -> list[Draft]:
        """Findings of a comparison; none where everything is explained.

        Raises:
            BackwardFailed: the gradient under test raises.
        """
        if compared.not_finite is not None:
            return [self._not_finite(point, compared.not_finite)]
        rough = bool(compared.unresolved.any())
        if not compared.failing and not rough:
            return []
        smooth = [r for r in compared.failing if r.smooth]
        if smooth and not rough and not compared.kinks:
            return self.diagnose(point, smooth) or [self._residual(compared)]
        return self._without_derivative(point, compared)

    def diagnose(self, point: Point, failing: list[Residual]) -> list[Draft]:
        """What is wrong, as far as single entries show it."""
        return diagnose(point, failing, self._known()) if failing else []

    def _known(self) -> Background:
        """What the diagnosis can use beside numbers; asked only where something is wrong."""
        values, _ = self.inputs.build(self.inputs.vector, grad=True)
        try:
            cuts = cuts_of(lambda: self.subject.outputs(values))
        except LabError:
            cuts = []
        return Background(
            written=self.seen.custom or self.subject.gradient is not None, cuts=cuts,
            none=self.seen.none, counts=self._counts(), language=self.language,
        )  # fmt: skip

    def _counts(self) -> set[int]:
        """Sizes in sight, of which a mean may have divided by one: of inputs, and of outputs."""
        import torch

        counts: set[int] = set()
        with torch.no_grad():
            try:
                outputs = self.subject.outputs(self.inputs.build(self.inputs.vector, grad=False)[0])
            except LabError:
                outputs = []
        tensors = [v for v in self.inputs.values if isinstance(v, torch.Tensor)]
        for tensor in [*tensors, *outputs, *_held(self.subject.call)]:
            counts |= {*tensor.shape, tensor.numel()}
            counts |= {a * b for a in tensor.shape for b in tensor.shape}
        return {c for c in counts if c > 2}

    def _residual(self, compared: Comparison) -> Draft:
        """A difference that no single entry shows."""
        worst = compared.failing[0] if compared.failing else None
        return Draft(
            cause="unknown", slot=self.inputs.slots[0],
            analytical=worst.analytical if worst else None,
            numerical=worst.numerical if worst else None,
            seen={"evidence": "" if worst else phrase("noise", self.language)},
        )  # fmt: skip

    def _not_finite(self, point: Point, i: int) -> Draft:
        """A gradient that is nan or inf: a fault where the function has a slope there."""
        slot = self.inputs.slot_of(i)
        v = point.weights()
        value = float(point.pull(v)[i])
        slope = point.along(point.unit(i)[None])
        flat = slope.error <= 1e-6 * (slope.value.abs() + point.y.abs()) + 1e-12
        if bool(flat.all()):
            numerical = float((v * slope.value).sum()) / float(point.unit(i)[i])
            words = {"place": phrase("nan_branch", self.language, value=value)}
            return Draft(
                cause="branch", slot=slot, i=i, analytical=value, numerical=numerical, seen=words
            )
        words = {"evidence": phrase("infinite", self.language, value=value)}
        return Draft(cause="not_differentiable", slot=slot, i=i, seen=words)

    def _without_derivative(self, point: Point, compared: Comparison) -> list[Draft]:
        """A kink, a jump, or noise: around it everything has to be right all the same."""
        kink = examine(point)
        if kink is None:
            return [self._residual(compared)]
        near = kink.beside
        if near.failing or bool(near.unresolved.any()) or near.not_finite is not None:
            smooth = [r for r in near.failing if r.smooth]
            return self.diagnose(kink.at, smooth) or [self._residual(near)]
        outside = [i for i in kink.outside if not _is_right(point, i, kink.v)]
        i = outside[0] if outside else kink.where
        if i is None or (kink.outside and not outside):
            return [self._jump(None)]
        return self._at_kink(point, compared, kink, i, fault=bool(outside))

    def _jump(self, i: int | None) -> Draft:
        slot = self.inputs.slots[0] if i is None else self.inputs.slot_of(i)
        words = {"evidence": phrase("jump", self.language)}
        return Draft(cause="not_differentiable", slot=slot, i=i, seen=words, harmless=True)

    def _at_kink(
        self, point: Point, compared: Comparison, kink: Kink, i: int, *, fault: bool
    ) -> list[Draft]:
        """What there is to say of entry `i`, whose gradient has two neighbours' slopes."""
        v = kink.v if point.problem.fixed_weights else _sharpest(point, i)
        at = entry(point, i, v)
        if fault and at.smooth and at.wrong:
            drafts = self.diagnose(point, compared.failing)
            if drafts:
                return drafts
        if not fault and kink.jumps:
            return [self._jump(i)]
        left, right = sorted((at.left, at.right))
        fit = phrase("outside" if fault else "inside", self.language)
        return [
            Draft(
                cause="kink", slot=self.inputs.slot_of(i), i=i, analytical=at.analytical,
                numerical=at.numerical, uncertainty=at.uncertainty,
                seen={"left": left, "right": right, "fit": fit}, harmless=not fault,
            )
        ]  # fmt: skip


def _is_right(point: Point, i: int, v: Tensor) -> bool:
    """Whether a number's gradient is right by itself, beside others that have a kink or a jump."""
    at = entry(point, i, v)
    return at.smooth and not at.wrong


def _sharpest(point: Point, i: int) -> Tensor:
    """Weights that single out the output with the largest change of slope along an entry."""
    import torch

    v = torch.zeros_like(point.y)
    v[int(point.along(point.unit(i)[None]).kink[0].abs().argmax())] = 1.0
    return v


def _held(call: Any) -> list[Tensor]:
    """Tensors that a function's closure holds, three levels deep."""
    import torch

    found: list[Tensor] = []
    todo = [(call, 0)]
    while todo:
        item, depth = todo.pop()
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif depth < 3:
            for cell in getattr(item, "__closure__", None) or ():
                try:
                    todo.append((cell.cell_contents, depth + 1))
                except ValueError:  # not filled yet
                    continue
    return found
