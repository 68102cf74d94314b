"""A speed test's results as one HTML page that needs nothing but itself.

`python -m lab.render.bench.page` reads a report's JSON and writes the page: the plots need
matplotlib, which the lab's environment has and the runner's has not.
"""

import sys
from collections import Counter

import msgspec

from lab.errors import LabError
from lab.records.bench import BenchReport
from lab.render.bench import about, tables, words
from lab.render.bench.compared import comparison_plots
from lab.render.bench.distributions import distributions
from lab.render.bench.html import NOTHING, Html, document, head, join, pairs, tag
from lab.render.bench.roofline import roofline
from lab.render.bench.style import CSS, SCRIPT
from lab.render.bench.svg import Plot, drawing_style
from lab.render.bench.telemetry import telemetry_plot
from lab.render.bench.timeline import timeline

_READING = {
    "time per call": (
        "The time that one call of the case takes: the middle of all clean samples. A sample is a"
        " number of calls in a row, timed together, since a clock cannot time a short one alone."
    ),
    "±": (
        "The range in which the true figure lies, 19 times out of 20. A difference between two"
        " cases that is smaller than their ranges may be chance."
    ),
    "speed": (
        "Work done in a second. FLOP counts additions and multiplications, B the bytes that a call"
        " has to move at least."
    ),
    "of peak": (
        "How much that is of what the device could do at best. Large products of matrices come"
        " close to the peak; small ones do not, since starting them takes time too."
    ),
    "verdict": (
        "Whether the figure can be trusted. Only ok and not_converged can be quoted, the latter"
        " with its ±."
    ),
    "disturbed": (
        "A sample during which something else had the processor or the GPU. Such samples are kept"
        " and drawn, but no figure is made of them."
    ),
}
_PLOTS = {
    "Roofline": (
        "Each point is a case. Far to the left there is little to compute for each byte, and the"
        " memory sets the pace: the slanted line. To the right computing does: the level lines. A"
        " point near a line does what the machine can; one far below has room to improve."
    ),
    "Samples of each case": (
        "Each dot is one sample, each lane one process. A narrow cloud is a repeatable figure. Two"
        " clouds in one lane mean that the machine changed its ways on the way, such as its clock."
    ),
    "The run over time": (
        "All samples in the order of measuring. A line that climbs is a machine that slows down,"
        " often from heat; crosses in a column are one disturbance that hit every case."
    ),
    "Beside the earlier run": (
        "A point left of 1 takes less time than before. The grey band is the threshold: what lies"
        " wholly inside is called the same."
    ),
    "GPU": (
        "A clock far below the highest one means that heat or the power limit holds the GPU back."
    ),
}


def page(report: BenchReport) -> str:
    """The page: figures, plots, where they were measured, how to read them, and the record."""
    compared, plots = _plots(report)
    sections = [
        ("Results", join([tables.results(report.cases), tables.reasons(report.cases)])),
        ("Beside the earlier run", _compared(report, compared)),
        ("Plots", tag("div", *map(_figure, plots), class_="plots") if plots else NOTHING),
        ("What the cases say", tables.notes(report.cases)),
        ("Samples", tables.samples(report.cases)),
        ("GPU sensors", tables.telemetry(report.cases)),
        ("Where it was measured", tables.environment(report)),
        ("How to read this", _reading(report, [*compared, *plots])),
        ("The record", _record(report)),
    ]
    there = [(title, inside) for title, inside in sections if inside]
    body = [
        tag("header", *_opening(report), _contents([title for title, _ in there])),
        tag("main", *(_section(title, inside) for title, inside in there)),
        tag("script", Html(SCRIPT)),
    ]
    return document(head(about.summary_text(report), CSS, SCRIPT), body)


def _plots(report: BenchReport) -> tuple[list[Plot], list[Plot]]:
    with drawing_style():
        found = [roofline(report), timeline(report.cases), *distributions(report.cases)]
        found.append(telemetry_plot(report))
        return comparison_plots(report.comparisons), [plot for plot in found if plot]


def _opening(report: BenchReport) -> list[Html]:
    counts = Counter(case.verdict for case in report.cases)
    shown = (
        tag("li", f"{counts[word]} ", tables.verdict(word))
        for word in words.MEANINGS
        if counts[word]
    )
    ended = about.ended_text(report)
    banners = [*([ended] if ended else []), *map(words.clean, report.problems)]
    return [
        tag("h1", "Speed test"),
        tag("p", about.summary_text(report).removeprefix("Speed test of ")),
        tag("p", about.machine_text(report.environment)),
        *(tag("p", banner, class_="banner") for banner in banners),
        tag("ul", *shown, class_="counts") if counts else NOTHING,
    ]


def _contents(titles: list[str]) -> Html:
    links = (tag("li", tag("a", title, href=f"#{tables.plain_id(title)}")) for title in titles)
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _section(title: str, inside: Html) -> Html:
    return tag("section", tag("h2", title), inside, id=tables.plain_id(title))


def _figure(plot: Plot) -> Html:
    key = (tag("li", tag("b", str(number)), name) for number, name in plot.key)
    return tag(
        "figure",
        tag("figcaption", plot.title),
        Html(plot.svg),
        tag("ul", *key, class_="key") if plot.key else NOTHING,
        *(tag("p", remark) for remark in plot.remarks),
    )


def _compared(report: BenchReport, plots: list[Plot]) -> Html:
    if not report.comparisons:
        return NOTHING
    earlier = about.when_text(report.compared_with or "an earlier time")
    return join([
        tag("p", f"Compared with the run of {earlier}."),
        tag("div", *map(_figure, plots), class_="plots") if plots else NOTHING,
        tables.comparisons(report.comparisons),
    ])  # fmt: skip


def _reading(report: BenchReport, plots: list[Plot]) -> Html:
    here = [entry for entry in about.explanations(report) if entry[0] != "machine"]
    drawn = [
        (name, text)
        for name, text in _PLOTS.items()
        if any(plot.title.startswith(name) for plot in plots)
    ]
    return join([
        pairs(_READING.items()),
        tag("h3", "In this run"), pairs([*here, *about.meanings(report)]),
        *([tag("h3", "The plots"), pairs(drawn)] if drawn else []),
    ])  # fmt: skip


def _record(report: BenchReport) -> Html:
    """The report itself; `<` is written as JSON can also write it, so that no tag ends it."""
    text = msgspec.json.encode(report).decode().replace("<", "\\u003c").replace("&", "\\u0026")
    return join([
        tag("p", "Everything on this page comes from this run's record, which the page holds too:"
            " all samples, as JSON."),
        tag("p", tag("a", "Save the record", id="download", download="bench.json", hidden=""),
            class_="screen"),
        tag("noscript", tag("p", "Without JavaScript: it is in the page's source, at the end.")),
        tag("script", Html(text), type="application/json", id="record"),
    ])  # fmt: skip


def main() -> int:
    """Read a report's JSON from standard input, write its page to standard output."""
    try:
        report = msgspec.json.decode(sys.stdin.buffer.read(), type=BenchReport)
    except msgspec.DecodeError as error:
        refused = LabError(
            "What came in is not a report of a speed test.",
            why=str(error),
            next_step="pass what `inv bench --json` printed",
        )
        print(refused, file=sys.stderr)
        return refused.exit_code
    sys.stdout.buffer.write(page(report).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
