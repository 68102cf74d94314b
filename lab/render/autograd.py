"""What gradient checks found, as text: a line for each function, then what is wrong."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from lab.records.autograd import AutogradReport, CaseResult, CaseSummary, Mode
from lab.render.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MODES: dict[Mode, str] = {
    "first": "first", "second": "second", "forward": "forward", "vmap": "vmap",
    "closed_form": "formula",
}  # fmt: skip
_LEGEND = (
    "first, second: derivatives in reverse mode; forward: in forward mode; vmap: of a batch in one"
    " call; formula: by hand. Each against perturbed inputs."
)


def autograd_text(
    report: AutogradReport, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """A report as text, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        report: what was found.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(
        file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        for part in _parts(report):
            console.print(part, soft_wrap=not isinstance(part, Table))
    lines = (line.rstrip() for line in captured.get().rstrip().splitlines())
    encoding = console.encoding or "utf-8"
    return "\n".join(lines).encode(encoding, errors="replace").decode(encoding)


def _parts(report: AutogradReport) -> Iterator["RenderableType"]:
    from rich.text import Text

    if report.target is None:
        yield _table(report.results)
        yield _LEGEND
        yield ""
    for result in report.results:
        if report.target is not None or not result.report.ok:
            style = "" if result.report.ok else "red"
            yield Text(
                f"{clean(result.name)}, {_MODES[result.mode]}, {result.device}", style="bold"
            )
            yield Text(result.report.text, style=style)
            yield ""
    if report.target is None:
        failed = sum(not result.report.ok for result in report.results)
        counted = f"{len(report.results)} checks in {report.duration_s:.0f} s"
        verdict = f"{failed} of {counted} failed." if failed else f"All is well: {counted}."
        yield Text(verdict, style="bold red" if failed else "green")


def _table(results: Sequence[CaseResult]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("function")
    table.add_column("device")
    for heading in _MODES.values():
        table.add_column(heading)
    found = {(r.device, r.name, r.mode): r for r in results}
    for device, name in dict.fromkeys((r.device, r.name) for r in results):
        cells = []
        for mode in _MODES:
            result = found.get((device, name, mode))
            word = "-" if result is None else "ok" if result.report.ok else "WRONG"
            cells.append(Text(word, style={"ok": "green", "WRONG": "bold red"}.get(word, "dim")))
        table.add_row(clean(name), device, *cells)
    return table


def cases_text(cases: Sequence[CaseSummary]) -> str:
    """The lab's own cases, a line each."""
    width = max(len(case.name) for case in cases)
    return "\n".join(f"{case.name:<{width}}  {case.summary}" for case in cases)
