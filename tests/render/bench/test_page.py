import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from playwright.sync_api import sync_playwright

from lab.records.bench import BenchReport, CaseResult, Environment
from lab.render.bench.axes import Box, place_labels, signed_percent, spread
from lab.render.bench.distributions import distributions
from lab.render.bench.html import Html, tag
from lab.render.bench.page import page
from lab.render.bench.points import Point, drawn_cases, thin, thin_points
from lab.render.bench.roofline import roofline
from lab.render.bench.svg import drawing_style
from lab.render.bench.timeline import timeline
from tests.render.bench.sample import (
    CPU_FLOP,
    GPU_MEMORY,
    comparison,
    cpu_cases,
    cpu_report,
    gpu_report,
    matmul,
    measured,
    not_run,
    strange_reports,
)

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "br", "col", "hr", "input", "img", "source"}
# Attributes by which a page loads something or leads somewhere.
LOADING = ("src", "href", "data", "action", "poster", "srcset", "background", "xlink:href", "ping")


class Reader(HTMLParser):
    """What a page holds: its elements, its text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.raw: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, {key: value or "" for key, value in attributes}))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, {key: value or "" for key, value in attributes}))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            kind = self.elements[-1][1].get("id", self.open[-1])
            self.raw[kind] = self.raw.get(kind, "") + data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def svgs(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.S)]


@pytest.fixture(scope="module")
def cpu() -> str:
    return page(cpu_report())


@pytest.fixture(scope="module")
def gpu() -> str:
    return page(gpu_report(ended="interrupted", problems=["process 2 was killed"]))


def check_page(text: str) -> Reader:
    """What must hold of every page, whatever the record says."""
    reader = Reader(text)
    assert reader.open == []
    ids = Counter(attributes["id"] for _, attributes in reader.elements if "id" in attributes)
    assert [name for name, count in ids.items() if count > 1] == []
    for _, attributes in reader.elements:
        for key in LOADING:
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:,")), value
            assert value in ("#", "data:,") or value[1:] in ids, value
        assert not [key for key in attributes if key.startswith("on")]
        for named in attributes.get("aria-labelledby", "").split():
            assert named in ids
    for reference in re.findall(r"url\(([^)]*)\)", text.partition('<script type="appl')[0]):
        assert reference.startswith("#")
        assert reference[1:] in ids
    assert "@import" not in reader.raw["style"]
    scripts = [attributes for name, attributes in reader.elements if name == "script"]
    assert scripts == [{"type": "application/json", "id": "record"}, {}]
    for root in svgs(text):
        assert root.get("role") == "img"
        title, description = root[0], root[1]
        assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text
    return reader


def test_page_needs_nothing_but_itself(cpu: str, gpu: str) -> None:
    for text in (cpu, gpu):
        check_page(text)
        addresses = set(re.findall(r"https?://[^\"' <]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, which nothing loads


def test_check_of_pages_can_fail() -> None:
    for harm in (
        '<img src="http://a/b">', '<p id="record">', "<script>1</script>", "<div>",
        '<a href="#nowhere">x</a>', '<p onclick="x">y</p>',
    ):  # fmt: skip
        with pytest.raises(AssertionError):
            check_page(page(cpu_report(cases=[])).replace("</main>", f"{harm}</main>"))


def test_page_is_the_same_for_the_same_report(cpu: str) -> None:
    assert page(cpu_report()) == cpu


def test_page_is_small(cpu: str) -> None:
    record = Reader(cpu).raw["record"]
    assert len(cpu) - len(record) < 250_000


def test_page_is_small_for_many_samples() -> None:
    case = matmul(64, "float32", 1e-3, None, per_round=60)
    cases = [replace(case, params={"size": size}) for size in range(30)]
    text = page(cpu_report(cases=cases))
    assert len(text) - len(Reader(text).raw["record"]) < 700_000
    assert "Drawn are 2,4" not in text
    assert re.search(r"Drawn are 1,800 of 43,200 samples, evenly chosen by size", text)
    assert "part 3 of 3" in text


def test_record_comes_out_of_the_page_as_it_went_in() -> None:
    report = cpu_report(problems=["</script><script>alert(1)</script>", "<!--", "&lt; \u2028 'σ'"])
    inside = Reader(page(report)).raw["record"]
    assert "<" not in inside
    assert msgspec.json.decode(inside, type=BenchReport) == report


def test_page_has_a_section_for_everything_there_is(cpu: str, gpu: str) -> None:
    both = ["Results", "Plots", "Samples", "Where it was measured", "How to read this"]
    for text, titles in (
        (cpu, [*both, "What the cases say", "The record"]),
        (gpu, [*both, "Beside the earlier run", "GPU sensors", "The record"]),
    ):
        assert set(re.findall(r"<h2>(.*?)</h2>", text)) == set(titles)
        links = re.findall(r'<li><a href="#([a-z-]+)">', text)
        assert set(links) == set(re.findall(r'<section id="([a-z-]+)">', text))


def test_page_shows_what_the_table_of_the_terminal_shows(cpu: str) -> None:
    text = Reader(cpu).text
    for shown in (
        "size=1024 float32 5.83 ms 0.33 % 368 GFLOP/s 84.4 % ok",
        "size=4096 float64 ~785 ms 5.2 % ~175 GFLOP/s 80.2 % not_steady",
        "size=4096 float16 - - - - not_run",
        "contaminated : 58 % of the samples lost the processor to another program",
        "the notebook would have printed: 2.97 s for 1 product",
        "Measured here: 2.41 s ± 0.49 %, 255 GFLOP/s.",
        "image digest sha256:9f3c",
        "2 cores x 64 FLOP per cycle",
        "preempted 79",
        "Not known: float32 matmul precision.",
    ):
        assert shown in text


def test_page_shows_what_the_gpu_and_the_earlier_run_said(gpu: str) -> None:
    text = Reader(gpu).text
    for shown in (
        "This run was interrupted after 1 min 35 s",
        "process 2 was killed",
        "Compared with the run of 2026-11-20 18:02 UTC.",
        "0.912 0.901 to 0.923 2.0 % FASTER",
        "1 comparison has no ratio and no line.",
        "sw_thermal_slowdown 4711",
        "1,410 MHz 1,200 MHz 640 W 84 °C 1.31 J",
        "NVIDIA H200",
    ):
        assert shown in text


def test_page_escapes_all_that_others_wrote() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&amp;\x00\x1b\u202e"
    case = replace(
        measured(evil, {evil: evil}, 1e-3, flop=1e6, moved=1e3, dtype=evil, notes=[evil],
                 verdict="contaminated", device=evil),
        reason=evil, disturbances={evil: 3},
    )  # fmt: skip
    report = gpu_report(
        cases=[case], argv=[evil], problems=[evil], compared_with=evil, level=evil,
        started_utc=evil, comparisons=[replace(comparison(1, "SAME", 1.0, 0.1), name=evil)],
        environment=Environment(image=evil, peaks=[replace(GPU_MEMORY, source=evil, dtype=evil)]),
    )  # fmt: skip
    reader = check_page(page(report))
    assert not [name for name, _ in reader.elements if name == "img"]
    assert "<img src=x onerror=alert(1)>\"'&amp;" in reader.text
    assert not {"\x00", "\x1b", "\u202e"} & set(reader.text)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow,
    HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip
@given(strange_reports)
def test_page_bears_with_any_record(report: BenchReport) -> None:
    check_page(page(report))


@pytest.mark.parametrize(
    "case",
    [
        not_run("a", {}, "no reason"),
        CaseResult(name="", params={}, device="cpu", verdict="ok"),
        CaseResult(name="a", params={}, device="cpu", verdict="ok", samples_s=[1.0], median_s=1.0),
        CaseResult(name="a", params={}, device="cpu", verdict="contaminated", samples_s=[0.0, 2.0],
                   clean=[False, False], calls_per_sample=3),
    ],
)  # fmt: skip
def test_page_bears_with_gaps(case: CaseResult) -> None:
    check_page(page(cpu_report(cases=[case], environment=Environment())))
    check_page(page(cpu_report(cases=[])))


def test_distributions_tell_disturbed_samples_by_shape_and_colour() -> None:
    case = matmul(64, "float32", 1e-3, None, dirty=0.3)
    with drawing_style():
        (plot,) = distributions([case])
    dirty = case.clean.count(False)
    assert f"120 samples around 1.00 ms, from -1.3 to +89.0 %, {dirty} disturbed" in (
        plot.description
    )
    drawn = Counter[tuple[str, str]]()
    for group in ElementTree.fromstring(plot.svg).iter(f"{SVG}g"):
        for use in group.iterfind(f"{SVG}use"):
            colour = re.search("#0072b2|#d55e00", group.get("style") or use.get("style") or "")
            if colour:
                drawn[colour[0], use.attrib["href"]] += 1
    most = dict(drawn.most_common(2))
    assert sorted(most.values()) == sorted([dirty, 120 - dirty])
    assert len({colour for colour, _ in most}) == 2
    assert len({shape for _, shape in most}) == 2


def drawn_roofline(report: BenchReport) -> Any:
    with drawing_style():
        return roofline(report)


def test_roofline_names_roofs_and_points() -> None:
    plot = drawn_roofline(cpu_report())
    assert "float32 436 GFLOP/s" in plot.description
    assert "float64 218 GFLOP/s" in plot.description
    assert "memory 21.3 GB/s" in plot.description
    assert "2: matmul size=1024 float32, 368 GFLOP/s at 171 FLOP per byte" in plot.description
    assert (5, "matmul size=4096 float64") in plot.key
    assert "Not drawn: 6 cases" in plot.remarks[-1]
    tips = re.findall(r"<title>(.*?)</title>", plot.svg)
    assert any(tip.startswith("5: matmul size=4096 float64, ~175 GFLOP/s") for tip in tips)


_rates = st.floats(1, 1e24)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1e3, 1e14), st.floats(1e3, 1e11), st.floats(1e-9, 1e0)), max_size=5
    ),
    st.lists(_rates, max_size=9),
    st.lists(_rates, max_size=1),
)
def test_roofline_bears_with_any_machine(
    figures: list[tuple[float, float, float]], flop: list[float], memory: list[float]
) -> None:
    cases = [
        replace(matmul(8, "float32", 1e-3, None), flop_per_call=f, bytes_per_call=b, median_s=s)
        for f, b, s in figures
    ]
    peaks = [
        *(replace(CPU_FLOP, per_s=rate, dtype=f"type{i}") for i, rate in enumerate(flop)),
        *(replace(GPU_MEMORY, per_s=rate) for rate in memory),
    ]
    report = cpu_report(cases=cases, environment=Environment(peaks=peaks))
    plot = drawn_roofline(report)
    assert (plot is None) == (not figures)
    if plot:
        assert len(plot.key) == len(figures)
        assert "nan" not in plot.svg


def test_roofline_takes_the_best_memory_test_where_no_peak_is_known() -> None:
    cases = [replace(case, peak=None) for case in cpu_cases()]
    plot = drawn_roofline(cpu_report(cases=cases, environment=Environment()))
    assert "memory 20.6 GB/s" in plot.description
    assert "fastest memory test of this run, memory copy cold float32" in plot.remarks[0]
    assert "no roof for computing" in plot.remarks[1]


def test_roofline_takes_no_roof_from_what_cannot_be_relied_on() -> None:
    """Neither a disturbed memory test, nor bytes that were slow for another reason."""
    cases = [
        matmul(512, "float32", 1e-3, None),
        measured("memory", {}, 0.1, moved=1e9, verdict="contaminated"),
        measured("creation", {"op": "randn"}, 0.1, moved=1e8),
    ]
    plot = drawn_roofline(cpu_report(cases=cases, environment=Environment()))
    assert plot.description.startswith("Roofs: none.")
    assert "no memory test of this run can be relied on" in plot.remarks[0]


def test_roofline_says_why_it_has_no_roof() -> None:
    case = matmul(512, "float32", 1e-3, None)
    plot = drawn_roofline(cpu_report(cases=[case], environment=Environment()))
    assert plot.description.startswith("Roofs: none.")
    assert "no roof for the memory" in plot.remarks[0]
    assert "no roof for computing" in plot.remarks[1]
    assert drawn_roofline(cpu_report(cases=[measured("a", {}, 1e-3)])) is None


def test_timeline_marks_what_drifted() -> None:
    with drawing_style():
        plot = timeline(cpu_cases())
    assert plot is not None
    assert "Not steady: matmul size=4096 float64." in plot.description
    assert "5 matmul size=4096 float64, not steady" in plot.svg
    assert "process 3" in plot.svg


def test_samples_are_drawn_beside_the_median_of_a_call() -> None:
    case = CaseResult(
        name="a", params={}, device="cpu", verdict="ok", calls_per_sample=10,
        samples_s=[10.0, 11.0, 9.0], clean=[True, False, True], process=[0, 0, 1],
        round=[0, 1, 0], at_s=[0.0, 1.0], median_s=1.0,
    )  # fmt: skip
    (drawn,) = drawn_cases([not_run("b", {}, "c"), case])
    assert drawn.number == 2
    assert [round(point.percent, 6) for point in drawn.points] == [0, 10, -10]
    assert [point.clean for point in drawn.points] == [True, False, True]
    assert [point.at_s for point in drawn.points] == [0.0, 1.0, None]


@given(st.lists(st.integers()), st.integers(0, 50))
def test_thinning_keeps_the_order_and_both_ends(numbers: list[int], limit: int) -> None:
    ordered = sorted(numbers)
    kept = thin(ordered, limit)
    assert len(kept) == min(len(ordered), limit)
    assert kept == sorted(kept)
    if len(ordered) > 1 < limit:
        assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])


@given(st.lists(st.tuples(st.floats(-50, 500), st.booleans()), min_size=2), st.integers(10, 60))
def test_thinned_points_stay_within_the_limit(values: list[tuple[float, bool]], limit: int) -> None:
    points = [Point(percent, clean, 0, 0, None) for percent, clean in values]
    kept = thin_points(points, limit)
    assert len(kept) <= limit
    assert len(kept) >= min(len(points), limit) - 1
    if not all(point.clean for point in points):
        assert not all(point.clean for point in kept)


def test_labels_keep_apart() -> None:
    """Two points on one spot: their numbers do not cover each other."""
    inside = Box(0, 0, 400, 300)
    first, second = place_labels([(200, 150), (200, 150)], ["1", "2"], inside)
    assert abs(first[0] - second[0]) > 6 or abs(first[1] - second[1]) >= 10
    ((x, _),) = place_labels([(399, 150)], ["123"], inside)
    assert x < 0


def test_spread_moves_only_what_touches() -> None:
    assert spread([0, 100, 105, 300], [10, 20, 20, 10]) == [0, 100, 120, 300]


@pytest.mark.parametrize(
    ("percent", "text"), [(0, "0"), (3, "+3 %"), (-0.3, "-0.3 %"), (10_000, "+10,000 %")]
)
def test_differences_have_their_sign(percent: float, text: str) -> None:
    assert signed_percent(percent) == text


def test_tag_escapes_text_and_keeps_markup() -> None:
    assert tag("p", "<b>", Html("<i></i>"), class_='a"b') == (
        '<p class="a&quot;b">&lt;b&gt;<i></i></p>'
    )


def run_module(given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "lab.render.bench.page"], input=given,
        capture_output=True, cwd=ROOT, timeout=120, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "LANG": "C"},
    )  # fmt: skip


def test_module_makes_a_page_of_a_report(cpu: str) -> None:
    done = run_module(msgspec.json.encode(cpu_report()))
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == cpu


@pytest.mark.parametrize("given", [b"", b"{}", b"\xff", json.dumps({"schema": "x"}).encode()])
def test_module_refuses_what_is_no_report(given: bytes) -> None:
    done = run_module(given)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith("What came in is not a report of a speed test.")


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 400, 800, 1200])
def test_page_in_a_browser(cpu: str, gpu: str, tmp_path: Path, width: int) -> None:
    """Nothing is loaded, nothing overflows, nothing is complained of, and the record is saved."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        for name, text in (("cpu", cpu), ("gpu", gpu)):
            file = tmp_path / f"{name}.html"
            file.write_text(text, encoding="utf-8")
            sheet = browser.new_page(viewport={"width": width, "height": 800})
            said: list[str] = []
            sheet.on("console", lambda message, said=said: said.append(message.text))
            sheet.on("pageerror", lambda error, said=said: said.append(str(error)))
            sheet.on("request", lambda request, said=said: said.append(request.url))
            sheet.goto(file.as_uri())
            assert sheet.evaluate("document.documentElement.scrollWidth") <= width
            with sheet.expect_download() as saved:
                sheet.click("#download")
            assert saved.value.suggested_filename == "bench.json"
            record = Path(saved.value.path()).read_bytes()
            assert msgspec.json.decode(record, type=BenchReport).environment
            assert [url for url in said if not url.startswith(("data:", "blob:"))] == [
                file.as_uri()
            ]
        browser.close()
