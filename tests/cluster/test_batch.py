"""The batch script and the command lines that submit it."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

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
        "#SBATCH --ntasks-per-node=1\n"
        "#SBATCH --no-requeue\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --partition=main\n"
        "#SBATCH --account=physics\n"
        "#SBATCH --time=1-02:30\n"
        "#SBATCH --constraint=a100&ib\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --mem=0\n"
        "#SBATCH --qos=debug\n"
        "# Arguments: a node as Slurm calls it, and the number of the attempt at it. A job of\n"
        "# several nodes is told `--each` and then both of each of them.\n"
        "set -eu\n"
        'if [ "$1" = --each ]; then\n'
        "  shift\n"
        '  exec srun --no-kill --kill-on-bad-exit=0 --nodes="$SLURM_JOB_NUM_NODES" \\\n'
        "    --wait=0 --ntasks-per-node=1 --cpu-bind=none --mpi=none \\\n"
        '    sh /shared/results/cluster-1/job.sh "$@"\n'
        "fi\n"
        'while [ "$1" != "$SLURMD_NODENAME" ]; do shift 2; done\n'
        'here=/shared/results/cluster-1/nodes/"$1"/"$2"\n'
        'exec >>"$here/log.txt" 2>&1\n'
        "trap ': >\"$here/ended\"' EXIT\n"
        'printf "%s\\n" "$SLURM_JOB_ID" >"$here/.begun"\n'
        'mv "$here/.begun" "$here/begun"\n'
        "export LAB_STATE='/shared/pytorch lab/.lab'\n"
        'export LAB_PROGRESS="$here/progress.json"\n'
        "cd '/shared/pytorch lab'\n"
        "run() {\n"
        '  LAB_RESULTS="$1" ./inv bench --engine host --only matmul --output "$1/result.json"\n'
        "}\n"
        'run "$here"\n'
    )


def test_script_leaves_to_slurm_what_was_not_asked_for() -> None:
    lines = [line for line in batch_script(request()).splitlines() if line.startswith("#SBATCH")]
    assert [line.split("=")[0] for line in lines] == [
        "#SBATCH --ntasks-per-node", "#SBATCH --no-requeue", "#SBATCH --open-mode",
    ]  # fmt: skip


def test_words_of_a_person_stay_words() -> None:
    script = batch_script(request(words=("bench", "--only", "a b; rm -rf $HOME")))
    assert shlex.split(script.splitlines()[-3])[1:4] == ["./inv", "bench", "--only"]
    assert "'a b; rm -rf $HOME'" in script


def submitted(nodes: dict[str, int], **values: Any) -> list[str]:
    script = batch_script(request(partition="gpu"))
    return submission(script, Path("/s/100%/c"), name="cluster-1", nodes=nodes, **values)


def test_submission_asks_for_one_node_and_goes_on_after_any_end() -> None:
    assert submitted({"n7": 2}, group="n7/2", after="41") == [
        "sbatch", "--parsable", "--ntasks-per-node=1", "--no-requeue", "--open-mode=append",
        "--partition=gpu", "--job-name=cluster-1", "--comment=n7/2", "--nodes=1", "--nodelist=n7",
        "--output=/s/100%%/c/nodes/n7/2/log.txt", "--dependency=afterany:41",
        "/s/100%/c/job.sh", "n7", "2",
    ]  # fmt: skip
    assert not [word for word in submitted({"n7": 1}, group="n7/1") if "dependency" in word]


def test_submission_of_several_goes_on_without_one_that_fails() -> None:
    argv = submitted({"n7": 2, "n8": 1}, group="n7/2", gpus=4)
    assert argv[argv.index("--nodes=2") :] == [
        "--nodes=2", "--nodelist=n[7-8]", "--output=/s/100%%/c/nodes/n7/2/job.txt", "--no-kill",
        "--gpus-per-node=4", "/s/100%/c/job.sh", "--each", "n7", "2", "n8", "1",
    ]  # fmt: skip


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


class Clone:
    """A clone whose ./inv is made up, and a run's folder with two nodes, that share a name with
    what a shell would take for something else."""

    def __init__(self, path: Path, inv: str, *, each_gpu: bool = False) -> None:
        clone = path / "it's a clone"
        self.folder = path / "run $HOME"
        clone.mkdir()
        for node in ("n1", "n2"):
            (self.folder / "nodes" / node / "1").mkdir(parents=True)
        (clone / "inv").write_text(f"#!/bin/sh\nfor word; do last=$word; done\n{inv}\n")
        (clone / "inv").chmod(0o755)
        words = ("bench", "--only", "a b")
        script = batch_script(
            request(folder=self.folder, clone=clone, words=words, each_gpu=each_gpu)
        )
        (self.folder / "job.sh").write_text(script)
        self.bin = path / "bin"

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", self.folder / "job.sh", *words], text=True, check=False, capture_output=True,
            env={"PATH": path, "SLURM_JOB_ID": "42", "SLURMD_NODENAME": "n1", **env},
        )  # fmt: skip

    def of(self, node: str) -> Path:
        return self.folder / "nodes" / node / "1"


TELL = 'echo "$LAB_RESULTS|$LAB_STATE|$*" >"$last"'


def test_script_runs_the_clone_and_leaves_marks_and_a_result(tmp_path: Path) -> None:
    clone = Clone(tmp_path, TELL)
    done = clone("n1", "1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    here = clone.of("n1")
    assert (here / "begun").read_text() == "42\n"
    assert (here / "ended").exists()
    assert (here / "result.json").read_text() == (
        f"{here}|/shared/pytorch lab/.lab|bench --only a b --output {here}/result.json\n"
    )


def test_script_of_a_chunk_runs_on_each_node_with_its_own_folder(tmp_path: Path) -> None:
    clone = Clone(tmp_path, TELL)
    clone.bin.mkdir()
    (clone.bin / "srun").write_text(
        '#!/bin/sh\nwhile [ "$1" != sh ]; do shift; done\n'
        'for node in n1 n2; do SLURMD_NODENAME=$node "$@"; done\n'
    )
    (clone.bin / "srun").chmod(0o755)
    done = clone("--each", "n1", "1", "n2", "1", SLURM_JOB_NUM_NODES="2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for node in ("n1", "n2"):
        assert (clone.of(node) / "result.json").read_text().startswith(f"{clone.of(node)}|")
        assert (clone.of(node) / "ended").exists()


def test_script_that_fails_leaves_its_mark_and_its_words(tmp_path: Path) -> None:
    clone = Clone(tmp_path, "echo no torch >&2; exit 2")
    assert clone("n1", "1").returncode == 2
    assert (clone.of("n1") / "ended").exists()
    assert (clone.of("n1") / "log.txt").read_text() == "no torch\n"


def test_script_that_a_signal_ends_leaves_no_mark_of_its_end(tmp_path: Path) -> None:
    clone = Clone(tmp_path, "kill -TERM $PPID")
    assert clone("n1", "1").returncode == -15
    assert (clone.of("n1") / "begun").exists()
    assert not (clone.of("n1") / "ended").exists()


def test_script_runs_each_gpu_in_its_turn_and_reads_them_in_the_end(tmp_path: Path) -> None:
    clone = Clone(tmp_path, 'echo "$CUDA_VISIBLE_DEVICES|$1|$LAB_RESULTS" >"$last"', each_gpu=True)
    done = clone("n1", "1", CUDA_VISIBLE_DEVICES="2,GPU-5f7c,7")
    here = clone.of("n1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for part, gpu in (("cuda-0", "2"), ("cuda-1", "GPU-5f7c"), ("cuda-2", "7")):
        assert (here / part / "result.json").read_text() == f"{gpu}|bench|{here / part}\n"
    assert (here / "gpu.json").read_text() == "2,GPU-5f7c,7|gpu|\n"
    assert not (here / "result.json").exists()


def test_gpu_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    inv = '[ "$CUDA_VISIBLE_DEVICES" = 0 ] && { echo "no memory" >&2; exit 2; }; echo x >"$last"'
    clone = Clone(tmp_path, inv, each_gpu=True)
    assert clone("n1", "1", CUDA_VISIBLE_DEVICES="0,1").returncode == 0
    assert not (clone.of("n1") / "cuda-0" / "result.json").exists()
    assert (clone.of("n1") / "cuda-1" / "result.json").exists()
    assert (clone.of("n1") / "ended").exists()


@pytest.mark.parametrize(("given", "gpu"), [({}, "none"), ({"CUDA_VISIBLE_DEVICES": "3"}, "3")])
def test_one_gpu_has_its_folder_too(tmp_path: Path, given: dict[str, str], gpu: str) -> None:
    clone = Clone(tmp_path, 'echo "${CUDA_VISIBLE_DEVICES-none}" >"$last"', each_gpu=True)
    assert clone("n1", "1", **given).returncode == 0
    assert (clone.of("n1") / "cuda-0" / "result.json").read_text() == f"{gpu}\n"
    assert (clone.of("n1") / "gpu.json").exists()
