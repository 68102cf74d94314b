"""A student with the course, in Debian's Chromium against the running container."""

import json
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.notebook import open_file
from tests.conftest import CommandLine, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.container]

NOTEBOOK = "3-diferenciacion-automatica.ipynb"
WRONG = """\
import torch
from lab.course import check


def cross_entropy(p, y):
    return (y * torch.log(p) + (1 - y) * torch.log(1 - p)).sum()


check("3.4", cross_entropy)"""
RIGHT = WRONG.replace("return (", "return -(")


def all_cells(work: Path) -> None:
    """Have JupyterLab draw the cells that are out of sight too, so that a test finds them."""
    folder = work / ".lab" / "settings" / "@jupyterlab" / "notebook-extension"
    folder.mkdir(parents=True)
    (folder / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')


def answer(page: Page, cell: Locator, code: str) -> None:
    """Write into a cell what a student would, and run it."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")


def test_student_opens_runs_answers_wrong_and_then_right(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    all_cells(tmp_path)
    command = ("lab", "--engine", "docker", "--work", str(tmp_path), "--json")
    started = inv(*command, LAB_LANGUAGE="es")
    assert started.code == 0, started.err
    assert "/lab/tree/1-tensores.ipynb?" in str(started.json()["url"])
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_file(page, started, NOTEBOOK)

    for name in ("Archivo", "Editar", "Ver"):  # the language pack, which lacks some words
        expect(page.get_by_role("menuitem", name=name, exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    page.get_by_role("menuitem", name=re.compile("^(Run|Ejecutar)$")).click()
    page.get_by_text(re.compile("^(Run All Cells|Ejecutar todas las celdas)$")).click()

    expect(page.locator(".lab-graph svg").first).to_be_visible(timeout=120_000)
    cell = page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text='"3.4"'))
    shown = cell.locator(".jp-OutputArea-output")
    expect(shown).to_have_text("○ 3.4", timeout=120_000)
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=120_000)
    expect(page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_have_count(0)

    answer(page, cell, WRONG)
    expect(shown).to_contain_text("✗ 3.4 Da un número negativo", timeout=60_000)
    if picture := os.environ.get("LAB_COURSE_PICTURE"):  # how the README's picture is made
        cell.scroll_into_view_if_needed()
        page.screenshot(path=picture)
    answer(page, cell, RIGHT)
    expect(shown).to_contain_text("✓ 3.4", timeout=60_000)
    assert errors == []

    told = inv("course", "--progress", "--work", str(tmp_path), "--json").json()
    (student,) = told["students"]  # type: ignore[misc]
    (exercise,) = (e for e in student["exercises"] if e["number"] == "3.4")
    assert (exercise["state"], exercise["attempts"]) == ("right", 2)


def test_update_leaves_the_notebook_alone_that_is_open(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    """It is brought up to date once it is closed."""
    started = inv("lab", "--engine", "docker", "--work", str(tmp_path), "--json")
    assert started.code == 0, started.err
    for path in tmp_path.glob("*.ipynb"):  # as an earlier version of the course gave it
        notebook = json.loads(path.read_text())
        notebook["metadata"]["lab"]["version"] = "0123456789abcdef"
        path.write_text(json.dumps(notebook))
    open_file(page, started, "1-tensors.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    open_one = (tmp_path / "1-tensors.ipynb").read_bytes()

    again = inv("lab", "--engine", "docker", "--work", str(tmp_path))
    assert "./inv course --update" in again.err
    report = inv("course", "--update", "--work", str(tmp_path), "--json").json()
    states = {n["file"]: n["state"] for n in report["notebooks"]}  # type: ignore[attr-defined]
    assert states.pop("1-tensors.ipynb") == "open"
    assert set(states.values()) == {"updated"}
    assert (tmp_path / "1-tensors.ipynb").read_bytes() == open_one

    page.close()
    inv("stop")
    report = inv("course", "--update", "--work", str(tmp_path), "--json").json()
    states = {n["file"]: n["state"] for n in report["notebooks"]}  # type: ignore[attr-defined]
    assert states["1-tensors.ipynb"] == "updated"
    wait_for(lambda: not list(tmp_path.glob(".*.new")), "no file left half written")
