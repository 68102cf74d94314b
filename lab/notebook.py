"""What a notebook of the lab can do besides: `%check`, and reports and graphs shown as HTML; on a
cluster it warns before the lab's time is up.

Every kernel of the lab loads it; elsewhere `%load_ext lab.notebook` does."""

import itertools
import os
import shlex
import sys
from typing import Any

from lab.autograd.checker import check
from lab.autograd.declared import inputs_of, parse_shapes
from lab.course.checking import notebook_language
from lab.errors import LabError
from lab.language import Language
from lab.notebook_end import EndWarning
from lab.records.autograd import CheckReport
from lab.records.graph import Graph
from lab.render.graph.page import graph_html
from lab.render.report import report_html
from lab.units import parse_whole_number

_USAGE = """\
%check FUNCTION [INPUT ...] [--shapes 4x3,3] [--order 2] [--seed N] [--language en]

Checks the gradient of a function, a module, an autograd.Function, or a pair (function, gradient).
Inputs are expressions; without any, those that the function declares by @check_inputs or by its
annotations, or random ones of --shapes."""
_OPTIONS = ("--shapes", "--order", "--seed", "--language")
_MOST_SEED = (1 << 31) - 1
# Each drawing of a page has an identity of its own, also when a cell is run again.
_count = itertools.count(1)


def check_line(line: str, names: dict[str, Any]) -> CheckReport:
    """Do what a line after `%check` asks for.

    Args:
        line: a function and its inputs, as expressions, and options.
        names: what they are looked up in.

    Raises:
        LabError: the line makes no sense, or the function cannot be checked.
    """
    words, options = _split(line)
    if not words:
        raise LabError(
            "There is nothing to check.", why="%check names a function", next_step=_USAGE
        )
    function, *inputs = (_value(word, names) for word in words)
    order, seed = options.get("--order", "1"), options.get("--seed", "0")
    number = parse_whole_number(seed, "--seed", least=0, most=_MOST_SEED)
    if not inputs:
        shapes = options.get("--shapes", "")
        inputs = inputs_of(function, parse_shapes(shapes) if shapes else (), number)
    language: Language = options.get("--language") or notebook_language()  # type: ignore[assignment]
    return check(
        function, *inputs, order=parse_whole_number(order, "--order", least=1, most=2),
        seed=number, language=language,
    )  # fmt: skip


def _split(line: str) -> tuple[list[str], dict[str, str]]:
    """Expressions and options of a line."""
    try:
        parts = shlex.split(line, posix=False)
    except ValueError as error:
        raise LabError(
            "The line cannot be read.", why=str(error), next_step=_USAGE
        ) from error  # fmt: skip
    words: list[str] = []
    options: dict[str, str] = {}
    rest = iter(parts)
    for part in rest:
        name, equals, value = part.partition("=")
        if name not in _OPTIONS:
            words.append(part)
            continue
        options[name] = value if equals else next(rest, "")
    return words, options


def _value(word: str, names: dict[str, Any]) -> Any:
    try:
        return eval(word, names)  # a cell's own words, in the kernel that runs its other lines
    except Exception as error:
        raise LabError(
            f"{word} cannot be found.", why=f"{type(error).__name__}: {error}",
            next_step="run the cell that makes it first; an expression has no spaces here",
        ) from error  # fmt: skip


def _graph(graph: Graph) -> str:
    identity = f"lab-graph-{next(_count)}"
    return graph_html(graph, language=notebook_language(), identity=identity)


def load_ipython_extension(shell: Any) -> None:
    """Make `%check` known, and show reports and graphs as HTML."""

    def magic(line: str) -> CheckReport | None:
        if line.strip() in ("", "-h", "--help"):
            print(_USAGE)
            return None
        try:
            return check_line(line, shell.user_ns)
        except LabError as error:
            print(error, file=sys.stderr)
            return None

    magic.__doc__ = _USAGE
    shell.register_magic_function(magic, "line", "check")
    html = shell.display_formatter.formatters["text/html"]
    html.for_type(CheckReport, report_html)
    html.for_type(Graph, _graph)
    if (ends := os.environ.get("LAB_ENDS", "")).isdecimal():
        shell.events.register("post_run_cell", EndWarning(float(ends), notebook_language()))
