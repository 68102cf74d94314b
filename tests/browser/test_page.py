"""The page as a student sees it, in Debian's Chromium."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.notebook import notebook, open_file
from tests.conftest import CommandLine, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.container]

PLOT = """\
import matplotlib.pyplot as plt
import torch

u = torch.linspace(-6, 6, 200)
plt.figure(figsize=(6, 3))
plt.plot(u, torch.sigmoid(u), label="σ(u)")
plt.plot(u, torch.nn.functional.softplus(-u), label="-log σ(u)")
plt.title("Regresión logística")
plt.legend();"""


def test_notebook_opens_runs_and_shows_its_plot(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    """From the printed address to a plot and a saved file, without a login form."""
    work = tmp_path / "mi carpeta"
    work.mkdir()
    (work / "Regresión.ipynb").write_text(notebook(PLOT))
    started = inv("lab", "--engine", "docker", "--work", str(work), "--json")
    assert started.code == 0, started.err
    open_file(page, started, "Regresión.ipynb")
    expect(page.locator("input[type=password]")).to_have_count(0)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    plot = page.locator(".jp-OutputArea-output img").first
    expect(plot).to_be_visible(timeout=120_000)
    assert plot.evaluate("image => image.naturalWidth > 300 && image.complete")

    page.keyboard.press("Control+s")
    wait_for(lambda: "image/png" in (work / "Regresión.ipynb").read_text(), "the saved plot")
    if picture := os.environ.get("LAB_PICTURE"):  # how the README's picture is made
        page.screenshot(path=picture)


def test_student_is_not_asked_about_news(inv: CommandLine, page: Page, tmp_path: Path) -> None:
    """JupyterLab's question would be the first thing that a student sees."""
    started = inv("lab", "--engine", "docker", "--work", str(tmp_path), "--json")
    page.goto(str(started.json()["url"]))
    expect(page.locator(".jp-Notebook").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Would you like to receive official Jupyter news?")).to_have_count(0)
