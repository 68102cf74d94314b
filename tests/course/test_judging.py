"""What is said of answers that are no known mistake, and of answers that are no answers."""

import warnings
from typing import Any

import numpy
import pytest
import torch

from lab.course.checking import Feedback, notebook_language
from lab.course.exercise import Exercise, Hint, Mistake
from lab.course.judging import Outcome, judge, same


def _inputs(source: torch.Generator) -> tuple[Any, ...]:
    return (torch.randn(4, 3, generator=source),)


SUM = Exercise(
    number="9.1", inputs=_inputs, right=lambda x: x.sum(dim=0),
    mistakes=(
        Mistake(
            name="all", answer=lambda x: x.sum(), hint=Hint(es="todo sumado", en="all summed")
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x: x.sum(), "all"),
        (lambda x: -x.sum(dim=0), "sign"),
        (lambda x: 2 * x.sum(dim=0), "factor"),
        (lambda x: x.sum(dim=1), "shape"),
        (lambda x: x.sum(dim=0) / 0, "not_finite"),
        (lambda x: x[0] ** 2, "another"),
        (lambda x: None, "none"),
        (lambda x: "twelve", "no_tensor"),
        (lambda x: 1 / 0, "raised"),
        (lambda: 1, "raised"),
        (torch.zeros(3), "no_function"),
    ],
)
def test_wrong_answer_is_told_what_it_is(answer: Any, name: str) -> None:
    for language in ("es", "en"):
        outcome = judge(SUM, answer, language=language)  # type: ignore[arg-type]
        assert (outcome.state, outcome.mistake) == ("wrong", name)
        assert len(outcome.hint) > 5


def test_warnings_and_prints_cost_no_point(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(x: torch.Tensor) -> torch.Tensor:
        warnings.warn("careful", UserWarning, stacklevel=1)
        print("here")
        return x.sum(dim=0)

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert judge(SUM, loud).right


def test_answer_that_changes_its_input_is_tried_on_fresh_ones() -> None:
    assert judge(SUM, lambda x: x.mul_(2).sum(dim=0) / 2).right


def test_answer_with_a_gradient_or_of_another_dtype_is_right() -> None:
    assert judge(SUM, lambda x: x.clone().requires_grad_().sum(dim=0)).right
    assert judge(SUM, lambda x: x.double().sum(dim=0)).right


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, torch.tensor(1.0), True),
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.01, False),
        (torch.ones(3), torch.ones(3, 1), False),
        (float("nan"), float("nan"), True),
        (float("inf"), float("inf"), True),
        ((1, 2), [1, 2], True),
        ((1, 2), (1, 2, 3), False),
        ("a", "a", True),
        (None, 0, False),
        (True, 1, True),
        ([3, "b"], [3, "b"], True),
        (numpy.zeros(3), "abc", False),
        (numpy.zeros(3), torch.zeros(3), True),
        (10**400, 1.0, False),
        (torch.zeros(3).to_sparse(), torch.zeros(3), False),
        (torch.zeros(3, device="meta"), torch.zeros(3), False),
    ],
)
def test_same_is_what_a_student_would_call_the_same(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b, 1e-5) is equal


def test_feedback_escapes_what_a_student_wrote() -> None:
    outcome = Outcome(state="wrong", mistake="raised", hint="<script>alert(1)</script>\n<b>")
    shown = Feedback(number="1.1", outcome=outcome, language="es")._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_language_is_the_notebooks_else_the_labs(tmp_path: Any) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text('{"cells": [], "metadata": {"lab": {"language": "en"}}}')
    session = {"JPY_SESSION_NAME": str(notebook), "LAB_LANGUAGE": "es"}
    assert notebook_language(session) == "en"
    notebook.write_text("broken")
    assert notebook_language(session) == "es"
    assert notebook_language({"LAB_LANGUAGE": "en"}) == "en"
    assert notebook_language({}) == "es"
