"""The meter of memory in JupyterLab's status bar."""

import re
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser.notebook import open_launcher
from tests.conftest import CommandLine
from tests.jupyter import Server

pytestmark = pytest.mark.browser

MEMORY = re.compile(r"Mem:\s+([\d.]+) / ([\d.]+) MB")


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page's console calls an error, and what breaks its scripts."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def _open(page: Page, inv: CommandLine, *words: str, **env: str) -> str:
    started = inv("lab", *words, "--json", **env)
    assert started.code == 0, started.err
    return open_launcher(page, started)


def _meter(page: Page) -> dict[str, float]:
    """Used and limit in MB, as the status bar says them."""
    bar = page.locator("#jp-main-statusbar")
    expect(bar).to_contain_text(MEMORY, timeout=30_000)
    match = MEMORY.search(bar.inner_text())
    assert match
    return {"used": float(match[1]), "limit": float(match[2])}


@pytest.mark.host
def test_status_bar_shows_memory_and_is_silent_without_a_gpu(
    inv: CommandLine, page: Page, complaints: list[str], tmp_path: Path
) -> None:
    url = _open(page, inv, "--engine", "host", "--work", str(tmp_path))
    meter = _meter(page)
    assert 20 < meter["used"] < meter["limit"]
    assert meter["limit"] <= round(psutil.virtual_memory().total / (1 << 20), 2)
    assert complaints == []
    log = (inv.state / "server" / "server.log").read_text()
    assert re.findall(r"^\[[EC] .*|Traceback", log, re.MULTILINE) == []
    assert Server(url).status_of("GET", "/api/metrics/v1") == 200
    assert Server(url).status_of("GET", "/api/metrics/v1", token="wrong") == 403


@pytest.mark.host
def test_status_bar_follows_the_kernels_memory(
    inv: CommandLine, page: Page, tmp_path: Path
) -> None:
    server = Server(_open(page, inv, "--engine", "host", "--work", str(tmp_path)))
    before = _meter(page)["used"]
    with server.start_kernel() as kernel:
        assert kernel.run("held = b'x' * (300 << 20)").error == ""
        page.wait_for_function(
            "least => Number(document.querySelector('#jp-main-statusbar').innerText"
            ".match(/Mem:\\s+([\\d.]+)/)[1]) > least",
            arg=before + 250,  # 300 are held; pages that both processes use count half for each
            timeout=30_000,
        )


@pytest.mark.container
def test_status_bar_shows_the_containers_limit(
    inv: CommandLine, page: Page, complaints: list[str], tmp_path: Path
) -> None:
    _open(page, inv, "--engine", "docker", "--memory", "3g", "--work", str(tmp_path))
    assert _meter(page)["limit"] == 3072
    assert complaints == []
