"""`FILE.py:NAME` and `module:NAME`."""

from pathlib import Path

import pytest

from lab.autograd.target import load_target, split_target
from lab.errors import LabError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("work/loss.py:loss", ("work/loss.py", "loss")),
        ("package.module:Model.forward", ("package.module", "Model.forward")),
        ("C:/with:colon.py:f", ("C:/with:colon.py", "f")),
    ],
)
def test_target_is_split_at_its_last_colon(text: str, parts: tuple[str, str]) -> None:
    assert split_target(text) == parts


@pytest.mark.parametrize("text", ["loss.py", "loss.py:", ":f", "loss.py:a b", "loss.py:3"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="There is no target"):
        split_target(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)  # and takes what is loaded out of the path again
    (tmp_path / "helper_of_target.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "mine.py").write_text(
        "from helper_of_target import twice\n\n\nclass Model:\n    forward = staticmethod(twice)\n"
    )
    return tmp_path


def test_file_finds_what_lies_beside_it(folder: Path) -> None:
    assert load_target(str(folder / "mine.py"), "twice", str(folder))(4) == 8
    assert load_target(str(folder / "mine.py"), "Model.forward", str(folder))(4) == 8


def test_module_is_found_in_the_folder(folder: Path) -> None:
    assert load_target("helper_of_target", "twice", str(folder))(4) == 8


def test_name_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(LabError, match="has no thrice") as caught:
        load_target(str(folder / "helper_of_target.py"), "thrice", str(folder))
    assert caught.value.why == "it has twice"


def test_module_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(LabError, match="no_such_module cannot be imported"):
        load_target("no_such_module", "f", str(folder))


@pytest.mark.parametrize(
    ("text", "words"), [("x = (\n", "line 1"), ("\n\n1 / 0\n", "division by zero (line 3)")]
)
def test_file_that_raises_is_refused_with_its_line(folder: Path, text: str, words: str) -> None:
    (folder / "broken.py").write_text(text)
    with pytest.raises(LabError) as caught:
        load_target(str(folder / "broken.py"), "f", str(folder))
    assert words in caught.value.why
