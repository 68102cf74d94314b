"""The batch script and the command lines that submit it."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from lab.cluster.batch import BatchRequest, batch_script, submission
from lab.errors import LabError


def request(**changes: object) -> BatchRequest:
    values: dict[str, object] = {
        "name": "cluster-1", "folder": Path("/shared/results/cluster-1"),
        "clone": Path("/shared/pytorch lab"), "state": Path("/shared/pytorch lab/.lab"),
        "words": ("bench", "--engine", "host", "--only", "matmul"),
    }  # fmt: skip
    return BatchRequest(**{**values, **changes})  # type: ignore[arg-type]


def test_script_is_this_one() -> None:
    script = batch_script(
        request(
            partition="main", account="physics", time="1-02:30", constraint="a100&ib",
            exclusive=True, options=("--qos=debug",),
        )
    )  # fmt: skip
    assert script == (
        "#!/bin/sh\n"
        "#SBATCH --nodes=1\n"
        "#SBATCH --ntasks=1\n"
        "#SBATCH --no-requeue\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --partition=main\n"
        "#SBATCH --account=physics\n"
        "#SBATCH --time=1-02:30\n"
        "#SBATCH --constraint=a100&ib\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --mem=0\n"
        "#SBATCH --qos=debug\n"
        "# Arguments: the node as Slurm calls it, the number of the attempt.\n"
        "set -eu\n"
        'here=/shared/results/cluster-1/nodes/"$1"/"$2"\n'
        'printf "%s\\n" "$SLURM_JOB_ID" >"$here/.begun"\n'
        'mv "$here/.begun" "$here/begun"\n'
        "export LAB_STATE='/shared/pytorch lab/.lab'\n"
        'export LAB_RESULTS="$here"\n'
        "cd '/shared/pytorch lab'\n"
        'exec ./inv bench --engine host --only matmul --output "$here/result.json"\n'
    )


def test_script_leaves_to_slurm_what_was_not_asked_for() -> None:
    lines = [line for line in batch_script(request()).splitlines() if line.startswith("#SBATCH")]
    assert [line.split("=")[0] for line in lines] == [
        "#SBATCH --nodes", "#SBATCH --ntasks", "#SBATCH --no-requeue", "#SBATCH --open-mode",
    ]  # fmt: skip


def test_words_of_a_person_stay_words() -> None:
    script = batch_script(request(words=("bench", "--only", "a b; rm -rf $HOME")))
    assert shlex.split(script.splitlines()[-1])[:4] == ["exec", "./inv", "bench", "--only"]
    assert "'a b; rm -rf $HOME'" in script


def test_submission_asks_for_one_node_and_goes_on_after_any_end() -> None:
    script = batch_script(request(partition="gpu"))
    argv = submission("cluster-1", Path("/s/100%/c"), script, "n7", 2, after="41")
    assert argv == [
        "sbatch", "--parsable", "--nodes=1", "--ntasks=1", "--no-requeue", "--open-mode=append",
        "--partition=gpu", "--job-name=cluster-1", "--comment=2", "--nodelist=n7",
        "--output=/s/100%%/c/nodes/n7/2/log.txt", "--dependency=afterany:41",
        "/s/100%/c/job.sh", "n7", "2",
    ]  # fmt: skip
    assert not [
        word for word in submission("r", Path("/s"), script, "n7", 1) if "dependency" in word
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"partition": "main gpu"},
        {"account": "a\n#SBATCH --wrap=x"},
        {"constraint": "a'b"},
        {"time": "soon"},
        {"time": "1:2:3:4"},
        {"options": ("qos=debug",)},
        {"options": ("--qos=de bug",)},
        {"options": ("--requeue",)},
        {"options": ("--output=/tmp/x",)},
    ],
)
def test_values_that_sbatch_could_misread_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(LabError):
        request(**changes)


@pytest.mark.parametrize("time", ["90", "90:30", "1:30:00", "2-0", "2-12:30", "2-12:30:15"])
def test_times_are_those_of_sbatch(time: str) -> None:
    assert f"#SBATCH --time={time}\n" in batch_script(request(time=time))


def test_script_runs_the_clone_and_leaves_a_mark_and_a_result(tmp_path: Path) -> None:
    clone, here = tmp_path / "it's a clone", tmp_path / "run $HOME" / "nodes" / "n1" / "1"
    clone.mkdir()
    here.mkdir(parents=True)
    fake = '#!/bin/sh\nfor word; do last=$word; done\necho "$LAB_RESULTS|$LAB_STATE|$*" >"$last"\n'
    (clone / "inv").write_text(fake)
    (clone / "inv").chmod(0o755)
    script = batch_script(
        request(folder=tmp_path / "run $HOME", clone=clone, words=("bench", "--only", "a b"))
    )
    done = subprocess.run(
        ["sh", "-s", "n1", "1"], input=script, text=True, check=True, capture_output=True,
        env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": "42"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    assert (here / "begun").read_text() == "42\n"
    assert (here / "result.json").read_text() == (
        f"{here}|/shared/pytorch lab/.lab|bench --only a b --output {here}/result.json\n"
    )
