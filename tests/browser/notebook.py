"""A notebook of one cell, and the way to a notebook."""

import json
import re

from playwright.sync_api import Page

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
    address = str(started.json()["url"])
    page.goto(re.sub(r"/lab(/tree/[^?]*)?\?", f"/lab/tree/{name}?", address))
