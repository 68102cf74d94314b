"""The batch script of a lab on a node, and its submission. Makes text; starts nothing."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from lab.cluster.wishes import Wishes

# Slurm looks at its clock once a minute: the signal comes 30 to 90 s before the time is up, and
# JupyterLab takes up to 10 s to end its kernels.
_LAST_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What the job of a lab is to be.

    Args:
        name: of the lab and of its job.
        folder: of the lab, on a file system that the node shares.
        clone: whose code the node runs.
        state: the folder of the environments, shared as well.
        runner: the runner's own environment.
        wishes: what is asked of Slurm.
    """

    name: str
    folder: Path
    clone: Path
    state: Path
    runner: Path
    wishes: Wishes


def _options(request: JobRequest) -> list[str]:
    # A requeued lab would come up at another address, of which nobody is told.
    fixed = ["--nodes=1", "--ntasks=1", "--no-requeue", "--open-mode=append"]
    return [*fixed, f"--signal=B:USR1@{_LAST_SECONDS}", *request.wishes.lines()]


def job_script(request: JobRequest) -> str:
    """The script. The server is a child of the job's own process, so that it ends with the job.

    No token is in it: the server makes one on the node.
    """
    variables = {
        "LAB_STATE": request.state, "LAB_RUNNER": request.runner, "PYTHONPATH": request.clone,
        "PYTHONNOUSERSITE": 1,
    }  # fmt: skip
    return "\n".join(
        [
            "#!/bin/sh",
            *[f"#SBATCH {option}" for option in _options(request)],
            "set -eu",
            *[f"export {name}={shlex.quote(str(value))}" for name, value in variables.items()],
            f"cd {shlex.quote(str(request.clone))}",
            f"exec {shlex.quote(str(request.runner / 'bin' / 'python'))} -m lab.server.slurm_node"
            f" {shlex.quote(str(request.folder))}",
            "",
        ]
    )


def submission(request: JobRequest) -> list[str]:
    """The command line that submits it.

    The options are in it too: there they hold, in a script a variable such as SBATCH_PARTITION of
    the one who submits would be stronger.
    """
    # In a name of a file, sbatch replaces what follows a %.
    log = str(request.folder / "log.txt").replace("%", "%%")
    return [
        "sbatch", "--parsable", *_options(request), f"--job-name={request.name}",
        f"--output={log}", str(request.folder / "job.sh"),
    ]  # fmt: skip
