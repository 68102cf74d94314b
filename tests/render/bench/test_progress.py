import io
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.render.bench.progress import Progress

ROOT = Path(__file__).resolve().parent.parent.parent
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def words_of(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_progress_writes_a_plain_line_at_most_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        progress.begin(160)
        for done in range(1, 161):
            clock.now += 0.25
            progress.step(done, 160, f"matmul size={done}")
    assert stream.getvalue().splitlines() == [
        " 25 %  10 s, 30 s left  matmul size=40",
        " 50 %  20 s, 20 s left  matmul size=80",
        " 75 %  30 s, 10 s left  matmul size=120",
        "100 %  40 s, 0.0 s left  matmul size=160",
    ]


def test_progress_says_messages_at_once() -> None:
    stream = io.StringIO()
    with Progress(stream, clock=Clock()) as progress:
        progress.message("before")
        progress.begin(2)
        progress.step(1, 2, "not said")
        progress.message("during")
        progress.end()
        progress.message("after")
    assert stream.getvalue() == "before\nduring\nafter\n"


def test_progress_draws_a_bar_on_a_terminal_and_takes_it_away(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    clock = Clock()
    with Progress(terminal, clock=clock) as progress:
        progress.begin(8)
        clock.now += 30
        progress.step(2, 8, "matmul size=[1024] :x: [red]float32")
        progress.message("case 3 was disturbed")
    text = words_of(terminal.getvalue())
    assert " 25% 30 s, 1 min 30 s left matmul size=[1024] :x: [red]float32" in text
    assert "case 3 was disturbed\n" in text.replace("\r", "")
    assert terminal.getvalue().rfind(SHOW) > terminal.getvalue().rfind(HIDE) > -1
    after = terminal.getvalue().rpartition(SHOW)[2]
    assert "\x1b[2K" in after
    assert not words_of(after).strip()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_progress_bar_keeps_to_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with Progress(terminal, clock=Clock()) as progress:
        progress.begin(8)
        progress.step(2, 8, "matmul " * 30)
    lines = re.split(r"[\r\n]", words_of(terminal.getvalue()))
    assert max(map(len, lines)) <= width
    assert terminal.getvalue().count("\n") == 1  # rich's own, as it takes the bar away


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_progress_gives_the_cursor_back_after_an_error(
    terminal: Terminal, error: type[BaseException]
) -> None:
    def fail() -> None:
        with Progress(terminal, clock=Clock()) as progress:
            progress.begin(8)
            progress.step(2, 8, "matmul")
            raise error

    with pytest.raises(error):
        fail()
    assert terminal.getvalue().rfind(SHOW) > terminal.getvalue().rfind(HIDE) > -1


def test_progress_draws_no_bar_on_a_dumb_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with Progress(terminal, clock=Clock()) as progress:
        progress.begin(8)
        progress.step(2, 8, "matmul")
    assert terminal.getvalue() == ""


class Broken(Terminal):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("tty", [True, False])
def test_progress_outlives_its_stream(monkeypatch: pytest.MonkeyPatch, tty: bool) -> None:
    monkeypatch.setenv("TERM", "xterm" if tty else "dumb")
    closed = Terminal()
    closed.close()
    for stream in (Broken(), closed):
        clock = Clock()
        with Progress(stream, clock=clock) as progress:
            progress.message("unheard")
            progress.begin(8)
            clock.now += 60
            progress.step(2, 8, "matmul")
            progress.message("unheard")


@pytest.mark.parametrize(
    ("done", "total", "said"), [(0, 0, "  0 %"), (9, 4, "100 %"), (-1, 4, "  0 %")]
)
def test_progress_bears_with_strange_counts(done: int, total: int, said: str) -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        progress.begin(total)
        clock.now += 11
        progress.step(done, total, "matmul\x1b[31m\nred")
    assert stream.getvalue().startswith(said)
    assert stream.getvalue().endswith("matmul?[31m red\n")


def test_progress_writes_what_the_stream_can() -> None:
    raw = io.BytesIO()
    with Progress(io.TextIOWrapper(raw, encoding="ascii"), clock=Clock()) as progress:
        progress.message("5 µs, σ")
        assert raw.getvalue() == b"5 ?s, ?\n"


def test_progress_on_a_real_terminal_ends_cleanly_on_ctrl_c() -> None:
    """A process of its own on a pseudo-terminal, interrupted while its bar is drawn."""
    code = (
        "import time\nfrom lab.render.bench.progress import Progress\n"
        "with Progress() as progress:\n"
        "    progress.begin(8)\n    progress.step(3, 8, 'matmul')\n    time.sleep(60)\n"
    )
    ours, theirs = pty.openpty()
    env = {"TERM": "xterm", "PYTHONPATH": str(ROOT), "COLUMNS": "80", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, env=env, start_new_session=True
    )
    os.close(theirs)
    seen = ""
    while "38%" not in seen:
        seen += os.read(ours, 4096).decode()
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk.decode()
    except OSError:  # Linux's word for the end of a terminal
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == -signal.SIGINT
    assert HIDE in seen
    assert "KeyboardInterrupt" in seen.rpartition(SHOW)[2]
