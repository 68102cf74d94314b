"""What every node of a run has ./inv do: the speed tests, its GPUs' verdicts, or the checks."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.cluster_network import network_order
from lab.cluster_place import Place, place_of
from lab.records.cluster import Kind
from lab.records.network import NetworkOrder

if TYPE_CHECKING:
    from lab import autograd_command, gpu_command, measure
    from lab.cluster.site import Site

_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every node is to do.

    Args:
        kind: the task of ./inv.
        words: the command line after ./inv, without where its result goes.
        budget_s: that it may take, for each GPU that has its turn.
        place: the environment or the image that it needs; None: ./inv's own environment.
        each_gpu: whether it is about one GPU, and each of them has its turn.
        network: what is measured between the nodes afterwards; None: nothing.
    """

    kind: Kind
    words: tuple[str, ...]
    budget_s: float
    place: Place | None
    each_gpu: bool = False
    network: NetworkOrder | None = None


def bench_work(order: "measure.Order", site: "Site") -> Work:
    """The speed tests, with the same data in the same order on all nodes.

    Raises:
        LabError: it is nothing that could be measured.
    """
    from lab.measure import plan_of

    plan_of(order, "cpu")  # whatever is wrong with the speed tests shows first
    place = place_of(order.where, site)
    seed = secrets.randbelow(_SEEDS)
    words = bench_words(order, place, seed)
    return Work(
        kind="bench", words=words, budget_s=order.seconds, each_gpu=place.device == "cuda",
        place=place, network=network_order(order, place.device, seed),
    )  # fmt: skip


def bench_words(order: "measure.Order", place: Place, seed: int) -> tuple[str, ...]:
    """The words of `./inv bench` on a node."""
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
    return ("bench", *place.words, *level, *_given(valued))


def gpu_work(order: "gpu_command.Order", site: "Site") -> Work:
    """What NVML says of the node's GPUs, right there: the image has no part in it."""
    valued = {"--only": ",".join(order.only), "--deadline": f"{order.deadline_s:g}"}
    slow = ["--throughput"] if order.slow else []
    return Work(kind="gpu", words=("gpu", *slow, *_given(valued)), budget_s=60, place=None)


def autograd_work(order: "autograd_command.Order", site: "Site") -> Work:
    """The checks of gradients; a person's function has to be on a folder that the nodes share.

    Raises:
        LabError: they cannot be made so.
    """
    from lab.aim import absolute

    place, request = place_of(order.where, site), order.request
    valued = {
        "--only": ",".join(request.only),
        "--target": absolute(order.target) if order.target else "",
        "--shapes": ",".join("x".join(map(str, shape)) for shape in request.shapes),
        "--order": str(request.order) if order.target else "",
        "--budget": f"{request.budget_s:g}" if order.target else "",
        "--seed": str(request.seed),
        "--language": request.language,
    }
    words = ("autograd", *place.words, *_given(valued))
    return Work(
        kind="autograd", words=words, budget_s=2 * request.budget_s, place=place,
    )  # fmt: skip


def _given(valued: dict[str, str]) -> list[str]:
    return [word for name, value in valued.items() if value for word in (name, value)]
