"""Submits the jobs of a run: so many nodes at once, without anybody who has to stay for it."""

from collections.abc import Callable, Sequence

from lab.cluster.folder import Entry, Purpose, RunFolder
from lab.cluster.slurm import submit
from lab.errors import LabError

Step = Callable[[int, int, str], None]


def submit_nodes(
    run: RunFolder, nodes: Sequence[str], purpose: Purpose, parallel: int | None, step: Step
) -> int:
    """Submit a job for each node; returns how many Slurm took.

    With `parallel` there are so many rows of jobs, in each of which a job waits for the end of the
    one before it, however that comes: Slurm itself goes on when the client is gone.

    Args:
        run: the run.
        nodes: the nodes.
        purpose: why they are measured.
        parallel: nodes at once; None takes all.
        step: takes progress.

    Raises:
        LabError: Slurm took none of them.
    """
    rows = [""] * (parallel or len(nodes))
    attempts = run.attempts()
    refusals: list[str] = []
    taken = ours = 0
    for node in nodes:
        number = max((a.entry.attempt for a in attempts[node]), default=0) + 1
        entry = run.claim(node, number, purpose)
        if entry is None:  # another command that follows this run was quicker
            continue
        row = ours % len(rows)
        ours += 1
        job, refusal = submit(run.submission(entry, rows[row]))
        run.note(_known(entry, job, refusal))
        if job:
            rows[row] = job
            taken += 1
        else:
            refusals.append(refusal)
        step(ours, len(nodes), f"submitting, {taken} of {len(nodes)} taken")
    if refusals and not taken:
        raise LabError(
            "Slurm took none of the jobs.",
            why=refusals[0],
            next_step="look at what was asked for: --partition, --account, --time, --constraint",
        )
    return taken


def _known(entry: Entry, job: str, refusal: str) -> Entry:
    from msgspec.structs import replace

    return replace(entry, job=job, error=refusal and f"Slurm did not take its job: {refusal}")
