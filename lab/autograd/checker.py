"""`check`: is the gradient of a function right, and if not, what is wrong with it?"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.autograd.compare import Comparison, Point, Residual, compare
from lab.autograd.diagnose import Background, diagnose
from lab.autograd.draft import Draft
from lab.autograd.guards import Backward, backward_guards, forward_guards, of_failed
from lab.autograd.inputs import Inputs
from lab.autograd.kinks import beside, examine
from lab.autograd.locate import entry
from lab.autograd.problem import Problem, Unusable
from lab.autograd.subject import BackwardFailed, Subject, leaves_of, prepare
from lab.autograd.witness import cuts_of
from lab.autograd.words import phrase, refuse, report_text
from lab.errors import LabError
from lab.records.autograd import CheckReport, Language

BUDGET_S = 60.0
_LEAST_CALLS = 60
# Where else a branch may show that the inputs at hand do not visit.
_ELSEWHERE = (4.0, 0.1)


def check(
    function: Any, *inputs: Any, order: int = 1, seed: int = 0, language: Language = "es",
    budget_s: float = BUDGET_S,
) -> CheckReport:  # fmt: skip
    """Check the gradient of a function against numerical derivatives whose error is measured.

    Args:
        function: a function of tensors, an `nn.Module` (its parameters are checked too), a
            `torch.autograd.Function` class or its `apply`, or a pair of a function and its
            hand-written gradient. That takes the same inputs and returns, for each tensor that is
            checked, a gradient of its shape (of the output's sum), or its Jacobian; or it takes the
            output's gradient as well and returns the products with it.
        inputs: what it is called with. Floating and complex tensors are checked; where any requires
            a gradient, those alone. float32 is checked in float64 where the function can do that.
        order: 1, or 2 for the derivatives of the gradient as well.
        seed: of the random directions; the global generator stays as it is.
        language: of the report: `es` or `en`.
        budget_s: seconds that it may take; a function too slow for that is refused.

    Returns:
        The report. `ok` is false as long as anything is left unexplained.

    Raises:
        LabError: it cannot be checked: no floating tensor, the function raises or returns none, it
            is too slow or needs too much memory.
    """
    import torch

    if language not in ("es", "en"):
        raise refuse("language", "en", name=language)
    if order not in (1, 2):
        raise refuse("order", language, order=order)
    begin = time.perf_counter()
    said = io.StringIO()
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(said):
        job = _job(function, inputs, seed, language, budget_s, said)
        drafts = job.first()
        if order == 2 and not any(not d.harmless for d in drafts):
            drafts += job.second()
    findings = tuple(draft.finding(language) for draft in drafts)
    ok = all(finding.harmless for finding in findings)
    duration = time.perf_counter() - begin
    text = report_text(
        ok=ok, messages=[f.message for f in findings], language=language,
        evaluations=job.subject.evaluations, duration_s=duration, seed=seed,
        printed=bool(said.getvalue()),
    )  # fmt: skip
    return CheckReport(
        ok=ok, findings=findings, evaluations=job.subject.evaluations, duration_s=duration,
        seed=seed, language=language, text=text,
    )  # fmt: skip


def _job(
    function: Any, arguments: tuple[Any, ...], seed: int, language: Language, budget_s: float,
    said: io.StringIO,
) -> _Job:
    """Prepare in float64, or in float32 where the function holds float32 tensors of its own."""
    import torch

    from lab.autograd.guards import _bits

    def make(*, native: bool) -> _Job:
        subject, inputs = prepare(function, arguments, language, native=native)
        subject.said = said
        random = torch.Generator().manual_seed(seed)
        return _Job(
            subject=subject, inputs=inputs, random=random, language=language, native=native,
            budget_s=budget_s,
        )  # fmt: skip

    job = make(native=False)
    tensors = [a for a in leaves_of(list(arguments)) if isinstance(a, torch.Tensor)]
    narrow = any(t.dtype in (torch.float32, torch.complex64) for t in tensors)
    if not narrow:
        job.try_out()
        return job
    try:
        job.try_out()
        outputs = job.subject.outputs(job.inputs.build(job.inputs.vector, grad=False)[0])
        if all(_bits(y.dtype) == 64 for y in outputs):
            return job
    except LabError:
        pass
    job = make(native=True)
    job.try_out()
    return job


@dataclass(kw_only=True)
class _Job:
    """One check, step by step."""

    subject: Subject
    inputs: Inputs
    random: Any
    language: Language
    native: bool
    budget_s: float

    def try_out(self) -> None:
        """Call the function once, and refuse one that is too slow."""
        import torch

        values, _ = self.inputs.build(self.inputs.vector, grad=False)
        self.subject.slowest_s = 0.0
        with torch.no_grad():
            try:
                outputs = self.subject.outputs(values)
            except LabError:
                values, _ = self.inputs.build(self.inputs.vector, grad=True)
                with torch.enable_grad():  # one that differentiates by itself
                    outputs = self.subject.outputs(values)
        if not all(bool(torch.isfinite(y).all()) for y in outputs):
            raise refuse("output_not_finite", self.language)
        call = self.subject.slowest_s
        if call * _LEAST_CALLS > self.budget_s:
            need = 2 * call * _LEAST_CALLS
            raise refuse(
                "slow", self.language, call=call, calls=_LEAST_CALLS, budget=self.budget_s, need=need
            )

    def first(self) -> list[Draft]:
        """Check first derivatives."""
        slots = self.inputs.slots
        found = self._guarded(lambda: forward_guards(self.subject, self.inputs, self.language))
        if found:
            return found
        try:
            point = self._point(None)
            found, seen = backward_guards(point, self.language)
            found = [d for d in found if d.cause != "float32_inside" or not self.native]
            if found:
                return found[:3]
            return self._compare(point, seen)
        except BackwardFailed as error:
            return [of_failed(error, None, slots, self.language)]

    def _guarded(self, guards: Callable[[], list[Draft]]) -> list[Draft]:
        """Guards without gradients, for functions that need none of their own."""
        try:
            return guards()
        except LabError:
            return []

    def _point(self, weights: list[Any] | None) -> Point:
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
        return values[0].shape == values[1].shape and bool(torch.allclose(
            values[0], values[1], rtol=1e-12, atol=0, equal_nan=True))  # fmt: skip

    def _known(self, seen: Backward) -> Background:
        """What the diagnosis can use beside numbers; asked only where something is wrong."""
        values, _ = self.inputs.build(self.inputs.vector, grad=True)
        try:
            cuts = cuts_of(lambda: self.subject.outputs(values))
        except LabError:
            cuts = []
        return Background(
            written=seen.custom or self.subject.gradient is not None, cuts=cuts, none=seen.none,
            counts=self._counts(), language=self.language,
        )  # fmt: skip

    def _counts(self) -> set[int]:
        """Sizes in sight: of inputs, and of outputs."""
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

    def _compare(self, point: Point, seen: Backward) -> list[Draft]:
        compared = compare(point)
        if bool(compared.unresolved.any()):  # entries of very different sizes, or a domain's end
            relative = self._relative(point)
            again = compare(relative)
            if int(again.unresolved.sum()) < int(compared.unresolved.sum()):
                point, compared = relative, again
        wrong = self._judge(point, compared, seen, "")
        if any(not d.harmless for d in wrong):
            return wrong
        return wrong + self._elsewhere(point, seen)

    def _relative(self, point: Point) -> Point:
        """The same point, where each entry is moved by a share of its own size."""
        import torch

        other = Point(
            problem=point.problem, x=point.x, random=point.random, native=point.native
        )
        other.scale = torch.where(point.x == 0, point.scale, point.x.abs())
        return other

    def _judge(self, point: Point, compared: Comparison, seen: Backward, place: str) -> list[Draft]:
        """Findings of a comparison: none, a kink, or what is wrong."""
        if compared.not_finite is not None:
            return [self._not_finite(point, compared.not_finite)]
        rough = bool(compared.unresolved.any())
        if not compared.failing and not rough:
            return []
        smooth = [r for r in compared.failing if r.smooth]
        if smooth and not rough and not compared.kinks:
            drafts = diagnose(point, smooth, self._known(seen))
            return drafts or [self._residual(point, compared)]
        return self._at_kink(point, compared, seen)

    def _residual(self, point: Point, compared: Comparison) -> Draft:
        """A difference that no single entry shows."""
        worst = compared.failing[0] if compared.failing else None
        return Draft(
            cause="unknown", slot=self.inputs.slots[0],
            analytical=worst.analytical if worst else None,
            numerical=worst.numerical if worst else None,
            seen={"evidence": "" if worst else phrase("noise", self.language)},
        )  # fmt: skip

    def _not_finite(self, point: Point, i: int) -> Draft:
        slot = self.inputs.slot_of(i)
        v = point.weights()
        value = float(point.pull(v)[i])
        slope = point.along(point.unit(i))
        flat = bool((slope.error <= 1e-6 * (slope.value.abs() + point.y.abs()) + 1e-12).all())
        if flat:
            numerical = float((v * slope.value).sum()) / float(point.unit(i)[i])
            words = {"place": phrase("nan_branch", self.language, value=value)}
            return Draft(
                cause="branch", slot=slot, i=i, analytical=value, numerical=numerical, seen=words
            )
        words = {"evidence": phrase("infinite", self.language, value=value)}
        return Draft(cause="not_differentiable", slot=slot, i=i, seen=words)

    def _at_kink(self, point: Point, compared: Comparison, seen: Backward) -> list[Draft]:
        kink = examine(point)
        if kink is None:
            return [self._residual(point, compared)]
        near = kink.beside
        if near.failing or bool(near.unresolved.any()) or near.not_finite is not None:
            smooth = [r for r in near.failing if r.smooth]
            drafts = diagnose(kink.at, smooth, self._known(seen)) if smooth else []
            return drafts or [self._residual(point, near)]
        outside = [i for i in kink.outside if not _is_right(point, i, kink.v)]
        i = outside[0] if outside else kink.where
        if i is None or (kink.outside and not outside):
            words = {"evidence": phrase("jump", self.language)}
            return [Draft(cause="not_differentiable", slot=self.inputs.slots[0], seen=words,
                          harmless=True)]  # fmt: skip
        v = kink.v if point.problem.fixed_weights else _sharpest(point, i)
        at = entry(point, i, v)
        if outside and at.smooth and at.wrong:
            drafts = diagnose(point, compared.failing, self._known(seen))
            if drafts:
                return drafts
        fit = phrase("outside" if outside else "inside", self.language)
        slopes = sorted((at.left, at.right))
        if not outside and kink.jumps:
            words = {"evidence": phrase("jump", self.language)}
            return [Draft(cause="not_differentiable", slot=self.inputs.slot_of(i), i=i,
                          seen=words, harmless=True)]  # fmt: skip
        return [
            Draft(
                cause="kink", slot=self.inputs.slot_of(i), i=i, analytical=at.analytical,
                numerical=at.numerical, uncertainty=at.uncertainty,
                seen={"left": slopes[0], "right": slopes[1], "fit": fit},
                harmless=not outside,
            )
        ]  # fmt: skip

    def _elsewhere(self, point: Point, seen: Backward) -> list[Draft]:
        """Look at 4 times, 0.1 times the inputs and nearby: at branches not visited yet."""
        import torch

        for times in (*_ELSEWHERE, None):
            try:
                if times is None:
                    other = beside(point, 0.3)
                else:
                    other = Point(
                        problem=point.problem, x=point.x * times, random=point.random,
                        native=point.native,
                    )  # fmt: skip
                    other.scale = point.scale * times
                if other is None or not bool(torch.isfinite(other.y).all()):
                    continue
                other.floor = 1e-9  # out there a function may be ill-conditioned
                found = compare(other, thorough=False)
            except (Unusable, BackwardFailed, LabError):
                continue
            if found.failing and _clear(found.failing[0]) and not found.kinks:
                drafts = diagnose(other, found.failing, self._known(seen))
                if drafts:
                    place = (
                        phrase("near_place", self.language) if times is None
                        else phrase("factor_place", self.language, times=times)
                    )  # fmt: skip
                    return [_as_branch(drafts[0], place)]
        return []

    def second(self) -> list[Draft]:
        """Check the derivatives of the gradient: those of its product with fixed weights."""
        import torch

        if self.subject.gradient is not None:
            return []
        slot = self.inputs.slots[0]
        values, leaves = self.inputs.build(self.inputs.vector, grad=True)
        with torch.enable_grad():
            outputs = self.subject.outputs(values)
        total = sum(y.numel() * (2 if y.is_complex() else 1) for y in outputs)
        from lab.autograd.problem import unflatten

        noise = Point.noise(_Bare(self.random, self.inputs.vector), total)  # type: ignore[arg-type]
        weights = unflatten(noise, outputs)
        try:
            point = self._point(weights)
            compared = compare(point)
        except BackwardFailed as error:
            words = {"evidence": str(error)[:160]}
            return [Draft(cause="second_order", slot=slot, seen=words)]
        except Unusable as error:
            words = {"evidence": f"{phrase('no_second', self.language)}: {str(error)[:120]}"}
            return [Draft(cause="second_order", slot=slot, seen=words)]
        drafts = self._judge(point, compared, Backward(custom=True), "")
        return [d if d.harmless else self._as_second(d) for d in drafts]

    def _as_second(self, draft: Draft) -> Draft:
        key = "second_zero" if draft.analytical == 0 else "second_differs"
        return Draft(
            cause="second_order", slot=draft.slot, i=draft.i, analytical=draft.analytical,
            numerical=draft.numerical, uncertainty=draft.uncertainty,
            seen={"evidence": phrase(key, self.language)},
        )  # fmt: skip


@dataclass(frozen=True)
class _Bare:
    random: Any
    x: Any


def _as_branch(draft: Draft, place: str) -> Draft:
    return Draft(
        cause="branch", slot=draft.slot, i=draft.i, analytical=draft.analytical,
        numerical=draft.numerical, uncertainty=draft.uncertainty, output=draft.output,
        seen={"place": place},
    )  # fmt: skip


def _clear(worst: Residual) -> bool:
    """Whether a difference is beyond what ill-conditioning gives."""
    size = abs(worst.analytical) + abs(worst.numerical)
    return worst.smooth and abs(worst.analytical - worst.numerical) > 1e-6 * size


def _is_right(point: Point, i: int, v: Any) -> bool:
    """Whether a number's gradient is right by itself, beside others that have a kink or a jump."""
    at = entry(point, i, v)
    return at.smooth and not at.wrong


def _sharpest(point: Point, i: int) -> Any:
    """Weights that single out the output with the largest change of slope along an entry."""
    import torch

    v = torch.zeros_like(point.y)
    v[int(point.along(point.unit(i)).kink.abs().argmax())] = 1.0
    return v


def _held(call: Any) -> list[Any]:
    """Tensors that a function's closure holds, two levels deep."""
    import torch

    found: list[Any] = []
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
