"""What `inv bench --nodes` does between the nodes, once they have been measured one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from lab.cluster.batch import BatchRequest
from lab.cluster.folder import RunFolder
from lab.cluster.follow import Follower
from lab.cluster.look import Jobs, look_at_jobs
from lab.cluster.network_folder import NetworkFolder, network_of, ranks_of
from lab.cluster.network_merge import merge_network
from lab.cluster.slurm import read_nodes
from lab.errors import LabError
from lab.records.cluster import ClusterReport
from lab.records.network import Network, NetworkOrder

if TYPE_CHECKING:
    from lab.bench.case import Level
    from lab.measure import Order

_BUDGET_S: dict["Level", float] = {"quick": 20.0, "default": 60.0, "full": 300.0}
# 1 KiB to 4 MiB, 64 MiB and 256 MiB.
_SIZES: dict["Level", list[int]] = {
    "quick": [1 << power for power in (10, 16, 22)],
    "default": [1 << power for power in range(10, 27, 2)],
    "full": [1 << power for power in range(10, 29, 2)],
}
# Large enough that the start of an exchange counts for little.
_PAIR_BYTES = {"cpu": 4 << 20, "cuda": 64 << 20}
# Beyond its budget: the start of all ranks, and what cannot be cut short.
_ALLOWANCE_S = 900
# What every node runs; where follows.
RANK_WORDS = ("shell", "--command", "exec python -m lab.network.rank .")
# Fewer nodes have nothing between them.
LEAST = 2
Say = Callable[[str], None]
Step = Callable[[int, int, str], None]
Ask = Callable[[RunFolder], Jobs]


def network_order(order: "Order", device: str, seed: int) -> NetworkOrder:
    """What is measured between the nodes.

    Args:
        order: gives the level, and a budget that is not exceeded.
        device: of the nodes, cpu or cuda.
        seed: of the order, where it has none of its own.
    """
    most_s = _BUDGET_S[order.level]
    return NetworkOrder(
        device="cuda" if device == "cuda" else "cpu", sizes_bytes=_SIZES[order.level],
        pair_bytes=_PAIR_BYTES[device],
        budget_s=min(most_s, order.budget_s or most_s),
        seed=seed if order.seed is None else order.seed,
    )  # fmt: skip


def network_request(
    request: BatchRequest, order: NetworkOrder, place: Sequence[str], time: str
) -> BatchRequest:
    """What the job between the nodes is to be.

    Args:
        request: of the jobs of the nodes.
        order: what the ranks are to do.
        place: the words of ./inv that say where they run.
        time: that a job may take, as sbatch takes it; empty leaves it to us.
    """
    seconds = 2 * order.budget_s + _ALLOWANCE_S
    return replace(request, time=time or str(ceil(seconds / 60)), words=(*RANK_WORDS, *place))


def measure_between(
    run: RunFolder, report: ClusterReport, *, again: bool, step: Step, say: Say
) -> None:
    """Submit the job between the nodes that are well, unless that was done, and wait for its end.

    Args:
        run: the run; its nodes are settled.
        report: what was made of them.
        again: submit another one where the last one is not complete, or has other nodes.
        step: takes progress.
        say: takes lines that stay.
    """
    nodes = healthy(report)
    folder = network_of(run, nodes)
    if folder is None:
        return
    tries = len(folder.tries)
    if tries:
        _follow(folder, step, say)
    if tries and not (again and _lacking(folder, nodes)):
        return
    if len(nodes) < LEAST:
        say(f"between the nodes nothing is measured: {len(nodes)} of them is well")
        return
    try:
        read_nodes()
    except LabError as error:
        say(f"between the nodes nothing can be measured from here: {error.why}")
        return
    say(f"measuring between {len(nodes)} nodes")
    folder.want_one(after=tries)
    _follow(folder, step, say)


def healthy(report: ClusterReport) -> list[str]:
    """The nodes that take part: those that are complete, and not slow by themselves."""
    return [n.name for n in report.nodes if n.state == "ok" and n.verdict in ("ok", "unknown")]


def network_record(
    run: RunFolder, report: ClusterReport, ask: Ask, *, wanted: bool = True
) -> Network | None:
    """What was measured between the nodes, as far as it is; None where nothing was to be.

    Args:
        run: the run.
        report: what was made of its nodes.
        ask: finds the jobs of a folder, or raises LabError where Slurm does not answer.
    """
    folder = network_of(run)
    if folder is None or not (wanted or folder.tries):
        return None
    if not folder.tries and len(healthy(report)) < LEAST and report.complete:
        few = f"fewer than {LEAST} nodes are well"
        return Network(state="left_out", reasons=[few])
    return merge_network(folder, ask(folder))


def _lacking(folder: NetworkFolder, nodes: Sequence[str]) -> bool:
    """Whether another attempt could bring more than the last one did."""
    done = merge_network(folder, look_at_jobs(folder, thorough=True))
    return done.state != "ok" or set(done.nodes) != set(nodes)


def _follow(folder: NetworkFolder, step: Step, say: Say) -> None:
    def told(done: int, total: int, words: str) -> None:
        step(done, total, f"between the nodes: {_where(folder) or words}")

    Follower(run=folder, step=told, say=say).wait()


def _where(folder: NetworkFolder) -> str:
    """What the first rank does now; empty where it has not begun."""
    last = folder.tries[-1]
    ranks = ranks_of(last, most=1)
    return ranks[0].step.step if ranks and ranks[0].step else ""
