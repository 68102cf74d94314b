"""Tries an answer, and finds which typical mistake it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.course.exercise import Exercise
from lab.course.texts import phrase
from lab.language import Language

TRIALS = 5
Told = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an answer.

    Args:
        state: `pending` where nothing was answered yet.
        mistake: the name of the mistake that was recognised.
        hint: what a student reads; empty where the answer is right or pending.
    """

    state: str
    mistake: str | None = None
    hint: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.state == "right"


def judge(exercise: Exercise, answer: Any, *, seed: int = 0, language: Language = "es") -> Outcome:
    """Try an answer on random inputs and say what is wrong with it.

    Args:
        exercise: what was asked.
        answer: a function, which is called as often as there are trials, or a value.
        seed: of the inputs.
        language: of the hint.
    """
    if _is_pending(exercise, answer, seed):
        return Outcome(state="pending")
    if callable(exercise.right) and not callable(answer):
        return _wrong("no_function", language, kind=type(answer).__name__)
    trials = [_inputs(exercise, seed, number) for number in range(TRIALS)]
    given = []
    for inputs in trials:
        try:
            given.append(_result(answer, inputs))
        except Exception as error:  # whatever a student's function does
            return _raised(error, language)
    right = [_result(exercise.right, inputs) for inputs in trials]
    if _all_same(given, right, exercise.tolerance):
        return _gradient(exercise, answer, trials[0], seed, language)
    for mistake in exercise.mistakes:
        if _has(mistake.answer, trials, given, exercise.tolerance):
            return Outcome(
                state="wrong", mistake=mistake.name, hint=mistake.hint.text(language)
            )  # fmt: skip
    return _difference(exercise, given, right, language)


def _is_pending(exercise: Exercise, answer: Any, seed: int) -> bool:
    """The three points that the student finds: alone, or as what the function returns."""
    if answer is ...:
        return True
    if not callable(answer):
        return False
    try:
        return _result(answer, _inputs(exercise, seed, 0)) is ...
    except Exception:  # it is told when the answer is tried
        return False


def _inputs(exercise: Exercise, seed: int, trial: int) -> tuple[Any, ...]:
    import torch

    if exercise.inputs is None:
        return ()
    return exercise.inputs(torch.Generator().manual_seed(1000 * seed + trial))


def _result(answer: Any, inputs: tuple[Any, ...]) -> Any:
    """What an answer gives; the inputs are copied, since an answer may change them in place."""
    import torch

    if not callable(answer):
        return answer
    given = [x.clone() if isinstance(x, torch.Tensor) else x for x in inputs]
    call: Callable[..., Any] = answer
    if isinstance(answer, type) and issubclass(answer, torch.autograd.Function):
        call = answer.apply
    torch.manual_seed(0)  # an answer that draws numbers draws the same each time
    return call(*given)


def _has(wrong: Any, trials: list[Any], given: list[Any], tolerance: float) -> bool:
    """Whether the answer gives what this mistake gives, in all trials."""
    try:
        return _all_same(given, [_result(wrong, inputs) for inputs in trials], tolerance)
    except Exception:  # a mistake that raises shows as such when the answer is called
        return False


def _all_same(a: list[Any], b: list[Any], tolerance: float) -> bool:
    return all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two results are equal: numbers within the tolerance, shapes exactly.

    A number and a tensor with no dimension are the same thing here, and so are nan and nan.
    """
    import torch

    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, str | None) or isinstance(b, str | None):
        return _equal(a, b)
    try:
        left, right = (torch.as_tensor(x).detach().to(torch.complex128) for x in (a, b))
    except Exception:  # no number: of whatever type a student may give
        return _equal(a, b)
    if left.is_sparse or right.is_sparse or left.is_meta or right.is_meta:
        return False
    if left.shape != right.shape:
        return False
    # Beside the largest finite value: an entry of 1e-9 beside others of 1 is rounding.
    finite = right.abs()[right.abs().isfinite()]
    scale = float(finite.max()) if finite.numel() else 1.0
    return bool(
        torch.allclose(left, right, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    )  # fmt: skip


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # an array has no one answer
        return False


def _wrong(name: str, language: Language, **seen: Any) -> Outcome:
    return Outcome(state="wrong", mistake=name, hint=phrase(name, language, **seen))


def _raised(error: Exception, language: Language) -> Outcome:
    words = str(error).strip().splitlines()
    return _wrong(
        "raised", language, kind=type(error).__name__, words=words[0][:200] if words else ""
    )  # fmt: skip


def _gradient(
    exercise: Exercise, answer: Any, inputs: tuple[Any, ...], seed: int, language: Language
) -> Outcome:
    """A right value is not yet a right gradient, where that was asked for."""
    import torch

    from lab.autograd.checker import check
    from lab.errors import LabError

    if not exercise.gradient:
        return Outcome(state="right")
    doubles = [
        x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in inputs
    ]
    try:
        report = check(answer, *doubles, seed=seed, language=language)
    except LabError as error:
        return _wrong("no_gradient", language, words=f"{error.what} {error.why}")
    if report.ok:
        return Outcome(state="right")
    finding = report.findings[0]
    for mistake in exercise.mistakes:
        if mistake.name == finding.cause:
            return Outcome(
                state="wrong", mistake=mistake.name,
                hint=f"{mistake.hint.text(language)}\n{finding.message}",
            )  # fmt: skip
    return Outcome(state="wrong", mistake=finding.cause, hint=finding.message)


def _difference(
    exercise: Exercise, given: list[Any], right: list[Any], language: Language
) -> Outcome:
    """What can be said of a result that no known mistake gives."""
    import torch

    if any(result is None for result in given):
        return _wrong("none", language)
    if not all(isinstance(result, torch.Tensor | float | int | complex) for result in right):
        return _wrong("another", language)
    try:
        pairs = [
            (torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(given, right, strict=True)
        ]
    except Exception:  # as in `same`
        return _wrong("no_tensor", language, kind=type(given[0]).__name__)
    for a, b in pairs:
        if a.shape != b.shape:
            return _wrong("shape", language, given=tuple(a.shape), wanted=tuple(b.shape))
    if any(not a.isfinite().all() and b.isfinite().all() for a, b in pairs):
        return _wrong("not_finite", language)
    ratio = _ratio(pairs)
    if ratio == -1:
        return _wrong("sign", language)
    if ratio is not None:
        return _wrong("factor", language, ratio=f"{ratio:.4g}")
    return _wrong("another", language)


def _ratio(pairs: list[tuple[Any, Any]]) -> float | None:
    """The one number that all results are too large by; None where there is none."""
    import torch

    ratios = []
    for a, b in pairs:
        far = b.abs() > 1e-6 * b.abs().max() if b.numel() else b.abs() > 0
        if a.is_complex() or b.is_complex() or not bool(far.any()):
            return None
        ratios.append((a.detach().double()[far] / b.detach().double()[far]).flatten())
    every = torch.cat(ratios)
    middle = float(every.median())
    if not math.isfinite(middle) or middle == 0:
        return None
    if float((every - middle).abs().max()) > 1e-4 * abs(middle):
        return None
    return -1.0 if abs(middle + 1) < 1e-4 else middle
