"""The nodes of a cluster as a page."""

import base64
import hashlib
import html
import os
import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from playwright.sync_api import Page, expect, sync_playwright

from lab.cluster.merge import merge
from lab.cluster.reference import compare_with
from lab.records.cluster import ClusterReport, Node, NodeCase, OddOneOut, Spread
from lab.render.cluster_page.heat import MIDDLE, colour_of, ratio_text
from lab.render.cluster_page.heats import heat_now
from lab.render.cluster_page.page import cluster_page
from lab.render.cluster_page.picture import LIGHT, picture
from lab.render.cluster_page.sections import UNFOLDED
from lab.render.cluster_page.style import SCRIPT
from tests.cluster.samples import Run, case, environment, report
from tests.cluster.test_merge import NONE
from tests.render.bench.test_page import Reader

CASES = ("matmul", "memory", "conv2d")
RACK = range(33, 41)


def a_case(name: str, time_s: float, ratio: float, *, slow: bool = False) -> NodeCase:
    return NodeCase(
        name=name, params={"size": 256}, device="cpu", time_s=time_s, error_percent=0.1,
        estimates=8, clean_percent=97.5, case_verdict="ok", ratio=ratio, slow=slow,
    )  # fmt: skip


def many(count: int, cases: int = 3) -> ClusterReport:
    """Nodes of which n7 is slow, n8 lost and n9 set up otherwise; in a rack of eight all memory is
    a little slow."""
    names = [f"{CASES[i % 3]}{i // 3 or ''}" for i in range(cases)]
    nodes = []
    for number in range(1, count + 1):
        ratio = 1.5 if number == 7 else 1 + (number % 5 - 2) / 100
        nodes.append(
            Node(
                name=f"n{number}", state="ok", verdict="ok" if number != 7 else "straggler",
                cause="clock" if number == 7 else None,
                reasons=["matmul 256 takes 1.50 times as long"] if number == 7 else [],
                cases=[
                    a_case(name, 2e-3 * on, on, slow=number == 7)
                    for name in names
                    for on in [ratio * (1.12 if "memory" in name and number in RACK else 1)]
                ],
            )
        )  # fmt: skip
    if count >= 9:
        nodes[7] = Node(name="n8", state="lost", verdict="unknown", reasons=["the node failed"])
    return ClusterReport(
        run="cluster-x", folder="/runs/cluster-x", argv=[], complete=True, floor_percent=5.0,
        submitted_utc="2026-11-27T10:00:00+00:00", collected_utc="2026-11-27T11:00:00+00:00",
        nodes=nodes,
        cases=[
            Spread(name=name, params={"size": 256}, device="cpu", nodes=count, median_s=2e-3)
            for name in names
        ],
        odd_ones_out=[OddOneOut(node="n9", field="torch", value="2.12", usual="2.13")],
    )  # fmt: skip


def heads(text: str) -> list[str]:
    """The nodes of the first heat map, in its order."""
    return re.findall(r'<tr><th scope="row">(?:<a[^>]*>)?(n[0-9]+)', text)


def test_every_node_is_there_once_and_the_odd_ones_come_first() -> None:
    text = cluster_page(many(20), {})
    assert heads(text)[:3] == ["n7", "n8", "n9"]
    assert sorted(heads(text)) == sorted(f"n{number}" for number in range(1, 21))
    assert "the node failed" in text
    assert "likely cause: a low clock" in text


def test_numbers_can_be_read_without_colour() -> None:
    text = cluster_page(many(9), {})
    assert '<td class="c7 marked">▲1.50</td>' in text
    assert "<td>1.01</td>" in text  # what is usual has no colour


@pytest.mark.parametrize("count", [1, 4, UNFOLDED, UNFOLDED + 1, 200])
def test_page_is_whole_html_and_loads_nothing(count: int) -> None:
    page = Reader(cluster_page(many(count), {}))
    assert page.open == []
    for name, attributes in page.elements:
        for loading in ("src", "href", "srcset"):
            assert attributes.get(loading, "#").startswith(("#", "data:")), name


def test_usual_nodes_of_many_are_behind_a_click_and_the_odd_ones_are_not() -> None:
    text = cluster_page(many(200), {})
    shown, _, folded = text.partition("<details>")
    assert heads(shown)[:3] == ["n7", "n8", "n9"]
    assert len(heads(shown)) == UNFOLDED
    assert len(heads(folded)) == 200 - UNFOLDED
    assert f"The other {200 - UNFOLDED} nodes" in folded
    assert "<img" in shown
    assert "<details>" not in cluster_page(many(UNFOLDED), {})


def test_page_of_a_thousand_nodes_is_small_enough_to_be_sent() -> None:
    assert len(cluster_page(many(1000, cases=45), {}).encode()) < 2_000_000


def test_names_lead_to_the_pages_that_there_are() -> None:
    text = cluster_page(many(4), {"n2": "page_files/n2.html"}, "page_files/cluster.json")
    assert '<a href="page_files/n2.html">n2</a>' in text
    assert ">n3</a>" not in text
    assert '<a href="page_files/cluster.json">' in text


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_name_becomes_markup(name: str) -> None:
    run = many(4)
    hostile = f"<script>{name}</script>"
    run = replace(
        run, nodes=[replace(run.nodes[0], name=hostile, reasons=[hostile]), *run.nodes[1:]]
    )
    page = Reader(cluster_page(replace(run, run=hostile), {}))
    assert [name for name, _ in page.elements].count("script") == 2
    assert page.open == []


def test_only_the_pages_own_script_may_run() -> None:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    text = cluster_page(many(4), {})
    assert f"script-src 'sha256-{digest}'" in html.unescape(text)
    assert text.count(SCRIPT) == 1


@pytest.mark.parametrize(
    ("ratio", "colour"),
    [(1.0, MIDDLE), (1.049, MIDDLE), (0.953, MIDDLE), (1.06, 5), (0.94, 3), (2.0, 8), (0.49, 0),
     (0.0, None), (float("inf"), None), (float("nan"), None), (None, None)],
)  # fmt: skip
def test_colour_says_how_far_from_usual(ratio: float | None, colour: int | None) -> None:
    assert colour_of(ratio) == colour


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1e-300, 1e300))
def test_slower_and_faster_by_as_much_have_colours_as_far_from_the_middle(ratio: float) -> None:
    colour, inverse = colour_of(ratio), colour_of(1 / ratio)
    assert colour is not None
    assert inverse is not None
    assert abs((colour - MIDDLE) + (inverse - MIDDLE)) <= 1  # on an edge one of both is inside
    assert len(ratio_text(ratio)) <= 9


def test_picture_has_a_point_for_each_node_and_case() -> None:
    heat = heat_now(many(100), {})
    assert heat is not None
    order = list(range(100))
    found = re.findall(r"data:image/png;base64,([^\"]+)", picture(heat, order))
    assert len(found) == 2
    for each in found:
        data = base64.b64decode(each)
        width, height = struct.unpack(">II", data[16:24])
        assert (width, height) == (100, 3)
        begin = data.index(b"IDAT")
        (length,) = struct.unpack(">I", data[begin - 4 : begin])
        lines = zlib.decompress(data[begin + 4 : begin + 4 + length])
        place = [row.name for row in heat.rows].index("n7")
        assert lines[1 + place] == colour_of(1.5)
        lost = [row.name for row in heat.rows].index("n8")
        assert lines[1 + lost] == len(LIGHT) - 1


def test_run_without_a_figure_has_a_page_that_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "n1", "n2")
    text = cluster_page(merge(run.folder, NONE), {})
    assert "No node has a figure." in text
    assert "never_started" in text


def compared(tmp_path: Path) -> ClusterReport:
    sides = []
    for side, slow in enumerate((1e-3, 1.5e-3)):
        run = Run(tmp_path / str(side), "n1", "n2", "n3", "n4")
        for node in run.folder.submitted.nodes:
            time_s = slow if node == "n3" else 1e-3
            where = environment(torch=f"2.1{2 + side}.0")
            run.done(node, report(case(time_s), case(2e-3, name="memory"), where=where))
        sides.append(merge(run.folder, NONE))
    return compare_with(sides[1], sides[0])


def test_page_beside_a_reference_shows_what_changed(tmp_path: Path) -> None:
    text = cluster_page(compared(tmp_path), {})
    section = text.partition('id="beside-the-reference"')[2]
    assert heads(section)[0] == "n3"
    assert "▲1.50" in section
    assert "2.13.0, was 2.12.0" in section
    assert 'id="beside-the-reference"' not in cluster_page(many(4), {})


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_browser(tmp_path: Path, width: int, scheme: str) -> None:
    """Nothing overflows or is complained of; a number tells its time by mouse and by keyboard."""
    file = tmp_path / "page.html"
    file.write_text(cluster_page(many(60, cases=18), {}), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        said = heard(page)
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        told = page.locator(".told").first
        first = page.locator(".heat td").first
        first.hover()
        words = "n7: {} 256; 1.50 times as long as on the others; time 3 ms; undisturbed samples"
        expect(told).to_contain_text(words.format("matmul"))
        first.focus()
        page.keyboard.press("ArrowRight")
        expect(told).to_contain_text(words.format("memory"))
        page.keyboard.press("ArrowDown")  # n8 has no figures, and is passed over
        expect(told).to_contain_text("n9: memory 256")
        page.locator(".glance").hover(position={"x": 1, "y": 1})
        expect(told).to_contain_text("n1: matmul 256")
        assert [url for url in said if not url.startswith("data:")] == [file.as_uri()]
        if (picture := os.environ.get("LAB_PICTURE")) and width > 1000 and scheme == "light":
            page.screenshot(path=picture)  # how the README's picture is made
        browser.close()


def heard(page: Page) -> list[str]:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    return said
