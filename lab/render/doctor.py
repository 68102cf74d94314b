"""A doctor's report for people: one line for each finding, and beneath it what to do."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from lab.records.doctor import DoctorReport, Finding, Status
from lab.render.hang import hang

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Symbol, its stand-in where the stream cannot write it, and colour.
_LOOKS: dict[Status, tuple[str, str, str]] = {
    "ok": ("✓", "+", "green"),
    "warn": ("!", "!", "yellow"),
    "fail": ("✗", "x", "bold red"),
    "unknown": ("?", "?", "cyan"),
}
_VERDICTS = {
    "ok": "All is well.",
    "warn": "The lab runs; what is marked ! or ? is worth a look.",
    "fail": "The lab does not run like this: see what is marked {symbol}.",
}


def doctor_text(
    report: DoctorReport, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """A report as text, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        report: what was found.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80.
    """
    from rich.console import Console

    console = Console(
        file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
    )
    index = 0 if (console.encoding or "").lower().startswith("utf") else 1
    name_width = max((len(finding.name) for finding in report.findings), default=0)
    verdict = _VERDICTS[report.verdict].format(symbol=_LOOKS["fail"][index])
    with console.capture() as captured:
        for finding in report.findings:
            for line in _lines(finding, console, name_width, _LOOKS[finding.status][index]):
                console.print(line, soft_wrap=True)
        console.print(f"\n{verdict}", style=_LOOKS[report.verdict][2], soft_wrap=True)
    return captured.get().rstrip("\n")


def _lines(finding: Finding, console: "Console", name_width: int, symbol: str) -> Iterator["Text"]:
    from rich.text import Text

    style = _LOOKS[finding.status][2]
    head = Text(f"{symbol} {finding.name:<{name_width}}  ", style=style)
    yield from hang(head, finding.seen, console)
    for label, text in (("why:  ", finding.why), ("next: ", finding.next)):
        if text:
            yield from hang(Text(" " * len(head) + label, style="dim"), text, console)
