import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.records.doctor import Finding, make_report
from lab.render.doctor import doctor_text

OK = Finding(name="python", status="ok", seen="Python 3.11.16 runs the tasks")
WARN = Finding(
    name="image-store",
    status="warn",
    seen="Docker keeps images in its older store",
    why="only `inv build --check` needs more; the lab runs",
    next='put "features": {"containerd-snapshotter": true} into /etc/docker/daemon.json, restart',
)
FAIL = Finding(name="gpu", status="fail", seen="capabilities: [[gpu]]", why="[red]x", next=":x:")
UNKNOWN = Finding(name="disk", status="unknown", seen="not seen", why="y", next="z")


def plain(*findings: Finding, width: int = 80) -> str:
    return doctor_text(make_report(findings), io.StringIO(), width=width)


def test_text_puts_the_remedy_under_its_finding() -> None:
    assert (
        plain(OK, WARN) == "✓ python       Python 3.11.16 runs the tasks\n"
        "! image-store  Docker keeps images in its older store\n"
        "               why:  only `inv build --check` needs more; the lab runs\n"
        '               next: put "features": {"containerd-snapshotter": true} into\n'
        "                     /etc/docker/daemon.json, restart\n"
        "\n"
        "The lab runs; what is marked ! or ? is worth a look."
    )


@pytest.mark.parametrize(
    ("finding", "symbol", "verdict"),
    [
        (OK, "✓", "All is well."),
        (WARN, "!", "The lab runs"),
        (UNKNOWN, "?", "The lab runs"),
        (FAIL, "✗", "The lab does not run like this: see what is marked ✗."),
    ],
)
def test_text_marks_each_status(finding: Finding, symbol: str, verdict: str) -> None:
    lines = plain(finding).splitlines()
    assert lines[0].startswith(symbol)
    assert lines[-1].startswith(verdict)


def test_text_shows_brackets_and_colons_as_they_are() -> None:
    text = plain(FAIL)
    assert all(words in text for words in ("[[gpu]]", "[red]x", ":x:"))


def test_text_has_colours_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    report = make_report([FAIL])
    assert "\x1b[" in doctor_text(report, Terminal())
    assert "\x1b" not in doctor_text(report, io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31" not in doctor_text(report, Terminal())


def test_text_keeps_to_ascii_where_the_stream_has_no_more() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = doctor_text(make_report([OK, WARN, FAIL, UNKNOWN]), stream)
    assert text.isascii()
    assert text.splitlines()[0].startswith("+ python")
    assert text.endswith("marked x.")


words = st.text("abc /.=-", min_size=1, max_size=200).filter(str.strip)


@given(words, words, words, st.integers(50, 120))
def test_text_stays_within_the_width_and_loses_no_word(
    seen: str, why: str, remedy: str, width: int
) -> None:
    finding = Finding(name="some-check", status="warn", seen=seen, why=why, next=remedy)
    lines = plain(finding, width=width).splitlines()[:-2]
    assert all(len(line) <= width and line == line.rstrip() for line in lines)
    kept = "".join("".join(line.split()) for line in lines)
    assert kept == "".join(f"!some-check{seen}why:{why}next:{remedy}".split())
