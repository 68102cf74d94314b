"""What a student has typed while nothing can be saved: the page keeps it, and saves it later."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.notebook import notebook, open_file
from tests.conftest import CommandLine, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.container]
DOCKER = ("--engine", "docker")


def test_notebook_saved_while_the_container_is_stopped(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    """A new start has a new token: once its address was opened beside, the old page saves."""
    assert page.context.browser is not None
    pages = page.context.browser.new_context()  # one with several pages
    page = pages.new_page()
    work = tmp_path / "work"
    work.mkdir()
    file = work / "a.ipynb"
    file.write_text(notebook("antes = 1"))
    words = ("lab", *DOCKER, "--work", str(work), "--json")
    started = inv(*words)
    assert started.code == 0, started.err
    open_file(page, started, "a.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("despues = 2")
    container = str(started.json()["container"])
    subprocess.run(["docker", "stop", "--time", "1", container], check=True, capture_output=True)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-Dialog")).to_be_visible(timeout=60_000)
    assert "antes = 1" in file.read_text()

    again = inv(*words, "--port", str(started.json()["port"]))
    assert again.code == 0, again.err
    beside = pages.new_page()
    beside.goto(str(again.json()["url"]))
    expect(beside.locator(".jp-DirListing-item").first).to_be_visible(timeout=60_000)
    page.bring_to_front()

    def saved() -> bool:
        with suppress(Error):  # a dialog may come, or go, at any moment
            for accept in page.locator(".jp-Dialog .jp-mod-accept").all():
                accept.click(timeout=2000)
            cell.click(timeout=2000)
            page.keyboard.press("Control+s")
            page.wait_for_timeout(500)
        return "despues = 2" in file.read_text()

    assert cell.inner_text() == "despues = 2"
    wait_for(saved, "the page to save what it kept")
