"""A cluster's run as one HTML page that needs nothing but itself, and the pages of its nodes."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lab.records.cluster import ClusterReport, State
from lab.render.bench.html import NOTHING, Html, document, head, join, pairs, tag
from lab.render.bench.style import CSS as BASE_CSS
from lab.render.cluster_page import sections
from lab.render.cluster_page.heats import heat_now, heat_of_changes, numbers_of
from lab.render.cluster_page.style import CSS, SCRIPT
from lab.render.cluster_reference import names_text

_READING = {
    "times": (
        "The time of a case on this node over the median of the other nodes' times: 1.00 is as fast"
        " as they are, 2.00 takes twice as long. Blue is faster, orange slower."
    ),
    "▲": (
        "Judged slow: above what the nodes' times vary by, and above the floor. The colour alone"
        " says nothing of that: where all nodes vary much, none stands out."
    ),
    "straggler": "Slow in two runs; its likely cause is named.",
    "suspect": "Slow once, and not run again yet.",
    "unknown": "There are no figures of it, or fewer than three nodes to compare.",
    "± between nodes": (
        "How the nodes vary: a robust standard deviation, from the median absolute deviation."
    ),
    "differs": (
        "Set up in another way than more than half of the nodes, however fast it is."
    ),
}  # fmt: skip
_CHANGED = {
    "SLOWER, FASTER": (
        "The time changed by more than the threshold, and the rounds of both runs leave no room for"
        " none. The threshold is the floor, or what the other nodes' changes vary by, whichever is"
        " more: so much does a node's time vary from one run to the next."
    ),
}
_STATES: tuple[State, ...] = ("ok", "partial", "failed", "lost", "never_started")


def cluster_page(report: ClusterReport, links: Mapping[str, str], record: str | None = None) -> str:
    """The page.

    Args:
        report: what was made of a run.
        links: addresses of the nodes' own pages, by node, relative to this page.
        record: address of the record, relative to this page.
    """
    heats = [heat for heat in (heat_now(report, links), heat_of_changes(report, links)) if heat]
    by_id = {heat.id: heat for heat in heats}
    parts = [
        ("Nodes that stand out", sections.standing_out(report)),
        ("Nodes and cases", sections.heat_map(report, by_id.get("now"))),
        ("Beside the reference", sections.beside(report, by_id.get("change"))),
        ("Cases", sections.cases(report)),
        ("Set up otherwise", sections.odd(report)),
        ("How to read this", _reading(report, record)),
    ]
    there = [(title, inside) for title, inside in parts if inside]
    numbers = json.dumps({heat.id: numbers_of(heat) for heat in heats}, separators=(",", ":"))
    body = [
        tag("header", *_opening(report), _contents([title for title, _ in there])),
        tag("main", *(tag("section", tag("h2", t), inside, id=_id(t)) for t, inside in there)),
        tag("script", Html(numbers.replace("<", "\\u003c")), type="application/json", id="numbers"),
        tag("script", Html(SCRIPT)),
    ]  # fmt: skip
    return document(head(f"Nodes of {report.run}", BASE_CSS + CSS, SCRIPT), body)


def _id(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower())


def _contents(titles: list[str]) -> Html:
    links = (tag("li", tag("a", title, href=f"#{_id(title)}")) for title in titles)
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _opening(report: ClusterReport) -> list[Html]:
    states = Counter(node.state for node in report.nodes)
    slow = [node.name for node in report.nodes if node.verdict == "straggler"]
    banners = [] if report.complete else ["Some of its nodes still wait or run."]
    if slow:
        banners.append(f"Slow: {names_text(slow)}.")
    if report.reference is not None and report.reference.slower:
        banners.append(
            f"Slower than in {report.reference.run}: {names_text(report.reference.slower)}."
        )
    return [
        tag("h1", "Speed test on the nodes of a cluster"),
        tag("p", f"{report.run}, submitted {report.submitted_utc}"),
        tag("p", _usual_setup(report)) if report.setups else NOTHING,
        *(tag("p", banner, class_="banner") for banner in banners),
        tag(
            "ul",
            *(
                tag("li", f"{states[state]} ", tag("span", state, class_=f"verdict {state}"))
                for state in _STATES
                if states[state]
            ),
            class_="counts",
        ),
    ]


def _usual_setup(report: ClusterReport) -> str:
    facts = report.setups[0].facts
    named = (
        ("gpu.name", ""), ("cpu.model", ""), ("cpu.cores", " cores"), ("threads", " threads"),
        ("torch", ""), ("engine", ""),
    )  # fmt: skip
    before = {"torch": "torch ", "engine": "engine "}
    parts = [
        f"{before.get(field, '')}{facts[field]}{unit}"
        for field, unit in named
        if facts.get(field, "none") != "none"
    ]
    of = f"{len(report.setups[0].nodes)} of {sum(len(s.nodes) for s in report.setups)} nodes: "
    return (of if len(report.setups) > 1 else "All nodes: ") + "; ".join(parts)


def _reading(report: ClusterReport, record: str | None) -> Html:
    entries: Sequence[tuple[str, str]] = [
        *_READING.items(), *(_CHANGED.items() if report.reference is not None else ()),
        ("floor", f"A node that is slower by less than {report.floor_percent:g} % is not slow."),
    ]  # fmt: skip
    kept = [tag("a", "The record of this run", href=record), " has all figures as JSON."]
    one = "A node's name leads to its own page, where one was made. Another is made by"
    command = f"./inv bench --show {report.folder}/nodes/NODE/1/result.json --report FILE"
    return join([
        pairs(entries),
        tag("p", *kept) if record else NOTHING,
        tag("p", one, " ", tag("code", command), "."),
    ])  # fmt: skip
