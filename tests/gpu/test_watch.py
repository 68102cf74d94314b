"""`inv gpu --watch` in a real terminal: tmux draws what a person would see."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandLine, MakeDriver, wait_for
from tests.nvml import scenarios
from tests.nvml.library import Driver

pytestmark = [pytest.mark.driver, pytest.mark.terminal]


class Terminal:
    """A terminal of 100 columns and 30 lines, with a shell."""

    def __init__(self, socket: str, folder: Path) -> None:
        self._socket = socket
        self.folder = folder
        self("new-session", "-d", "-x", "100", "-y", "30", "env PS1='$ ' TERM=screen bash --norc")
        self("set-option", "-g", "window-size", "manual")

    def __call__(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=True
        ).stdout

    def type(self, line: str) -> None:
        self("send-keys", "-l", line)
        self("send-keys", "Enter")

    def see(self, words: str) -> None:
        try:
            wait_for(lambda: words in self.shown(), repr(words), 30)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.shown()}") from None

    def shown(self) -> str:
        return self("capture-pane", "-p")

    def flag(self, name: str) -> str:
        return self("display-message", "-p", f"#{{{name}}}").strip()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(f"lab-{uuid.uuid4().hex[:8]}", tmp_path)
    yield made
    subprocess.run(["tmux", "-L", made._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def interval_s() -> float:
    return 0.2


@pytest.fixture
def watch(
    terminal: Terminal, inv: CommandLine, make_driver: MakeDriver, tmp_path: Path, interval_s: float
) -> Driver:
    """A watch of eight GPUs that is under way."""
    inv("--list")
    driver = make_driver(scenarios.healthy(8))
    variables = {"LAB_STATE": str(inv.state), **driver.variables}
    script = tmp_path / "watch.sh"
    words = " ".join(f"{name}='{value}'" for name, value in variables.items())
    script.write_text(f"exec env {words} {inv.root}/inv gpu --watch --interval {interval_s}\n")
    terminal.type("echo before")
    terminal.see("before")
    terminal.type(f"sh {script}; echo ended $?")
    terminal.see("Ctrl-C ends")
    return driver


def lines(terminal: Terminal) -> list[str]:
    return [line for line in terminal.shown().splitlines() if "H100" in line]


def test_watch_draws_all_gpus_and_follows_their_values(terminal: Terminal, watch: Driver) -> None:
    assert len(lines(terminal)) == 8
    assert terminal.flag("alternate_on") == "1"
    warmer = scenarios.healthy(8)
    warmer["gpus"][5]["Temperature"] = 57
    watch.put(warmer)
    terminal.see("57 °C")


def test_watch_fits_a_window_that_changes_its_size(terminal: Terminal, watch: Driver) -> None:
    terminal("resize-window", "-x", "58", "-y", "14")
    terminal.see("more lines: make the window higher")
    shown = terminal.shown().splitlines()
    assert all(len(line) <= 58 for line in shown)
    assert sum("98 %" in line or " 0 %" in line for line in shown) == 8  # no GPU is cut off
    terminal("resize-window", "-x", "120", "-y", "40")
    terminal.see("5 x16")  # the wide window has room for the link
    assert len(lines(terminal)) == 8
    assert "more lines" not in terminal.shown()


@pytest.mark.parametrize("interval_s", [600])
def test_watch_follows_the_window_without_waiting_for_the_next_reading(
    terminal: Terminal, watch: Driver
) -> None:
    terminal("resize-window", "-x", "60", "-y", "12")
    terminal.see("more lines")
    terminal("resize-window", "-x", "100", "-y", "30")
    terminal.see("every 600 s; Ctrl-C ends")
    terminal("send-keys", "C-c")
    terminal.see("ended 0")


def test_watch_keeps_a_gpu_in_view_that_is_lost(terminal: Terminal, watch: Driver) -> None:
    lost = scenarios.healthy(8)
    lost["gpus"][6]["calls"] = {"*": {"error": 15}}
    watch.put(lost)
    terminal.see("GPU 6 fail: the GPU is lost")
    assert len(lines(terminal)) == 8
    del lost["gpus"][6]  # the driver forgets it, and counts anew
    watch.put(lost)
    terminal.see("no longer knows it")
    assert len(lines(terminal)) == 8


def test_watch_goes_on_when_the_driver_is_gone_and_back(terminal: Terminal, watch: Driver) -> None:
    watch.put(scenarios.healthy(8) | {"calls": {"nvmlDeviceGetCount": {"error": 999}}})
    terminal.see("fail")
    assert len(lines(terminal)) == 8
    watch.put(scenarios.healthy(8))
    wait_for(lambda: "fail" not in terminal.shown(), "the GPUs to be well again", 30)


def test_watch_shows_a_gpu_that_hangs(terminal: Terminal, watch: Driver) -> None:
    hung = scenarios.healthy(8)
    hung["gpus"][2]["calls"] = {"nvmlDeviceGetTemperature": {"hang": True}}
    watch.put(hung)
    terminal.see("did not answer in time")
    assert len(lines(terminal)) >= 7


@pytest.mark.parametrize("end", ["C-c", "TERM"])
def test_watch_leaves_the_terminal_clean(terminal: Terminal, watch: Driver, end: str) -> None:
    if end == "C-c":
        terminal("send-keys", "C-c")
    else:
        pattern = "lab.command_line .*gpu --watch --interval 0.2"
        found = subprocess.run(
            ["pgrep", "--oldest", "-f", pattern], capture_output=True, text=True, check=True
        )
        subprocess.run(["kill", found.stdout.strip()], check=True)
    terminal.see("ended 0")
    shown = terminal.shown()
    assert "before" in shown  # what was there comes back
    assert "H100" not in shown
    assert "Traceback" not in shown
    assert (terminal.flag("alternate_on"), terminal.flag("cursor_flag")) == ("0", "1")
    terminal.type("echo typed again")
    terminal.see("typed again")
