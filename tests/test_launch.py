"""The command line that every task shares, engine by engine."""

import pytest

from lab.engines.choose import Choice
from lab.launch import Wish, prepare

IN_APPTAINER = {"engine": "apptainer", "why": ""}


@pytest.mark.parametrize(
    ("choice", "handed_over"),
    [
        (Choice(device="cuda", gpu="nvidia", **IN_APPTAINER), True),
        (Choice(device="cpu", gpu="none", **IN_APPTAINER), False),
        (Choice(engine="docker", device="cuda", gpu="nvidia", why=""), False),
    ],
)
def test_container_sees_the_gpus_that_slurm_gave(
    monkeypatch: pytest.MonkeyPatch, choice: Choice, handed_over: bool
) -> None:
    """Apptainer hands over all of a node's, and no variable of the host's own."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    argv = prepare(Wish(image="lab.sif"), ("true",), print, dry_run=True, choice=choice).argv
    assert ("CUDA_VISIBLE_DEVICES=2,3" in argv) == handed_over


def test_without_a_choice_of_slurm_nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    choice = Choice(device="cuda", gpu="nvidia", **IN_APPTAINER)
    argv = prepare(Wish(image="lab.sif"), ("true",), print, dry_run=True, choice=choice).argv
    assert not [word for word in argv if word.startswith("CUDA_VISIBLE_DEVICES")]


def test_apptainer_is_told_which_node_of_a_job_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks on several nodes find each other by what srun says to each of its tasks."""
    given = {"SLURMD_NODENAME": "n3", "SLURM_NODEID": "2", "SLURM_NNODES": "4",
             "NCCL_SOCKET_IFNAME": "ib0", "SLURM_JOB_USER": "ada"}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    choice = Choice(device="cpu", gpu="none", **IN_APPTAINER)
    argv = prepare(Wish(image="lab.sif"), ("true",), print, dry_run=True, choice=choice).argv
    assert [f"{name}={value}" in argv for name, value in given.items()] == [True] * 4 + [False]
