"""`inv graph` on the host, as a user calls it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import CommandLine

pytestmark = pytest.mark.host
WORDS = ("graph", "--engine", "host")


@pytest.fixture
def command(state: Path, tmp_path: Path) -> CommandLine:
    return CommandLine(state=state, env={"LAB_RESULTS": str(tmp_path / "results"), "LANG": "C"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text("def cut(x, w):\n    scores = x @ w.detach()\n    return scores.tanh()\n")
    return path


def test_example_is_drawn(command: CommandLine, tmp_path: Path) -> None:
    done = command(*WORDS, "--output", str(tmp_path / "g.svg"))
    assert done.code == 0, done.err
    assert "sigmoid(z)" in done.out
    assert ElementTree.parse(tmp_path / "g.svg").getroot().tag.endswith("svg")


def test_function_is_drawn_with_what_the_check_found(
    command: CommandLine, file: Path, tmp_path: Path
) -> None:
    target = ("--target", f"{file}:cut", "--shapes", "4x3,3")
    done = command(*WORDS, *target, "--json", "--output", str(tmp_path / "g.html"))
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["schema"] == "lab/graph/1"
    (detach,) = [n for n in document["nodes"] if n["operation"] == "detach"]
    assert [f["cause"] for f in detach["findings"]] == ["detached"]
    assert "✗ detached" in (tmp_path / "g.html").read_text()
    bare = command(*WORDS, *target, "--no-check", "--json")
    assert all(n["findings"] == [] for n in bare.json()["nodes"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--output", "g.png"), "cannot be written as g.png"),
        (("--shapes", "3"), "is for a function of yours"),
        (("--target", "none.py:f"), "There is no file"),
        (("--nodes", "1"), "--nodes"),
        (("--language", "fr"), "no language"),
    ],
)
def test_words_that_make_no_sense_end_with_2(
    command: CommandLine, words: tuple[str, ...], told: str
) -> None:
    done = command(*WORDS, *words)
    assert done.code == 2
    assert told in done.err
