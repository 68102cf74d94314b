from pathlib import Path

import pytest

from lab.gpu import presence
from lab.gpu.snapshot import Snapshot
from tests.gpu.sample import several, snapshot

GONE = Snapshot(answers=False, code=999, call="nvmlInit", detail="Unknown Error")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """What the driver says from now on: the first of the list."""
    says = [snapshot(*several(2))]
    monkeypatch.setattr(presence, "read_gpus", lambda deadline_s: says[0])
    return says


def test_gpus_that_are_still_here_are_not_missed(now: list[Snapshot], tmp_path: Path) -> None:
    file = tmp_path / "gpus.json"
    assert presence.main([str(file)]) == 0  # the first time it notes them
    assert "GPU-0" in file.read_text()
    assert presence.main([str(file)]) == 0


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (GONE, "has lost its 2 GPUs: NVML answers 'Unknown Error' (999)"),
        (snapshot(*several(1)), "has lost GPU: GPU-1"),
        (snapshot(), "has lost 2 GPUs: GPU-0, GPU-1"),
    ],
)
def test_gpus_that_went_away_are_missed(
    now: list[Snapshot], tmp_path: Path, later: Snapshot, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "gpus.json"
    presence.remember(file)
    now[0] = later
    assert words in presence.find_missing(file)
    assert presence.main([str(file)]) == 1
    assert "make the lab anew: ./inv stop, then ./inv lab" in capsys.readouterr().out


def test_lab_that_started_without_a_gpu_misses_none(now: list[Snapshot], tmp_path: Path) -> None:
    now[0] = GONE
    file = tmp_path / "gpus.json"
    assert presence.main([str(file)]) == 0
    assert "GPU" not in file.read_text()  # what the health check looks for, to ask no more
    assert presence.main([str(file)]) == 0


def test_note_that_cannot_be_read_is_no_alarm(now: list[Snapshot], tmp_path: Path) -> None:
    (tmp_path / "gpus.json").write_text("{")
    assert presence.find_missing(tmp_path / "gpus.json") == ""
