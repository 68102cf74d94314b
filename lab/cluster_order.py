"""What the jobs of a run on the nodes of a cluster are to be, and which nodes it is for."""

from collections.abc import Iterator, Mapping
from math import ceil

from lab.cluster.batch import BatchRequest, batch_script, submission
from lab.cluster.choose import Chosen, choose_nodes
from lab.cluster.folder import new_name, path_of
from lab.cluster.network_batch import gpus_between, network_script, network_submission
from lab.cluster.slurm import read_gpus, read_nodes
from lab.cluster.submit import groups_of
from lab.cluster_network import LEAST, network_request
from lab.cluster_work import Work
from lab.on_nodes import Asked
from lab.paths import ROOT, state
from lab.records.cluster import ClusterPlan, Limits

# Beyond its budget: torch's start on a busy file system, a case's own set-up.
_ALLOWANCE_S = 900


def plan(work: Work, asked: Asked) -> ClusterPlan:
    """The script and the submissions, of which nothing is done.

    Raises:
        LabError: it could not be done so.
    """
    chosen = chosen_nodes(asked)
    gpus = gpus_of(asked, chosen)
    request = request_of(work, asked, new_name(), gpus)
    script = network_job(work, request, asked)
    return ClusterPlan(
        script=batch_script(request), nodes=list(chosen.nodes),
        submissions=list(_submissions(request, chosen, gpus, asked.limits)),
        network_script=script or None,
        network_submission=_network_submission(script, request, chosen, gpus) if script else None,
    )  # fmt: skip


def network_job(work: Work, request: BatchRequest, asked: Asked) -> str:
    """The script of the job between the nodes; empty where none is wanted.

    Args:
        work: what every node is to do.
        request: of the jobs of the nodes.
        asked: what was typed for the cluster.
    """
    order, place = work.network, work.place
    if order is None or place is None or not asked.network:
        return ""
    between = network_request(request, order, place.words, asked.site.time)
    return network_script(between, max(order.meet_s, order.patience_s))


def _network_submission(
    script: str, request: BatchRequest, chosen: Chosen, gpus: Mapping[str, int]
) -> list[str] | None:
    """The command line of the job between the nodes; None where they are too few."""
    nodes = chosen.to_submit
    if len(nodes) < LEAST:
        return None
    return network_submission(
        script, request.folder / "network", name=request.name, nodes=nodes, attempt=1,
        gpus=gpus_between(nodes, gpus),
    )  # fmt: skip


def _submissions(
    request: BatchRequest, chosen: Chosen, gpus: Mapping[str, int], limits: Limits
) -> Iterator[list[str]]:
    """The command lines; one that is to wait for another job names that one's first node for it."""
    script = batch_script(request)
    jobs = list(groups_of(chosen.to_submit, gpus, limits))
    rows = limits.rows or len(jobs)
    in_rows = len(jobs) <= (limits.max_submit or len(jobs))
    for number, nodes in enumerate(jobs):
        after = f"JOB_OF_{jobs[number - rows][0]}" if in_rows and number >= rows else ""
        yield submission(
            script, request.folder, name=request.name, group=f"{nodes[0]}/1", after=after,
            nodes=dict.fromkeys(nodes, 1), gpus=gpus.get(nodes[0], 0),
        )  # fmt: skip


def gpus_of(asked: Asked, chosen: Chosen) -> dict[str, int]:
    """How many GPUs the job of each node asks for, where it asks for any.

    Where nothing was said of it, what reads the GPUs asks for all: Slurm may show a job no others.

    Raises:
        LabError: Slurm does not answer.
    """
    wish = asked.site.gpus_per_node or ("all" if asked.kind == "gpu" else None)
    if wish is None:
        return {}
    if wish != "all":
        return dict.fromkeys(chosen.nodes, wish)
    known = read_gpus()
    return {node: known[node] for node in chosen.nodes if node in known}


def chosen_nodes(asked: Asked) -> Chosen:
    """The nodes of a new run."""
    assert asked.nodes is not None
    return choose_nodes(
        asked.nodes, read_nodes(asked.site.partition), asked.site.partition, asked.site.constraint
    )


def request_of(work: Work, asked: Asked, name: str, gpus: Mapping[str, int]) -> BatchRequest:
    """What the job of each node is to be.

    Args:
        work: what a node does.
        asked: what was typed.
        name: of the run.
        gpus: that the jobs ask for on each node.
    """
    site = asked.site
    # A job that has its node to itself is given all of its GPUs, asked for or not.
    given = gpus or (read_gpus() if work.each_gpu and site.exclusive else {})
    turns = max(given.values(), default=1) if work.each_gpu else 1
    seconds = work.budget_s * turns + _ALLOWANCE_S
    return BatchRequest(
        name=name, folder=path_of(name), clone=ROOT, state=state().absolute(), words=work.words,
        each_gpu=work.each_gpu,
        partition=site.partition, account=site.account, constraint=site.constraint,
        time=site.time or str(ceil(seconds / 60)),
        exclusive=site.exclusive, options=tuple(site.options),
    )  # fmt: skip
