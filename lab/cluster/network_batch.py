"""The batch script of the measurement between nodes. Makes text; starts nothing."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.cluster.batch import BEGUN, ENDED, LOG, BatchRequest, options_of
from lab.cluster.nodelist import compress

# After one rank has ended the others have so long, beside their own patience, to end too.
_GRACE_S = 30


def network_script(request: BatchRequest, patience_s: float) -> str:
    """The script of the one job over all nodes; it is told the number of the attempt.

    A rank that dies must not have the others killed (-K0): they notice, and write down how far they
    were, from which it shows who stopped first.

    Args:
        request: its words are what every node runs, in the folder of the attempt.
        patience_s: of the ranks, the longest: those that never met wait for that.
    """
    folder = shlex.quote(str(request.folder / "network"))
    lines = ["--ntasks-per-node=1", "--no-requeue", "--open-mode=append", *request.lines()]
    srun = [
        "srun", "--ntasks-per-node=1", "--kill-on-bad-exit=0", "--label", "--cpu-bind=none",
        "--mpi=none", f"--wait={int(patience_s) + _GRACE_S}",
    ]  # fmt: skip
    return "\n".join(
        [
            "#!/bin/sh",
            *[f"#SBATCH {line}" for line in lines],
            "# Argument: the number of the attempt.",
            "set -eu",
            f'here={folder}/"$1"',
            f"trap ': >\"$here/{ENDED}\"' EXIT",
            f'printf "%s\\n" "$SLURM_JOB_ID" >"$here/.{BEGUN}"',
            f'mv "$here/.{BEGUN}" "$here/{BEGUN}"',
            f"export LAB_STATE={shlex.quote(str(request.state))}",
            f"cd {shlex.quote(str(request.clone))}",
            f'{shlex.join(srun)} ./inv {shlex.join(request.words)} --work "$here"',
            "",
        ]
    )


def gpus_between(nodes: Sequence[str], gpus: Mapping[str, int]) -> int:
    """How many GPUs the one job asks for on each of its nodes: as many as all of them have."""
    return min((gpus.get(node, 0) for node in nodes), default=0)


def network_submission(
    script: str, folder: Path, *, name: str, nodes: Sequence[str], attempt: int, gpus: int = 0
) -> list[str]:
    """The command line that submits the job over all nodes.

    Args:
        script: what is in the script.
        folder: of the run's network, with the script in it.
        name: of the run.
        nodes: those that are to take part.
        attempt: its number.
        gpus: that it asks for on each node.
    """
    # In a name of a file, sbatch replaces what follows a %.
    log = str(folder / str(attempt) / LOG).replace("%", "%%")
    return [
        "sbatch", "--parsable", *options_of(script), f"--job-name={name}",
        f"--comment=network/{attempt}", f"--nodes={len(nodes)}", f"--ntasks={len(nodes)}",
        f"--nodelist={compress(nodes)}", f"--output={log}",
        *([f"--gpus-per-node={gpus}"] if gpus else []), str(folder / "job.sh"), str(attempt),
    ]  # fmt: skip
