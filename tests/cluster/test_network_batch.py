"""The batch script between the nodes, and the command line that submits it."""

import os
import subprocess
from pathlib import Path

from lab.cluster.network_batch import network_script, network_submission
from tests.cluster.test_batch import request


def test_script_is_this_one() -> None:
    script = network_script(
        request(partition="main", exclusive=True, options=("--gpus-per-node=4",)), 60
    )
    assert script == (
        "#!/bin/sh\n"
        "#SBATCH --ntasks-per-node=1\n"
        "#SBATCH --no-requeue\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --partition=main\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --mem=0\n"
        "#SBATCH --gpus-per-node=4\n"
        "# Argument: the number of the attempt.\n"
        "set -eu\n"
        'here=/shared/results/cluster-1/network/"$1"\n'
        "trap ': >\"$here/ended\"' EXIT\n"
        'printf "%s\\n" "$SLURM_JOB_ID" >"$here/.begun"\n'
        'mv "$here/.begun" "$here/begun"\n'
        "export LAB_STATE='/shared/pytorch lab/.lab'\n"
        "cd '/shared/pytorch lab'\n"
        "srun --ntasks-per-node=1 --kill-on-bad-exit=0 --label --cpu-bind=none --mpi=none --wait=90"
        ' ./inv bench --engine host --only matmul --work "$here"\n'
    )


def test_submission_asks_for_one_task_on_each_of_its_nodes() -> None:
    script = network_script(request(partition="gpu"), 60)
    argv = network_submission(
        script, Path("/s/100%/c"), name="cluster-1", nodes=["n1", "n3", "n2"], attempt=2, gpus=4
    )
    assert argv == [
        "sbatch", "--parsable", "--ntasks-per-node=1", "--no-requeue", "--open-mode=append",
        "--partition=gpu", "--job-name=cluster-1", "--comment=network/2", "--nodes=3",
        "--ntasks=3", "--nodelist=n[1-3]", "--output=/s/100%%/c/2/log.txt",
        "--gpus-per-node=4", "/s/100%/c/job.sh", "2",
    ]  # fmt: skip


def test_script_marks_its_end_whatever_srun_says(tmp_path: Path) -> None:
    clone, here = tmp_path / "it's a clone", tmp_path / "run $HOME" / "network" / "1"
    clone.mkdir()
    here.mkdir(parents=True)
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    srun.chmod(0o755)
    script = network_script(request(folder=tmp_path / "run $HOME", clone=clone), 60)
    done = subprocess.run(
        ["sh", "-s", "1"], input=script, text=True, check=False, capture_output=True,
        env={"PATH": f"{srun.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"},
    )  # fmt: skip
    assert done.stdout.endswith(f"|./inv|bench|--engine|host|--only|matmul|--work|{here}|")
    assert (here / "begun").read_text() == "42\n"
    assert (here / "ended").exists()
