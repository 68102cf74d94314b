"""Drawings: well-formed, complete, escaped, folded where there is too much."""

import re
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor

from lab.graph import trace
from lab.graph.example import logistic_regression
from lab.records.graph import Graph
from lab.render.graph.fold import MOST, fold
from lab.render.graph.page import graph_page
from lab.render.graph.svg import graph_svg
from lab.render.graph.text import graph_text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def example() -> Graph:
    function, inputs = logistic_regression()
    return trace(function, *inputs)


def groups(svg: str, kind: str) -> list[ElementTree.Element]:
    return [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("class") == kind]


def test_drawing_is_well_formed_and_has_every_node_and_edge(example: Graph) -> None:
    svg = graph_svg(example)
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert len(groups(svg, "node")) == len(example.nodes)
    assert len(groups(svg, "edge")) == len(example.edges)
    identities = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(identities) == len(set(identities))
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(identities)


def test_every_node_lies_inside_the_drawing(example: Graph) -> None:
    root = ElementTree.fromstring(graph_svg(example))
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(k, "")) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height


def test_uses_of_a_fan_out_show_what_they_add(example: Graph) -> None:
    labelled = [g for g in groups(graph_svg(example), "edge") if g.find(f"{SVG}text") is not None]
    counts: dict[int, int] = {}
    for edge in example.edges:
        counts[edge.source] = counts.get(edge.source, 0) + edge.carries_gradient
    assert len(labelled) == sum(c for c in counts.values() if c > 1) > 0


def test_two_uses_by_one_operation_are_drawn_beside_each_other() -> None:
    drawn = graph_svg(trace(lambda x: x * x, torch.tensor(2.0)))
    paths = re.findall(r'<path d="([^"]+)"', drawn)
    edges = [path for path in paths if path.startswith("M") and " C" in path]
    assert len(edges) == len(set(edges)) == 2
    assert drawn.count("+ 2<") == 2


def test_both_languages_are_spoken(example: Graph) -> None:
    assert "Grafo de cómputo de loss" in graph_svg(example)
    assert "Computational graph of loss" in graph_svg(example, language="en")


def test_names_are_escaped() -> None:
    def function(x: Tensor) -> Tensor:
        return x * 2

    function.__name__ = '<script>alert("x")</script>'
    graph = trace(function, torch.ones(2))
    assert "<script>alert" not in graph_svg(graph)
    assert "<script>alert" not in graph_page(graph)
    ElementTree.fromstring(graph_svg(graph))


class Deep(torch.nn.Module):
    """Blocks of three layers; 480 nodes with their parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers = [
            (torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4)) for _ in range(60)
        ]
        self.blocks = torch.nn.ModuleList(torch.nn.Sequential(*parts) for parts in layers)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


def test_large_graph_is_folded_by_its_modules() -> None:
    graph = trace(Deep(), torch.randn(1, 4))
    assert len(graph.nodes) > 400
    folded = fold(graph)
    assert len(folded.nodes) <= MOST
    assert {n.name for n in folded.nodes if n.kind == "module"} >= {"blocks"} or any(
        n.name.startswith("blocks.") for n in folded.nodes
    )
    assert sum(max(1, n.folded) for n in folded.nodes) == len(graph.nodes)
    ElementTree.fromstring(graph_svg(graph))


def test_large_graph_without_modules_is_folded_by_its_runs() -> None:
    def function(x: Tensor) -> Tensor:
        for _ in range(150):
            x = (x * 2).tanh()
        return x

    graph = trace(function, torch.ones(2))
    assert len(graph.nodes) > 250
    assert len(fold(graph).nodes) < 10


def test_small_graph_is_not_folded(example: Graph) -> None:
    assert fold(example) is example


def test_terminal_gets_a_line_for_each_node(example: Graph) -> None:
    lines = graph_text(example).splitlines()
    assert len(lines) == len(example.nodes) + 1
    assert lines[0].startswith("loss: ")
    assert any("sigmoid(z)" in line for line in lines)
