"""The course in the image."""

import json
import shutil
from pathlib import Path

import pytest

from lab.course.source import sources
from lab.language import LANGUAGES
from tests.conftest import ROOT, CommandLine

pytestmark = [pytest.mark.container, pytest.mark.notebook]


def test_every_notebook_runs_clean_in_both_languages(inv: CommandLine, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "course" / "executing.py", tmp_path)
    command = "python executing.py /work"
    done = inv("shell", "--engine", "docker", "--work", str(tmp_path), "--command", command)
    assert done.code == 0, done.err
    complaints = json.loads(done.out)
    assert set(complaints) == {f"{s.key}-{language}" for s in sources() for language in LANGUAGES}
    assert not any(complaints.values()), complaints


def test_course_is_updated_from_a_terminal_of_the_lab(inv: CommandLine, tmp_path: Path) -> None:
    """The same command, inside."""
    command = "inv course --language es && inv course --update --json"
    done = inv("shell", "--engine", "docker", "--work", str(tmp_path), "--command", command)
    assert done.code == 0, done.err
    document = json.loads(done.out[done.out.index("{") :])
    assert {notebook["state"] for notebook in document["notebooks"]} == {"current"}
    assert len(document["notebooks"]) == len(sources())
    assert (tmp_path / "1-tensores.ipynb").stat().st_uid == tmp_path.stat().st_uid
