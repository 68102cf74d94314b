"""One check, step by step: try the function out, its contract, its derivatives, other points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lab.autograd.compare import CLEAR, compare, glance
from lab.autograd.draft import Draft
from lab.autograd.guards import backward_guards, forward_guards, of_failed
from lab.autograd.inputs import Inputs, Tensor
from lab.autograd.judge import Judge
from lab.autograd.kinks import nearby
from lab.autograd.overhear import Backward
from lab.autograd.point import Point, Residual, noise
from lab.autograd.problem import Problem, Unusable, unflatten
from lab.autograd.subject import BackwardFailed, Subject
from lab.autograd.words import phrase, refuse
from lab.errors import LabError
from lab.records.autograd import Language

_LEAST_CALLS = 60
# Where else a branch may show that the inputs at hand do not visit.
_TIMES = (4.0, 0.1)


@dataclass(kw_only=True)
class Job:
    """One check.

    Args:
        subject: the function.
        inputs: what it is given.
        random: generator of directions.
        language: of messages.
        native: values are float32, since the function cannot do with others.
        budget_s: seconds that it may take.
    """

    subject: Subject
    inputs: Inputs
    random: Any
    language: Language
    native: bool
    budget_s: float

    def try_out(self) -> list[Tensor]:
        """Call the function once; returns its outputs.

        Raises:
            LabError: it raises, is too slow, or gives nan or inf.
        """
        import torch

        self.subject.slowest_s = 0.0
        try:
            outputs = self._outputs()
        except LabError as error:
            if error.__cause__ is None:
                raise
            # It raised: one that differentiates by itself, say.
            values, _ = self.inputs.build(self.inputs.vector, grad=True)
            with torch.enable_grad():
                outputs = self.subject.outputs(values)
        if not all(bool(torch.isfinite(y).all()) for y in outputs):
            raise refuse("output_not_finite", self.language)
        call = self.subject.slowest_s
        if call * _LEAST_CALLS > self.budget_s:
            raise refuse(
                "slow", self.language, call=call, calls=_LEAST_CALLS, budget=self.budget_s,
                need=2 * call * _LEAST_CALLS,
            )  # fmt: skip
        return outputs

    def _outputs(self) -> list[Tensor]:
        """What the function gives, without gradients."""
        import torch

        values, _ = self.inputs.build(self.inputs.vector, grad=False)
        with torch.no_grad():
            return self.subject.outputs(values)

    def first(self) -> list[Draft]:
        """Check first derivatives."""
        found = self._of_forward()
        if found:
            return found
        try:
            point = self._point(None)
            found, seen = backward_guards(point, self.language)
            found = [d for d in found if d.cause != "float32_inside" or not self.native]
            if found:
                return found[:3]
            judge = self._judge(seen)
            found = _compare(point, judge)
            if any(not d.harmless for d in found):
                return found
            return found + self._elsewhere(point, judge)
        except BackwardFailed as error:
            return [of_failed(error, self.inputs.slots, self.language)]

    def second(self) -> list[Draft]:
        """Check the derivatives of the gradient: those of its product with fixed weights."""
        import torch

        if self.subject.gradient is not None:
            return []
        values, _ = self.inputs.build(self.inputs.vector, grad=True)
        with torch.enable_grad():
            outputs = self.subject.outputs(values)
        total = sum(y.numel() * (2 if y.is_complex() else 1) for y in outputs)
        weights = unflatten(noise(total, self.random).to(self.inputs.vector.device), outputs)
        try:
            point = self._point(weights)
            drafts = self._judge(Backward(custom=True)).judge(point, compare(point))
        except BackwardFailed as error:
            return [self._no_second(str(error)[:160])]
        except (LabError, Unusable) as error:
            return [self._no_second(f"{phrase('no_second', self.language)}: {str(error)[:120]}")]
        return [d if d.harmless else self._as_second(d) for d in drafts]

    def _of_forward(self) -> list[Draft]:
        """What two calls show without gradients; nothing for a function that needs its own."""
        try:
            return forward_guards(self.subject, self.inputs, self.language)
        except LabError:
            return []

    def _judge(self, seen: Backward) -> Judge:
        return Judge(subject=self.subject, inputs=self.inputs, seen=seen, language=self.language)

    def _point(self, weights: list[Tensor] | None) -> Point:
        """The problem at the inputs."""
        problem = Problem(subject=self.subject, inputs=self.inputs, weights=weights)
        problem.grad_mode = weights is not None or not self._same_without_graph()
        try:
            return Point(
                problem=problem, x=self.inputs.vector, random=self.random, native=self.native
            )
        except Unusable as error:
            cause = error.__cause__
            raise (cause if isinstance(cause, LabError) else error) from error

    def _same_without_graph(self) -> bool:
        """Whether it gives the same with gradients switched off, which is quicker."""
        import torch

        values = []
        for grad in (False, True):
            problem = Problem(subject=self.subject, inputs=self.inputs, grad_mode=grad)
            try:
                values.append(problem.value(self.inputs.vector))
            except Unusable:
                return False
        return values[0].shape == values[1].shape and bool(
            torch.allclose(values[0], values[1], rtol=1e-12, atol=0, equal_nan=True)
        )

    def _elsewhere(self, point: Point, judge: Judge) -> list[Draft]:
        """Look at branches that the inputs at hand do not visit."""
        try:
            places = _others(point, self.language)
            seen = glance([other for _, other in places]) if places else []
        except (Unusable, BackwardFailed, LabError):
            return []
        for (where, other), found in zip(places, seen, strict=True):
            if not found.failing or found.kinks or not _is_clear(found.failing[0]):
                continue
            try:
                drafts = judge.diagnose(other, found.failing)
            except (Unusable, BackwardFailed, LabError):
                continue
            if drafts:
                return [replace(drafts[0], cause="branch", seen={"place": where})]
        return []

    def _no_second(self, evidence: str) -> Draft:
        seen = {"evidence": evidence}
        return Draft(cause="second_order", slot=self.inputs.slots[0], seen=seen)

    def _as_second(self, draft: Draft) -> Draft:
        key = "second_zero" if draft.analytical == 0 else "second_differs"
        seen = {"evidence": phrase(key, self.language)}
        return replace(draft, cause="second_order", output=None, seen=seen)


def _compare(point: Point, judge: Judge) -> list[Draft]:
    """Compare, in relative steps where absolute ones measure less, and judge."""
    import torch

    compared = compare(point)
    if bool(compared.unresolved.any()):  # entries of very different sizes, or a domain's end
        relative = point.elsewhere(point.x)
        relative.scale = torch.where(point.x == 0, point.scale, point.x.abs())
        again = compare(relative)
        if int(again.unresolved.sum()) < int(compared.unresolved.sum()):
            point, compared = relative, again
    return judge.judge(point, compared)


def _others(point: Point, language: str) -> list[tuple[str, Point]]:
    """Points at 4 and at 0.1 times the inputs, and nearby, each with its name."""
    import torch

    x = torch.stack([*(point.x * times for times in _TIMES), point.x + nearby(point)])
    names = [phrase("factor_place", language, times=times) for times in _TIMES]
    names.append(phrase("near_place", language))
    values = point.problem.values(x)
    found = []
    for name, times, own, y in zip(names, (*_TIMES, 1.0), x, values, strict=True):
        if not bool(torch.isfinite(y).all()):
            continue
        try:
            other = point.elsewhere(own, y)
        except (Unusable, BackwardFailed):
            continue
        other.scale = point.scale * times
        other.floor = 1e-9  # out there a function may be ill-conditioned
        found.append((name, other))
    return found


def _is_clear(worst: Residual) -> bool:
    """Whether a difference is beyond what ill-conditioning gives."""
    size = abs(worst.analytical) + abs(worst.numerical)
    return worst.smooth and abs(worst.analytical - worst.numerical) > CLEAR * size
