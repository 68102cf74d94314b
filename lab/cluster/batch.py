"""The batch script and its submission, from a frozen request. Makes text; starts nothing."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.nodelist import compress
from lab.cluster.wishes import Wishes

BEGUN = "begun"
RESULT = "result.json"
ENDED = "ended"
LOG = "log.txt"
PROGRESS = "progress.json"
# In the folder of the first node of a job for several: what srun said.
JOB_LOG = "job.txt"
EACH = "--each"
# A folder for each GPU that is measured, and what NVML said of all of them in the end.
PART = "cuda-"
GPUS = "gpu.json"


@dataclass(frozen=True, kw_only=True)
class BatchRequest(Wishes):
    """What every job of a run is to be.

    Args:
        name: of the run; all its jobs have it.
        folder: of the run, on a file system that the nodes share.
        clone: whose ./inv the nodes run.
        state: the folder of the environments, shared as well.
        words: the command line after ./inv, without where its results go.
        each_gpu: run it once for each GPU that the job is given, one after the other; then read
            the GPUs.
    """

    name: str
    folder: Path
    clone: Path
    state: Path
    words: tuple[str, ...]
    each_gpu: bool = False


def batch_script(request: BatchRequest) -> str:
    """The script of every job; it is told its nodes, and the number of each one's attempt.

    A job of several nodes starts itself once on each of them, and goes on without one that fails. A
    requeue would begin again in the same file, and an exit code says nothing (srun ends with 0
    where a node failed): what counts is what each node leaves in its folder.
    """
    lines = ["--ntasks-per-node=1", "--no-requeue", "--open-mode=append", *request.lines()]
    folder = shlex.quote(str(request.folder))
    return "\n".join(
        [
            "#!/bin/sh",
            *[f"#SBATCH {line}" for line in lines],
            "# Arguments: a node as Slurm calls it, and the number of the attempt at it. A job of",
            f"# several nodes is told `{EACH}` and then both of each of them.",
            "set -eu",
            f'if [ "$1" = {EACH} ]; then',
            "  shift",
            '  exec srun --no-kill --kill-on-bad-exit=0 --nodes="$SLURM_JOB_NUM_NODES" \\',
            # A site may have tasks killed that go on after the first has ended.
            "    --wait=0 --ntasks-per-node=1 --cpu-bind=none --mpi=none \\",
            f'    sh {folder}/job.sh "$@"',
            "fi",
            'while [ "$1" != "$SLURMD_NODENAME" ]; do shift 2; done',
            f'here={folder}/nodes/"$1"/"$2"',
            f'exec >>"$here/{LOG}" 2>&1',
            # A signal that ends the script leaves no such mark.
            f"trap ': >\"$here/{ENDED}\"' EXIT",
            f'printf "%s\\n" "$SLURM_JOB_ID" >"$here/.{BEGUN}"',
            f'mv "$here/.{BEGUN}" "$here/{BEGUN}"',
            f"export LAB_STATE={shlex.quote(str(request.state))}",
            f'export LAB_PROGRESS="$here/{PROGRESS}"',
            f"cd {shlex.quote(str(request.clone))}",
            "run() {",
            f'  LAB_RESULTS="$1" ./inv {shlex.join(request.words)} --output "$1/{RESULT}"',
            "}",
            *(_EACH_GPU if request.each_gpu else ['run "$here"']),
            "",
        ]
    )


# Together they would share processors, memory and links. Their folders are there before the first
# of them is measured: they say how many results there will be. Where Slurm hides none of them, the
# first one is measured.
_EACH_GPU = (
    'set -- $(printf %s "${CUDA_VISIBLE_DEVICES:-}" | tr , " ")',
    '[ "$#" -gt 0 ] || set -- ""',
    "number=0",
    f'for gpu; do mkdir "$here/{PART}$number"; number=$((number + 1)); done',
    "number=0",
    "for gpu; do",
    '  ([ -z "$gpu" ] || export CUDA_VISIBLE_DEVICES="$gpu"',
    f'  run "$here/{PART}$number") || :',
    "  number=$((number + 1))",
    "done",
    f'./inv gpu --output "$here/{GPUS}" || :',
)


def options_of(script: str) -> list[str]:
    """The options of sbatch that a script has.

    They are given on the command line too: there they hold, in a script a variable such as
    SBATCH_PARTITION of the one who submits would be stronger.
    """
    start = "#SBATCH "
    return [line.removeprefix(start) for line in script.splitlines() if line.startswith(start)]


def submission(
    script: str, folder: Path, *, name: str, group: str, nodes: Mapping[str, int], after: str = "",
    gpus: int = 0,
) -> list[str]:  # fmt: skip
    """The command line that submits a job.

    Args:
        script: what is in the script.
        folder: of the run, with the script in it.
        name: of the run.
        group: what the job is for; it is found by that later.
        nodes: the ones that it is for, and the number of the attempt at each.
        after: number of the job that has to end first, however it ends.
        gpus: that it asks for on each node.
    """
    first, several = next(iter(nodes)), len(nodes) > 1
    log = folder / "nodes" / first / str(nodes[first]) / (JOB_LOG if several else LOG)
    return [
        "sbatch", "--parsable", *options_of(script), f"--job-name={name}", f"--comment={group}",
        f"--nodes={len(nodes)}", f"--nodelist={compress(nodes)}",
        # In a name of a file, sbatch replaces what follows a %.
        f"--output={str(log).replace('%', '%%')}",
        *(["--no-kill"] if several else []),
        *([f"--gpus-per-node={gpus}"] if gpus else []),
        *([f"--dependency=afterany:{after}"] if after else []),
        str(folder / "job.sh"), *([EACH] if several else []),
        *[word for node, attempt in nodes.items() for word in (node, str(attempt))],
    ]  # fmt: skip
