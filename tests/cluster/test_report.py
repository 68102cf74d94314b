"""What `--report` writes: the cluster's page, and beside it those of its nodes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lab import cluster_report
from lab.bench.results import load
from lab.cluster.merge import merge
from lab.cluster_report import write_report
from lab.errors import LabError
from lab.launch import Wish
from lab.records.bench import BenchReport
from lab.records.save import to_json
from tests.cluster.samples import Run, case, report
from tests.cluster.test_merge import NONE
from tests.conftest import ROOT

FOUR = ("n1", "n2", "n3", "n4")
Write = Callable[[str], tuple[str, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run", *FOUR)
    for node in FOUR[:3]:
        run.done(node, report(case()))
    run.begun("n4")
    return run


@pytest.fixture
def write(run: Run, tmp_path: Path) -> Write:
    """Writes the page; returns its text, and what was said."""

    def call(name: str) -> tuple[str, list[str]]:
        said: list[str] = []
        write_report(merge(run.folder, NONE), tmp_path / name, Wish(), said.append)
        return (tmp_path / name).read_text(), said

    return call


def draw(reports: Sequence[BenchReport], where: Wish, say: object) -> list[str | None]:
    assert where.engine == "host"  # not an image of its own, for a picture of a cluster
    return [f"<!page of {each.environment.host}>" for each in reports]


def test_nodes_with_figures_have_pages_beside_and_links_that_work_when_copied(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_report, "make_pages", draw)
    text, said = write("my report.html")
    folder = tmp_path / "my report_files"
    assert sorted(file.name for file in folder.iterdir()) == [
        "cluster.json", "n1.html", "n2.html", "n3.html",
    ]  # fmt: skip
    assert json.loads((folder / "cluster.json").read_text())["schema"] == "lab/cluster/1"
    assert '<a href="my%20report_files/n1.html">n1</a>' in text
    assert ">n4</a>" not in text
    assert said == ["drawing the pages of 3 nodes ..."]


def test_of_many_nodes_those_that_stand_out_have_a_page_first(
    run: Run, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_report, "make_pages", draw)
    monkeypatch.setattr(cluster_report, "MOST_PAGES", 2)
    run.done("n4", report(case(5e-3)))
    _, said = write("page.html")
    assert (tmp_path / "page_files" / "n4.html").exists()
    assert len([*(tmp_path / "page_files").glob("*.html")]) == 2
    assert said == ["drawing the pages of 2 nodes, those that stand out, of 4 ..."]


def test_page_that_cannot_be_drawn_costs_itself_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(reports: Sequence[BenchReport], where: Wish, say: object) -> list[str | None]:
        return [None, "<!x>", "<!y>"]

    monkeypatch.setattr(cluster_report, "make_pages", half)
    text, said = write("page.html")
    assert text.count("_files/n") == 2
    assert said[1:] == ["the page of n1 could not be drawn"]

    def none(*_: object) -> list[str | None]:
        raise LabError("The page could not be drawn.", why="no matplotlib", next_step="x")

    monkeypatch.setattr(cluster_report, "make_pages", none)
    text, said = write("page.html")
    assert "_files/n" not in text
    assert said[1:] == ["no pages of n1, n2, n3: no matplotlib"]


def test_folder_that_cannot_be_made_is_an_error(write: Write, tmp_path: Path) -> None:
    (tmp_path / "page_files").write_text("a file")
    with pytest.raises(LabError, match="cannot be made"):
        write("page.html")


def test_module_draws_many_pages_and_goes_on_after_a_bad_one(run: Run) -> None:
    good = to_json(load(run.folder.path / "nodes/n1/1/result.json"), compact=True)
    done = subprocess.run(
        [sys.executable, "-m", "lab.render.bench.pages"], input=f"{good}\n{{}}\n{good}\n",
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )  # fmt: skip
    first, bad, last = (json.loads(line) for line in done.stdout.splitlines())
    assert first.startswith("<!DOCTYPE html>")
    assert bad is None
    assert last == first
