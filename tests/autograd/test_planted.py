"""Planted bugs are found and called by their name; correct functions that are hard are let be."""

import warnings
from collections.abc import Iterator

import pytest
import torch

from benchmarks.autograd_planted import Planted, bugs, correct
from lab.autograd import check
from lab.autograd.words import LINES
from lab.records.autograd import CheckReport, Language

# The largest size is the benchmark's: here each kind is seen at two.
torch.manual_seed(0)
BUGS = list(bugs((5, 40)))
CORRECT = list(correct())


@pytest.fixture(autouse=True)
def _same_numbers() -> Iterator[None]:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the planted functions themselves
        yield


def checked(case: Planted, language: Language = "en") -> CheckReport:
    function, inputs = case.make()
    return check(function, *inputs, order=case.order, language=language)


@pytest.mark.parametrize("case", BUGS, ids=lambda case: case.name)
def test_planted_bug_is_found_with_its_cause(case: Planted) -> None:
    report = checked(case)
    assert not report.ok
    first = report.findings[0]
    assert first.cause in case.causes
    assert len(str(report).splitlines()) <= LINES
    assert first.message.splitlines()[0] in str(report)


@pytest.mark.parametrize("case", CORRECT, ids=lambda case: case.name)
def test_correct_function_is_right(case: Planted) -> None:
    report = checked(case)
    assert report.ok, str(report)
    assert all(finding.harmless for finding in report.findings)


def test_there_are_as_many_kinds_as_were_asked_for() -> None:
    assert len({case.name.rpartition(",")[0] for case in BUGS}) >= 30
    assert len(CORRECT) >= 15


@pytest.mark.parametrize("case", BUGS[::7], ids=lambda case: case.name)
def test_same_seed_gives_the_same_finding_in_both_languages(case: Planted) -> None:
    reports = []
    for language in ("es", "en"):
        torch.manual_seed(0)
        reports.append(checked(case, language))  # type: ignore[arg-type]
    spanish, english = reports
    assert spanish.findings[0].cause == english.findings[0].cause
    assert spanish.findings[0].index == english.findings[0].index
    assert str(spanish).startswith("El gradiente está MAL.")
    assert str(english).startswith("The gradient is WRONG.")
    assert len(str(spanish).splitlines()) <= LINES


def test_one_wrong_entry_of_five_thousand_is_named() -> None:
    """Off by 1e-4 of the typical size."""
    case = next(c for c in bugs((5000,)) if c.name == "cube, one entry, 5000")
    function, inputs = case.make()
    report = check(lambda x: function.apply(x).sum(), *inputs, language="en")
    (finding,) = report.findings
    assert finding.cause == "wrong_entry"
    assert finding.index == (3,)
    assert finding.analytical is not None
    assert finding.numerical is not None
    assert finding.analytical / finding.numerical == pytest.approx(1 + 1e-4, rel=1e-8)
    assert "entry (3)" in str(report)
