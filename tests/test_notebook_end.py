"""The warning in a notebook before the time of a lab on a cluster is up."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from lab.notebook_end import EndWarning


def test_each_warning_comes_once_and_none_before_its_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = iter([3600, 901, 900, 899, 500, 180, 100, 10, 0, -5])
    warn = EndWarning(10_000, "en", clock=lambda: 10_000 - next(left))
    said = []
    for _ in range(10):
        warn("the result of a cell")
        said.append(capsys.readouterr().err)
    assert [bool(line) for line in said] == [i in (2, 5) for i in range(10)]
    assert said[2].startswith("This lab has 15 min left")
    assert said[5].startswith("This lab has 3 min left")


def test_kernel_that_starts_late_is_warned_once_in_its_language(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warn = EndWarning(1_000, "es", clock=lambda: 980)
    warn()
    warn()
    assert capsys.readouterr().err.count("le quedan 1 min") == 1


@pytest.mark.parametrize(("ends", "warns"), [("9999999999", True), ("", False), ("soon", False)])
def test_kernels_of_a_lab_with_an_end_have_it(
    ends: str, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_ENDS", ends)
    shell = InteractiveShell()
    before = len(shell.events.callbacks["post_run_cell"])
    shell.run_line_magic("load_ext", "lab.notebook")
    assert len(shell.events.callbacks["post_run_cell"]) - before == warns


def test_kernel_of_a_lab_that_got_more_time_is_not_told_that_it_is_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    EndWarning(1_000, "en", clock=lambda: 1_001)()
    assert capsys.readouterr().err == ""
