"""The nodes of a cluster while they run, on a terminal and elsewhere."""

import io
import re

import pytest

from lab.records.progress import NodeProgress, RunProgress
from lab.render.cluster_live import ClusterProgress, summary_lines
from tests.render.bench.test_progress import Clock, Terminal


def running(count: int) -> RunProgress:
    return RunProgress(
        running=[f"n{i}" for i in range(count)], lost=["m1"], done=["m2"],
        at={
            f"n{i}": NodeProgress(
                done=20 + i, total=200, now=f"round {i}: matmul",
                cases={"matmul": (4 if i else 1, 4), "memory": (0, 2)},
            )
            for i in range(count)
        },
    )  # fmt: skip


def drawn(terminal: Terminal) -> list[str]:
    """The last picture of a terminal, line by line."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue().rpartition("\x1b[2K")[2])
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("LINES", "24")
    return Terminal()


def test_plain_line_says_the_cases_and_who_is_behind() -> None:
    stream, clock = io.StringIO(), Clock()
    with ClusterProgress(stream, clock=clock) as progress:
        progress.begin(5)
        progress.view(running(3))
        clock.now += 20
        progress.step(2, 5, "0 pending, 3 running, 1 done, 1 lost")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(
        "0 pending, 3 running, 1 done, 1 lost; figures of matmul 3/5, memory 1/5;"
        " behind: n0 at 10 %, round 0: matmul"
    )


@pytest.mark.parametrize("count", [1, 8, 9, 64, 1000])
def test_terminal_shows_those_that_are_behind_however_many_run(
    terminal: Terminal, count: int
) -> None:
    with ClusterProgress(terminal, clock=Clock()) as progress:
        progress.begin(count)
        progress.view(running(count))
        progress.step(0, count, f"{count} running")
        lines = drawn(terminal)
    assert f"{count} running" in lines[0]
    assert lines[1].startswith("n0  ━             10 %  1 of 6 cases  round 0: matmul")
    assert len(lines) <= 12
    assert all(len(line) <= 90 for line in lines)
    assert any(line.startswith("lost: m1") for line in lines)
    assert any(f"matmul {count}/{count + 2}" in line for line in lines)
    assert any("more, farther on" in line for line in lines) == (count > 8)


def test_nodes_that_say_nothing_leave_the_bar_alone(terminal: Terminal) -> None:
    with ClusterProgress(terminal, clock=Clock()) as progress:
        progress.begin(4)
        progress.view(RunProgress(pending=["n1"], running=["n2"]))
        progress.step(0, 4, "waiting")
        assert len(drawn(terminal)) == 1
    assert summary_lines(RunProgress()) == []


def test_strange_words_of_a_node_do_not_steer_the_terminal(terminal: Terminal) -> None:
    at = {"n1": NodeProgress(done=5, total=0, now="\x1b[2J\n[red]x", cases={"a\x1bb": (9, 1)})}
    with ClusterProgress(terminal, clock=Clock()) as progress:
        progress.begin(1)
        progress.view(RunProgress(running=["n1"], at=at))
        progress.step(0, 1, "x")
    assert "\x1b[2J" not in terminal.getvalue()
    assert "[red]x" in terminal.getvalue()
