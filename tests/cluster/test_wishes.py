"""What is asked of Slurm: lines of sbatch, and nothing that it could misread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cluster.wishes import Wishes
from lab.errors import LabError


def test_lines_are_those_of_sbatch() -> None:
    wishes = Wishes(
        partition="gpu", account="physics", time="4:00:00", constraint="a100&ib", gpus="a100:2",
        cpus=8, memory_bytes=(16 << 30) + 1, options=("--qos=debug",),
    )  # fmt: skip
    assert wishes.lines() == [
        "--partition=gpu", "--account=physics", "--time=4:00:00", "--constraint=a100&ib",
        "--gpus-per-node=a100:2", "--cpus-per-task=8", "--mem=16385M", "--qos=debug",
    ]  # fmt: skip
    assert Wishes().lines() == []


def test_node_for_one_alone_comes_with_its_memory_unless_less_is_asked_for() -> None:
    assert Wishes(exclusive=True).lines() == ["--exclusive", "--mem=0"]
    assert Wishes(exclusive=True, memory_bytes=1 << 30).lines() == ["--mem=1024M", "--exclusive"]


@pytest.mark.parametrize("gpus", ["0", "-1", "two", "a100:", ":2", "a100:0", "1 --wrap=x", "1,2"])
def test_number_of_gpus_is_one(gpus: str) -> None:
    with pytest.raises(LabError, match="--gpus"):
        Wishes(gpus=gpus)


@given(st.sampled_from(["partition", "account", "time", "constraint", "gpus"]), st.text())
def test_no_value_is_more_than_one_word_of_a_script(option: str, value: str) -> None:
    """What is taken ends up in a line of the script, where a blank or a new line begins another."""
    try:
        lines = Wishes(**{option: value}).lines()  # type: ignore[arg-type]
    except LabError:
        return
    assert len(lines) == (1 if value else 0)
    assert not any(character.isspace() or character in "\"'\\$`;" for character in "".join(lines))
