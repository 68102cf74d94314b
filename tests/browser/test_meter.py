"""The meter of memory in JupyterLab's status bar."""

import re
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.browser.notebook import open_launcher
from tests.conftest import CommandLine, wait_for
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


def _told(server: Server) -> float:
    """What the server and its kernels hold at this moment, in the meter's MB."""
    told = server.request("GET", "/api/metrics/v1")
    return float(told.get("pss") or told["rss"]) / (1 << 20)  # as the page chooses


def _shown(page: Page, holds: Callable[[float], bool], what: str) -> float:
    """Wait until the status bar shows such a use; it asks the server every few seconds."""
    found: list[float] = []

    def looks_so() -> bool:
        found.append(_meter(page)["used"])
        return holds(found[-1])

    wait_for(looks_so, f"the status bar to show {what}")
    return found[-1]


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
    with server.start_kernel() as kernel:
        assert kernel.run("None").error == ""
        before = _shown(page, lambda used: abs(used - _told(server)) < 1, "what a new kernel holds")
        assert kernel.run("held = b'x' * (310 << 20)").error == ""
        _shown(page, lambda used: used > before + 300, "what it holds more")


@pytest.mark.container
def test_status_bar_shows_the_containers_limit(
    inv: CommandLine, page: Page, complaints: list[str], tmp_path: Path
) -> None:
    _open(page, inv, "--engine", "docker", "--memory", "3g", "--work", str(tmp_path))
    assert _meter(page)["limit"] == 3072
    assert complaints == []
