"""`lab.course.check`: what a student calls to know whether an answer is right."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.course.exercise import exercise
from lab.course.judging import Outcome, judge
from lab.course.progress import note_attempt
from lab.course.texts import phrase
from lab.language import Language

_SIGNS = {"right": "✓", "wrong": "✗", "pending": "○"}
_COLOURS = {"right": "#1a7f37", "wrong": "#b35900", "pending": "#6e7781"}


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What a student reads under an exercise."""

    number: str
    outcome: Outcome
    language: Language

    @property
    def right(self) -> bool:
        """Whether the answer is right."""
        return self.outcome.right

    def __str__(self) -> str:
        """A sign, the number, and the hint."""
        return f"{_SIGNS[self.outcome.state]} {self.number} {self._words()}".rstrip()

    __repr__ = __str__

    def _words(self) -> str:
        return phrase("right", self.language) if self.right else self.outcome.hint

    def _repr_html_(self) -> str:
        head, *more = html.escape(self._words()).split("\n")
        rest = f"<pre>{chr(10).join(more)}</pre>" if more else ""
        return (
            f'<div style="border-left: 4px solid {_COLOURS[self.outcome.state]};'
            f' padding: 0.2em 0.8em"><b>{_SIGNS[self.outcome.state]}'
            f" {html.escape(self.number)}</b> {head}{rest}</div>"
        )


def check(number: str, answer: Any, *, seed: int = 0, language: Language | None = None) -> Feedback:
    """Say whether an answer is right, or what is wrong with it, and note the attempt.

    Args:
        number: the exercise's, such as `3.2`.
        answer: the student's function, class or value; `...` is no answer yet.
        seed: of the random inputs that a function is tried on.
        language: `es` or `en`; None takes the notebook's.

    Returns:
        What is shown under the cell: true or false as `.right`, text as `str()`.

    Raises:
        LabError: there is no exercise of this number.
    """
    wanted = exercise(number)
    spoken = language or notebook_language()
    outcome = judge(wanted, answer, seed=seed, language=spoken)
    if outcome.state != "pending":
        note_attempt(Path.cwd(), number, right=outcome.right, mistake=outcome.mistake)
    return Feedback(number=number, outcome=outcome, language=spoken)


def notebook_language(variables: dict[str, str] | None = None) -> Language:
    """The language of the notebook that this kernel serves, else the lab's, else Spanish.

    Args:
        variables: of the environment; None takes this process's. JupyterLab puts the path of a
            kernel's notebook into JPY_SESSION_NAME, and the lab its language into LAB_LANGUAGE.
    """
    known = dict(os.environ) if variables is None else variables
    path = known.get("JPY_SESSION_NAME", "")
    if path.endswith(".ipynb"):
        try:
            written = json.loads(Path(path).read_text(encoding="utf-8"))
            language = written["metadata"]["lab"]["language"]
            if language in ("es", "en"):
                return "es" if language == "es" else "en"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass  # not one of the course's
    return "en" if known.get("LAB_LANGUAGE") == "en" else "es"
