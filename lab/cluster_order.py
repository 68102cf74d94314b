"""What the jobs of a run on the nodes of a cluster are to be, and which nodes it is for."""

from collections.abc import Sequence
from math import ceil

from lab.cluster.batch import BatchRequest, batch_script, submission
from lab.cluster.choose import Chosen, choose_nodes
from lab.cluster.folder import new_name, path_of
from lab.cluster.slurm import read_nodes
from lab.cluster_work import Work
from lab.on_nodes import Asked
from lab.paths import ROOT, state
from lab.records.cluster import ClusterPlan


def plan(work: Work, asked: Asked) -> ClusterPlan:
    """The script and the submissions, of which nothing is done.

    Raises:
        LabError: it could not be done so.
    """
    chosen = chosen_nodes(asked)
    request = request_of(work, asked, new_name())
    return ClusterPlan(
        script=batch_script(request), nodes=list(chosen.nodes),
        submissions=_submissions(request, chosen.to_submit, asked.site.parallel),
    )  # fmt: skip


def _submissions(
    request: BatchRequest, nodes: Sequence[str], parallel: int | None
) -> list[list[str]]:
    """The command lines; one that is to wait for another job names that one's node for it."""
    rows, script = parallel or len(nodes), batch_script(request)
    return [
        submission(request.name, request.folder, script, node, 1, after)
        for node, after in zip(nodes, [*[""] * rows, *[f"JOB_OF_{n}" for n in nodes]], strict=False)
    ]


def chosen_nodes(asked: Asked) -> Chosen:
    """The nodes of a new run."""
    assert asked.nodes is not None
    return choose_nodes(
        asked.nodes, read_nodes(asked.site.partition), asked.site.partition, asked.site.constraint
    )


def request_of(work: Work, asked: Asked, name: str) -> BatchRequest:
    """What the job of each node is to be."""
    site = asked.site
    return BatchRequest(
        name=name, folder=path_of(name), clone=ROOT, state=state().absolute(), words=work.words,
        partition=site.partition, account=site.account, constraint=site.constraint,
        time=site.time or str(ceil(work.seconds / 60)),
        exclusive=site.exclusive, options=tuple(site.options),
    )  # fmt: skip
