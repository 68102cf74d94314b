"""A speed test's results as text for a person: the table, what is to be said of it, the legend."""

import sys
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from lab.records.bench import BenchReport, CaseResult, Comparison, SelfTest
from lab.render.bench import about, words
from lab.render.bench.units import NONE, percent_text
from lab.render.clean import clean

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: dict[str, str] = {
    "ok": "green",
    "not_converged": "yellow",
    "not_steady": "magenta",
    "contaminated": "bold red",
    "not_run": "cyan",
    "FASTER": "green",
    "SLOWER": "bold red",
    "SAME": "",
    "INCONCLUSIVE": "yellow",
}
# What stands for a character where the stream cannot write it.
_STAND_INS = str.maketrans({"±": "+-", "µ": "u"})
_LEGEND = 15
"""Columns of the words that the legend explains."""
# In the table the unit of a percentage is in the heading.
_HEADINGS = {"±": "± %", "of peak": "% peak", "nominal": "% nominal"}
_GAP = "  "
_Row = tuple[list[str], str]


def bench_text(
    report: BenchReport, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """A report as text, with colours where the stream is a terminal and NO_COLOR is not set.

    Args:
        report: what was measured.
        stream: where the text will go, None for standard output; nothing is written here.
        width: columns; None takes the terminal's, or 80. Numbers are never cut: where it is too
        narrow for them, lines are longer.
    """
    paper = _Paper(stream, width)
    paper.hang(about.summary_text(report))
    ended = about.ended_text(report)
    if ended:
        paper.hang(ended, style="bold yellow")
    for problem in report.problems:
        paper.hang(problem, "problem: ", head_style="bold yellow")
    paper.blank()
    _results(paper, report.cases)
    _reasons(paper, report.cases)
    _comparisons(paper, report)
    _notes(paper, report.cases)
    _legend(paper, report)
    return paper.text()


def selftest_text(
    result: SelfTest, stream: TextIO | None = None, *, width: int | None = None
) -> str:
    """Whether the machine can tell a difference from none, and how small a one; see bench_text."""
    paper = _Paper(stream, width)
    can = "can" if result.green else "cannot now"
    verdict = f"This machine {can} tell a difference in speed from none."
    paper.hang(verdict, style="green" if result.green else "bold red")
    for what, expected, seen in (
        ("the same work twice", "SAME", result.same),
        ("5 % more work", "SLOWER", result.slower),
    ):
        held = "as it must be" if seen.verdict == expected else f"but it must be {expected}"
        paper.hang(f"{seen.verdict}, {held}{_ratio_in_words(seen)}", f"  {what:<20} ")
        if seen.reason:
            paper.hang(seen.reason, " " * 23)
    floor = percent_text(result.floor_percent)
    paper.hang(
        f"{floor}: two runs that differ by less cannot be told apart here", "  floor" + " " * 16
    )
    if not result.green:
        paper.hang("Close what else is running, then run the self-test again.", style="yellow")
    _reasons(paper, result.cases)
    paper.blank()
    paper.hang(about.machine_text(result.environment), f"{'machine':<{_LEGEND}}")
    return paper.text()


class _Paper:
    """Collects lines for one stream, in characters that it can write."""

    def __init__(self, stream: TextIO | None, width: int | None) -> None:
        from rich.console import Console

        self.console: Console = Console(
            file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False
        )
        self._encoding = self.console.encoding or "utf-8"
        self._parts: list[str] = []

    def fit(self, text: str) -> str:
        """The text in characters that the stream can write."""
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            text = text.translate(_STAND_INS)
        except LookupError:
            return text
        return text.encode(self._encoding, "replace").decode(self._encoding)

    def show(self, line: "Text") -> None:
        line.rstrip()
        with self.console.capture() as captured:
            self.console.print(line, soft_wrap=True)
        self._parts.append(captured.get().rstrip("\n"))

    def blank(self) -> None:
        self._parts.append("")

    def hang(self, text: str, head: str = "", *, style: str = "", head_style: str = "dim") -> None:
        """Break words after a head; further lines begin under the first word."""
        from rich.text import Text

        text, head = self.fit(clean(text)), self.fit(head)
        room = max(self.console.width - len(head), 20)
        lead = Text(head, style=head_style)
        for line in Text(text, style=style).wrap(self.console, room):
            self.show(Text.assemble(lead, line))
            lead = Text(" " * len(head))

    def table(self, headings: list[str], rows: list[_Row]) -> None:
        """A name too long for its column gets a line of its own; no number is cut.

        Args:
            headings: of the columns; those between the first and the last hold numbers.
            rows: cells, and the style of the last one; a row of one cell is a heading.
        """
        from rich.text import Text

        cells = [[self.fit(cell) for cell in row] for row, _ in rows]
        names = [Text(row[0]).cell_len for row in cells if len(row) > 1]
        columns = zip(headings, *(row for row in cells if len(row) > 1), strict=True)
        sizes = [max(map(len, column)) for column in columns][1:-1]
        taken = sum(sizes) + len(_GAP) * (len(sizes) + 1) + max(len(row[-1]) for row in cells)
        room = max(self.console.width - taken, len(headings[0]))
        first = max(len(headings[0]), *(size for size in names if size <= room), 0)
        self._row([self.fit(heading) for heading in headings], first, sizes, "dim", "dim")
        for row, (_, style) in zip(cells, rows, strict=True):
            if len(row) == 1:
                self.hang(row[0], style="bold")
            else:
                self._row(row, first, sizes, "", style)

    def _row(self, row: list[str], first: int, sizes: list[int], style: str, last: str) -> None:
        """A row in one line, or its name in one and its figures in the next."""
        from rich.text import Text

        name, *numbers, word = row
        if Text(name).cell_len > first:
            bare = name.lstrip()
            self.hang(bare, name[: len(name) - len(bare)])
            name = ""
        head = Text(name, style=style)
        head.pad_right(first - head.cell_len)
        for cell, size in zip(numbers, sizes, strict=True):
            head.append(f"{_GAP}{cell:>{size}}")
        self.show(head.append(_GAP).append(word, last))

    def text(self) -> str:
        return "\n".join(self._parts).strip("\n")


def _results(paper: _Paper, cases: list[CaseResult]) -> None:
    if not cases:
        paper.hang("No case was measured.", style="yellow")
        return
    nominal = any(case.percent_of_nominal is not None for case in cases)
    headings = ["case", "per call", "± %", "speed", "% peak"]
    headings += [*(["% nominal"] if nominal else []), "verdict"]
    several = words.devices(cases)
    rows: list[_Row] = []
    for name, group in groupby(cases, key=lambda case: clean(case.name)):
        members = list(group)
        params = [words.case_params(case, several) for case in members]
        alone = params == [""]
        if not alone:
            rows.append(([name], ""))
        for case, shown in zip(members, params, strict=True):
            time, interval, speed, *peaks = words.figures(case)
            percents = [text.removesuffix(" %") for text in (interval, *peaks)]
            figures = [time, percents[0], speed, *percents[1 : 3 if nominal else 2]]
            head = name if alone else f"  {shown or '(no parameters)'}"
            rows.append(([head, *figures, case.verdict], _STYLES[case.verdict]))
    paper.table(headings, rows)


def _reasons(paper: _Paper, cases: list[CaseResult]) -> None:
    groups = words.reasons(cases)
    waiting = words.launch_bound(cases)
    if groups or waiting:
        paper.blank()
    if waiting:
        paper.hang(words.LAUNCH_BOUND, "launch-bound: ", head_style="bold")
        paper.hang("; ".join(waiting), "    ", style="dim")
    for verdict, reason, labels in groups:
        paper.hang(reason, f"{verdict}: ", head_style=_STYLES[verdict])
        paper.hang("; ".join(labels), "    ", style="dim")


def _comparisons(paper: _Paper, report: BenchReport) -> None:
    if not report.comparisons:
        return
    before = (
        f"Compared with the run of {about.when_text(report.compared_with or 'an earlier time')}"
    )
    paper.blank()
    paper.hang(f"{before}: time now over time before, so that below 1 is faster", head_style="")
    headings = ["case", "ratio", "95 % interval", "threshold", "verdict"]
    rows = [
        (_comparison(comparison), _STYLES[comparison.verdict]) for comparison in report.comparisons
    ]
    paper.table(headings, rows)
    for comparison in report.comparisons:
        if comparison.reason:
            head = f"{comparison.verdict}: "
            told = f"{words.label(comparison)}: {comparison.reason}"
            paper.hang(told, head, head_style=_STYLES[comparison.verdict])


def _comparison(comparison: Comparison) -> list[str]:
    threshold = percent_text(comparison.threshold_percent)
    ratio, interval = words.ratio_texts(comparison)
    return [words.label(comparison), ratio, interval, threshold, comparison.verdict]


def _ratio_in_words(comparison: Comparison) -> str:
    ratio, interval = words.ratio_texts(comparison)
    return "" if ratio == NONE else f" (ratio {ratio}, 95 % interval {interval})"


def _notes(paper: _Paper, cases: list[CaseResult]) -> None:
    noted = [case for case in cases if case.notes]
    if noted:
        paper.blank()
    several = words.devices(cases)
    for case in noted:
        time, interval, speed, *_ = words.figures(case)
        figure = f"{time} ± {interval}" if interval != NONE else time
        measured = f"measured here: {figure}, {speed}" if time != NONE else "no figure here"
        paper.hang(f"{words.label(case, several)} ({measured})")
        for note in case.notes:
            paper.hang(note, "    ")


def _legend(paper: _Paper, report: BenchReport) -> None:
    paper.blank()
    for word, meaning in about.explanations(report):
        paper.hang(meaning, f"{_HEADINGS.get(word, word):<{_LEGEND}}")
    paper.blank()
    for word, meaning in about.meanings(report):
        paper.hang(meaning, f"{word:<{_LEGEND}}", head_style=_STYLES.get(word, "dim"))
