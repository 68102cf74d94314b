"""A verification and a class's groups as text for people."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from lab.records.receipt import ClassReport, Finding, Receipt, Status
from lab.render.hang import hang

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES: dict[Status, str] = {"same": "green", "differs": "bold red", "cannot tell": "cyan"}
_STATUS_WIDTH = len("cannot tell")


def verify_text(receipt: Receipt, stream: TextIO | None = None, *, width: int | None = None) -> str:
    """A verification, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        receipt: with a verification.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80.
    """
    verification = receipt.verification
    assert verification is not None
    console = _console(stream, width)
    name_width = max(len(finding.name) for finding in verification.findings)
    counts = {status: sum(f.status == status for f in verification.findings) for status in _STYLES}
    with console.capture() as captured:
        for finding in verification.findings:
            for line in _lines(finding, console, name_width):
                console.print(line, soft_wrap=True)
        told = f"{counts['same']} the same, {counts['differs']} different"
        if counts["cannot tell"]:
            told += f", {counts['cannot tell']} that cannot be told"
        console.print(f"\n{told}; receipt {verification.against[:12]}", soft_wrap=True)
    return captured.get().rstrip("\n")


def _console(stream: TextIO | None, width: int | None) -> "Console":
    from rich.console import Console

    return Console(
        file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
    )


def _lines(finding: Finding, console: "Console", name_width: int) -> Iterator["Text"]:
    from rich.text import Text

    style = _STYLES[finding.status]
    head = Text(f"{finding.status:<{_STATUS_WIDTH}}  {finding.name:<{name_width}}  ", style=style)
    yield from hang(head, finding.seen, console)
    if finding.next:
        yield from hang(Text(" " * len(head) + "next: ", style="dim"), finding.next, console)


def class_text(
    report: ClassReport, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """The groups of a class, the largest first.

    Args:
        report: the groups.
        stream: as in `verify_text`.
        width: as there.
    """
    from rich.text import Text

    console = _console(stream, width)
    with console.capture() as captured:
        for group in report.groups:
            count = len(group.members)
            kind = "differing in what follows" if group.differences else "as the receipt"
            style = _STYLES["differs" if group.differences else "same"]
            head = Text(f"{count} {kind}: ", style=style)
            for line in hang(head, ", ".join(group.members), console):
                console.print(line, soft_wrap=True)
            for finding in group.differences:
                for line in hang(Text(f"  {finding.name}: ", style=style), finding.seen, console):
                    console.print(line, soft_wrap=True)
        for name, why in report.unreadable.items():
            for line in hang(Text(f"{name} was passed over: ", style="cyan"), why, console):
                console.print(line, soft_wrap=True)
        console.print(f"\nreceipt {report.against[:12]}", soft_wrap=True)
    return captured.get().rstrip("\n")
