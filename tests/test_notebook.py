"""`%check`, and how a notebook shows reports and graphs."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from lab.errors import LabError
from lab.graph import trace
from lab.notebook import check_line

NAMES = {
    "torch": torch, "x": torch.ones(3, dtype=torch.float64), "f": lambda x: (x * x).sum(),
    "wrong": (lambda x: (x * x).sum(), lambda x: x),
}  # fmt: skip


def test_line_names_a_function_and_its_inputs() -> None:
    assert check_line("f x", dict(NAMES)).ok
    assert check_line("f 2*x", dict(NAMES)).ok
    report = check_line("wrong x --language en --seed=3", dict(NAMES))
    assert report.findings[0].cause == "wrong_factor"
    assert report.language == "en"
    assert report.seed == 3


def test_line_may_name_shapes_instead() -> None:
    assert check_line("f --shapes 4x3 --order 2", dict(NAMES)).ok


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "nothing to check"), ("nope x", "nope cannot be found"), ("f", "not known with which"),
        ("f x --order 3", "--order"), ("f --shapes 4y", "no shape"), ("f 'x", "cannot be read"),
        ("f x --language fr", "no language"),
    ],
)  # fmt: skip
def test_line_that_makes_no_sense_is_refused(line: str, words: str) -> None:
    with pytest.raises(LabError) as caught:
        check_line(line, dict(NAMES))
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "lab.notebook")
    yield shell
    InteractiveShell.clear_instance()


def html_of(shell: Any, value: object) -> str:
    return str(shell.display_formatter.format(value)[0]["text/html"])


def test_report_and_graph_are_shown_as_html(shell: Any) -> None:
    shell.user_ns.update(NAMES)
    report = shell.run_line_magic("check", "wrong x --language en")
    shown = html_of(shell, report)
    assert "✗ The gradient is WRONG." in shown
    assert "look at" in shown
    graph = trace(NAMES["f"], NAMES["x"])
    first, second = html_of(shell, graph), html_of(shell, graph)
    assert "<svg" in first
    assert 'type="range"' in first
    assert first.partition(">")[0] != second.partition(">")[0]  # ids of their own


def test_refusal_is_told_without_a_traceback(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run_line_magic("check", "nope") is None
    out, err = capsys.readouterr()
    assert "nope cannot be found" in err
    assert "Traceback" not in out + err
