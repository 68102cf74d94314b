"""Reads what was typed for the nodes of a cluster, and makes of it what their jobs are to be."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from lab.cluster.batch import BatchRequest, batch_script, submission
from lab.cluster.choose import Chosen, choose_nodes
from lab.cluster.folder import new_name, path_of
from lab.cluster.site import Site, read_site
from lab.cluster.slurm import read_nodes
from lab.engines.choose import check_words, choose
from lab.errors import LabError
from lab.launch import Wish
from lab.measure import Order, plan_of
from lab.paths import ROOT, state
from lab.records.cluster import ClusterPlan
from lab.units import parse_whole_number

_MOST_NODES = 100_000
# Beyond its budget: torch's start on a busy file system, a case's own set-up.
_ALLOWANCE_S = 900
_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed for the cluster, over the site's defaults.

    Args:
        nodes: a number, `all` or a list; None where no new run is asked for.
        collect, retry: a run's name or folder.
        site: partition and the rest.
        wait: stay until it has ended.
        argv: the command line, for the record.
    """

    nodes: str | None
    collect: str | None
    retry: str | None
    site: Site
    wait: bool
    argv: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether it is about a cluster at all."""
        return (self.nodes, self.collect, self.retry) != (None, None, None)


def parse_asked(
    *,
    nodes: str | None,
    collect: str | None,
    retry: str | None,
    partition: str,
    account: str,
    time: str,
    constraint: str,
    exclusive: bool,
    parallel: str,
    no_wait: bool,
    argv: Sequence[str],
    variables: Mapping[str, str],
) -> Asked:
    """Read what was typed.

    Raises:
        LabError: something of it makes no sense, or the site's file does not.
    """
    from msgspec.structs import replace

    for option, value in (("--nodes", nodes), ("--collect", collect), ("--retry", retry)):
        if value is not None and not value.strip():
            raise LabError(
                f"{option} is given nothing.",
                why="what follows it is empty",
                next_step="./inv bench --nodes 4, ./inv bench --collect RUN",
            )
    options = {
        "--partition": partition, "--account": account, "--time": time,
        "--constraint": constraint, "--exclusive": exclusive, "--parallel": parallel,
        "--no-wait": no_wait,
    }  # fmt: skip
    given = [name for name, value in options.items() if value]
    if (nodes, collect, retry) == (None, None, None):
        if given:
            raise LabError(
                f"{given[0]} is for the nodes of a cluster.",
                why="neither --nodes nor --collect nor --retry is given",
                next_step=f"./inv bench --nodes all {given[0]} …, or leave it out",
            )
        return Asked(nodes=None, collect=None, retry=None, site=Site(), wait=True, argv=())
    site = read_site(variables)
    site = replace(
        site, partition=partition or site.partition, account=account or site.account,
        time=time or site.time, constraint=constraint or site.constraint,
        exclusive=exclusive or site.exclusive,
        parallel=parse_whole_number(parallel, "--parallel", least=1, most=_MOST_NODES)
        if parallel else site.parallel,
    )  # fmt: skip
    return Asked(
        nodes=nodes, collect=collect, retry=retry, site=site, wait=not no_wait, argv=tuple(argv)
    )


def plan(order: Order, asked: Asked) -> ClusterPlan:
    """The script and the submissions, of which nothing is done.

    Raises:
        LabError: it could not be done so.
    """
    chosen = chosen_nodes(order, asked)
    request = request_of(order, asked, new_name())
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


def chosen_nodes(order: Order, asked: Asked) -> Chosen:
    """The nodes of a new run; whatever is wrong with the speed tests shows first."""
    assert asked.nodes is not None
    plan_of(order, "cpu")
    if order.where.engine not in ("auto", "host"):
        check_words(order.where.engine, order.where.device)
        raise LabError(
            f"The engine {order.where.engine} is not used on the nodes of a cluster yet.",
            why="their jobs run in the locked environment, which is on the shared folder",
            next_step="leave --engine out, or pass --engine host",
        )
    return choose_nodes(
        asked.nodes, read_nodes(asked.site.partition), asked.site.partition, asked.site.constraint
    )


def request_of(order: Order, asked: Asked, name: str) -> BatchRequest:
    """What the job of each node is to be."""
    site = asked.site
    return BatchRequest(
        name=name, folder=path_of(name), clone=ROOT, state=state().absolute(),
        words=node_words(order, _device(order.where), secrets.randbelow(_SEEDS)),
        partition=site.partition, account=site.account, constraint=site.constraint,
        time=site.time or str(ceil((order.seconds + _ALLOWANCE_S) / 60)),
        exclusive=site.exclusive, options=tuple(site.options),
    )  # fmt: skip


def node_words(order: Order, device: str, seed: int) -> tuple[str, ...]:
    """What the job of each node has ./inv do; data and order are the same on all of them."""
    valued = {
        "--only": order.only,
        "--size": ",".join(map(str, order.sizes)),
        "--dtype": ",".join(order.dtypes),
        "--budget": f"{order.budget_s:g}" if order.budget_s else "",
        "--precision": f"{order.precision_percent:g}",
        "--threads": str(order.threads or ""),
        "--seed": str(seed if order.seed is None else order.seed),
    }
    level = [] if order.level == "default" else [f"--{order.level}"]
    given = [word for name, value in valued.items() if value for word in (name, value)]
    return ("bench", "--engine", "host", "--device", device, *level, *given)


def _device(where: Wish) -> str:
    """The one device of all nodes: what was asked for, else what this machine has."""
    check_words("host", where.device)
    if where.device == "mps":
        raise LabError(
            "Slurm's nodes have no device mps.",
            why="it is Apple's GPU",
            next_step="pass --device cpu or --device cuda",
        )
    return choose("host").device if where.device == "auto" else where.device
