"""JupyterLab's terminal: it has the lab's programs, and sees what the server sees."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.notebook import open_launcher
from tests.conftest import CommandLine, MakeDriver, wait_for
from tests.nvml import scenarios

pytestmark = pytest.mark.browser


def _open(page: Page, inv: CommandLine, *words: str, **env: str) -> None:
    started = inv("lab", *words, "--json", **env)
    assert started.code == 0, started.err
    open_launcher(page, started)


def _run_in_terminal(page: Page, line: str) -> None:
    page.locator(".jp-LauncherCard", has_text="Terminal").click()
    terminal = page.locator(".jp-Terminal")
    expect(terminal.locator(".xterm")).to_be_visible(timeout=30_000)
    terminal.click()
    page.keyboard.type(f"{line}\n")


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("host", marks=pytest.mark.host),
        pytest.param("docker", marks=pytest.mark.container),
    ],
)
def test_terminal_has_the_labs_programs(
    inv: CommandLine, page: Page, tmp_path: Path, engine: str
) -> None:
    """A login shell's /etc/profile would put the machine's own Python, without torch, there."""
    # Not bash: what a user's own .bashrc puts first on the PATH is that user's will.
    _open(page, inv, "--engine", engine, "--work", str(tmp_path), SHELL="/bin/sh")
    _run_in_terminal(
        page, "inv --version >version.txt; python -c 'import torch'; echo $? >code.txt"
    )
    wait_for((tmp_path / "code.txt").exists, "the commands' end")
    wait_for((tmp_path / "code.txt").read_text, "the last code")
    assert (tmp_path / "version.txt").read_text().startswith("Invoke ")
    assert (tmp_path / "code.txt").read_text() == "0\n"


@pytest.mark.host
@pytest.mark.driver
def test_terminal_shows_the_gpus(
    inv: CommandLine, page: Page, make_driver: MakeDriver, tmp_path: Path
) -> None:
    """What the server is started with reaches its terminals: here the driver of eight GPUs."""
    work = tmp_path / "work"
    driver = make_driver(scenarios.healthy(8))
    _open(page, inv, "--engine", "host", "--work", str(work), **driver.variables)
    _run_in_terminal(page, "inv gpu >gpus.txt; echo $? >code.txt")
    wait_for((work / "code.txt").exists, "the command's end")
    shown = (work / "gpus.txt").read_text()
    assert shown.count("H100") >= 8, shown
