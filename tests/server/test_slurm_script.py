"""The batch script of a lab on a node, and its submission."""

import os
import subprocess
from pathlib import Path

from lab.cluster.wishes import Wishes
from lab.server.slurm_script import JobRequest, job_script, submission

REQUEST = JobRequest(
    name="lab-1", folder=Path("/shared/100% of ana's/slurm/lab-1"),
    clone=Path("/shared/pytorch lab"), state=Path("/shared/100% of ana's"),
    runner=Path("/shared/100% of ana's/runner-Linux-x86_64"),
    wishes=Wishes(partition="main", time="4:00:00", gpus="1"),
)  # fmt: skip


def test_script_is_this_one() -> None:
    """The server is to be the job's own child; the signal comes to the script's process alone."""
    assert job_script(REQUEST) == (
        "#!/bin/sh\n"
        "#SBATCH --nodes=1\n"
        "#SBATCH --ntasks=1\n"
        "#SBATCH --no-requeue\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --signal=B:USR1@30\n"
        "#SBATCH --partition=main\n"
        "#SBATCH --time=4:00:00\n"
        "#SBATCH --gpus-per-node=1\n"
        "set -eu\n"
        "export LAB_STATE='/shared/100% of ana'\"'\"'s'\n"
        "export LAB_RUNNER='/shared/100% of ana'\"'\"'s/runner-Linux-x86_64'\n"
        "export PYTHONPATH='/shared/pytorch lab'\n"
        "export PYTHONNOUSERSITE=1\n"
        "cd '/shared/pytorch lab'\n"
        "exec '/shared/100% of ana'\"'\"'s/runner-Linux-x86_64/bin/python' -m lab.server.slurm_node"
        " '/shared/100% of ana'\"'\"'s/slurm/lab-1'\n"
    )


def test_submission_says_the_options_again_and_names_the_log() -> None:
    assert submission(REQUEST) == [
        "sbatch", "--parsable", "--nodes=1", "--ntasks=1", "--no-requeue", "--open-mode=append",
        "--signal=B:USR1@30", "--partition=main", "--time=4:00:00", "--gpus-per-node=1",
        "--job-name=lab-1", "--output=/shared/100%% of ana's/slurm/lab-1/log.txt",
        "/shared/100% of ana's/slurm/lab-1/job.sh",
    ]  # fmt: skip


def test_script_becomes_the_process_that_looks_after_the_lab(tmp_path: Path) -> None:
    clone, runner = tmp_path / "a clone", tmp_path / "it's a runner"
    clone.mkdir()
    (runner / "bin").mkdir(parents=True)
    python = runner / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$$|$PWD|$LAB_STATE|$PYTHONPATH|$*"\n')
    python.chmod(0o755)
    script = job_script(
        JobRequest(
            name="lab-1", folder=tmp_path / "f $HOME", clone=clone, state=tmp_path, runner=runner,
            wishes=Wishes(),
        )
    )  # fmt: skip
    process = subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
    )
    said = process.communicate(timeout=30)[0]
    assert said == (
        f"{process.pid}|{clone}|{tmp_path}|{clone}|-m lab.server.slurm_node {tmp_path}/f $HOME\n"
    )
