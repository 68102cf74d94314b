"""A notebook of one cell, and the way to a notebook."""

import json
import re

from playwright.sync_api import Page, expect

from tests.conftest import Result


def notebook(code: str) -> str:
    """Its file's text."""
    cell = {
        "cell_type": "code", "id": "cell", "metadata": {}, "source": code, "outputs": [],
        "execution_count": None,
    }  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


def open_file(page: Page, started: Result, name: str) -> None:
    """Open one file of the lab in the place of what it opens by itself."""
    page.goto(_elsewhere(started, f"/lab/tree/{name}"))


def open_launcher(page: Page, started: Result) -> str:
    """Open the lab without any file; returns the address."""
    address = _elsewhere(started, "/lab")
    page.goto(address)
    expect(page.locator(".jp-LauncherCard").first).to_be_visible(timeout=60_000)
    return address


def _elsewhere(started: Result, page: str) -> str:
    return re.sub(r"/lab(/tree/[^?]*)?\?", f"{page}?", str(started.json()["url"]))
