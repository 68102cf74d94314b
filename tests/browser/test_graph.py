"""Graphs as a student sees them, in Debian's Chromium: the slider, and a notebook's own."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lab.graph import trace
from lab.graph.example import logistic_regression
from lab.render.graph.page import graph_page
from tests.browser.notebook import notebook, open_file
from tests.conftest import CommandLine

pytestmark = [pytest.mark.browser]

NOTEBOOK = """\
import torch
from lab.graph import trace

X = torch.tensor([[0.5, -1.2], [1.5, 0.3], [-0.7, 0.8]])
y = torch.tensor([1.0, 1.0, 0.0])

def loss(w):
    s = torch.sigmoid(X @ w)
    return -(y * torch.log(s) + (1 - y) * torch.log(1 - s)).sum()

def gradient(w):
    return X.T @ (y - torch.sigmoid(X @ w))

w = torch.tensor([0.3, -0.6])
display(trace(loss, w))
%check (loss,gradient) w"""


def test_slider_goes_forward_and_then_backward(page: Page, tmp_path: Path) -> None:
    function, inputs = logistic_regression()
    graph = trace(function, *inputs)
    file = tmp_path / "graph.html"
    file.write_text(graph_page(graph, language="en"), encoding="utf-8")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    slider, told = page.locator("input[type=range]"), page.locator("output")
    nodes = page.locator("g.node")
    assert nodes.count() == len(graph.nodes)
    expect(told).to_have_text("all")
    expect(page.locator("g.node.off")).to_have_count(0)

    slider.fill("1")
    expect(told).to_have_text(f"forward 1/{len(graph.nodes)}")
    expect(page.locator("g.node.off")).to_have_count(len(graph.nodes) - 1)
    expect(page.locator("g.node text.g:visible")).to_have_count(0)

    gradients = sum(node.backward_step is not None for node in graph.nodes)
    slider.fill(str(len(graph.nodes) + 1))
    expect(told).to_have_text(f"backward 1/{gradients}")
    expect(page.locator("g.node text.g:visible")).to_have_count(1)
    expect(page.locator("g.node.now")).to_have_attribute("data-id", str(graph.outputs[0]))

    slider.fill(str(len(graph.nodes) + gradients))
    expect(page.locator("g.node text.g:visible")).to_have_count(gradients)
    slider.fill("0")
    assert errors == []
    if picture := os.environ.get("LAB_GRAPH_PICTURE"):  # how the README's picture is made
        page.locator("svg").screenshot(path=picture)


def test_letters_stay_inside_their_boxes(page: Page, tmp_path: Path) -> None:
    function, inputs = logistic_regression()
    file = tmp_path / "graph.html"
    file.write_text(graph_page(trace(function, *inputs)), encoding="utf-8")
    page.goto(file.as_uri())
    over = page.evaluate(
        """() => [...document.querySelectorAll('g.node')].flatMap(g => {
            const box = g.querySelector('rect').getBoundingClientRect();
            return [...g.querySelectorAll('text')]
                .filter(t => t.getBoundingClientRect().right > box.right)
                .map(t => t.textContent)})"""
    )
    assert over == []


@pytest.mark.container
def test_notebook_draws_a_graph_and_checks_a_gradient(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    (tmp_path / "grafo.ipynb").write_text(notebook(NOTEBOOK))
    started = inv(
        "lab", "--engine", "docker", "--work", str(tmp_path), "--json", LAB_LANGUAGE="es"
    )  # fmt: skip
    assert started.code == 0, started.err
    open_file(page, started, "grafo.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    drawn = page.locator(".lab-graph svg")
    expect(drawn).to_be_visible(timeout=120_000)
    expect(page.locator(".lab-check")).to_contain_text("El gradiente está MAL.", timeout=60_000)
    expect(page.locator(".lab-check")).to_contain_text("signo opuesto")
    page.locator(".lab-graph input").fill("1")
    expect(page.locator(".lab-graph output")).to_contain_text("adelante 1/")
