"""What an exercise of the course is: what a right answer gives, and what typical mistakes give."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lab.errors import LabError
from lab.language import Language

# Takes a torch.Generator; gives the arguments of one trial.
Inputs = Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What a student reads, in both languages: never the solution, but where to look."""

    es: str
    en: str

    def text(self, language: Language) -> str:
        """It in one language."""
        return self.es if language == "es" else self.en


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong answer that students typically give.

    Args:
        name: one word or several, joined by `_`; for the record of progress.
        answer: an answer with this mistake, of the same kind as a right one.
        hint: what to look at.
    """

    name: str
    answer: Any
    hint: Hint


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise. An answer is a function, which is tried on random inputs, or a value.

    Args:
        number: such as `3.2`: of the notebook, and within it.
        right: a right answer: a function, or the value itself.
        mistakes: the more special first: an answer that is the same as a mistake in all trials
            gets its hint.
        inputs: gives the arguments of one trial; a value needs none.
        gradient: the answer is differentiable itself, such as a torch.autograd.Function: its
            gradients are checked by lab.autograd as well, and a finding is the hint.
        tolerance: largest difference, as a share of the largest value, that is none.
    """

    number: str
    right: Any
    mistakes: tuple[Mistake, ...]
    inputs: Inputs | None = None
    gradient: bool = False
    tolerance: float = 1e-5


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the course, by number: those of each module in lab/course/exercises."""
    from lab.course import exercises as folder

    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(folder.__path__):
        given = importlib.import_module(f"{folder.__name__}.{module.name}").EXERCISES
        for exercise in given:
            if exercise.number in found:
                raise ValueError(f"two exercises have the number {exercise.number}")
            found[exercise.number] = exercise
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))


def exercise(number: str) -> Exercise:
    """The exercise of a number.

    Raises:
        LabError: there is none.
    """
    known = exercises()
    if number not in known:
        raise LabError(
            f"There is no exercise {number!r}.", why=f"the course has {', '.join(known)}",
            next_step="look at the number in the notebook's own cell",
        )  # fmt: skip
    return known[number]
