"""A gradient check's report as HTML, for a notebook."""

from lab.records.autograd import CheckReport
from lab.render.bench.html import Html, tag

_GOOD, _BAD = "#00694c", "#b34700"


def report_html(report: CheckReport) -> str:
    """The report's own lines, its verdict in colour."""
    head, _, rest = report.text.partition("\n")
    colour = _GOOD if report.ok else _BAD
    verdict = tag("b", ("✓ " if report.ok else "✗ ") + head, style=f"color:{colour}")
    lines = tag("pre", rest, style="margin:.3em 0 0;white-space:pre-wrap;background:none")
    frame = f"border-left:4px solid {colour};padding:.2em .8em"
    return tag("div", verdict, Html(lines), style=frame, class_="lab-check")
