"""Makes the record of a run from the files of its nodes; it can be made anew at any time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from lab.cluster.checks import judge_checks
from lab.cluster.compare import judge_speed
from lab.cluster.folder import RunFolder
from lab.cluster.gather import Gathered, Judged, bare_node, gather
from lab.cluster.gpus import judge_gpus
from lab.cluster.look import Jobs, last_attempts, look_at
from lab.cluster.states import phase_of
from lab.records.cluster import ClusterReport, Kind, Node

Judge = Callable[[Sequence[Node], Mapping[str, Gathered], float], Judged]

_JUDGES: Mapping[Kind, Judge] = {
    "bench": judge_speed,
    "gpu": judge_gpus,
    "autograd": judge_checks,
}


def merge(run: RunFolder, jobs: Jobs) -> ClusterReport:
    """Gather, compare and judge all nodes of a run.

    Args:
        run: the run.
        jobs: as Slurm knows them.
    """
    attempts = run.attempts()
    gathered = {node: gather(node, run, attempts[node], jobs) for node in run.submitted.nodes}
    bare = [bare_node(name, own, run) for name, own in gathered.items()]
    judge = _JUDGES[run.kind]
    judged = judge(bare, gathered, run.submitted.floor_percent / 100)
    phases = [phase_of(look_at(a, jobs, read=False)) for a in last_attempts(run)]
    return ClusterReport(
        kind=run.kind, run=run.name, folder=str(run.path), argv=run.submitted.argv,
        submitted_utc=run.submitted.submitted_utc,
        collected_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        complete=not {"pending", "running"} & set(phases),
        floor_percent=run.submitted.floor_percent,
        nodes=judged.nodes, cases=judged.cases, odd_ones_out=judged.odd_ones_out,
        setups=judged.setups,
    )  # fmt: skip


def suspects(report: ClusterReport) -> list[str]:
    """The nodes that were slow once, to be run again before they are named."""
    return [node.name for node in report.nodes if node.verdict == "suspect"]
