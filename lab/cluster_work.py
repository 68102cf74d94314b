"""What every node of a run has ./inv do: the speed tests, its GPUs' verdicts, or the checks."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab.engines.choose import check_words, choose
from lab.errors import LabError
from lab.launch import Wish
from lab.records.cluster import Kind

if TYPE_CHECKING:
    from lab import autograd_command, gpu_command, measure

_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every node is to do.

    Args:
        kind: the task of ./inv.
        words: the command line after ./inv, without where its result goes.
        budget_s: that it may take, for each GPU that has its turn.
        packages: the environment that it needs; None: that of ./inv itself.
        each_gpu: whether it is about one GPU, and each of them has its turn.
    """

    kind: Kind
    words: tuple[str, ...]
    budget_s: float
    packages: Literal["cpu", "cuda"] | None
    each_gpu: bool = False


def bench_work(order: "measure.Order") -> Work:
    """The speed tests, with the same data in the same order on all nodes.

    Raises:
        LabError: it is nothing that could be measured.
    """
    from lab.measure import plan_of

    plan_of(order, "cpu")  # whatever is wrong with the speed tests shows first
    device = _device(order.where)
    words = bench_words(order, device, secrets.randbelow(_SEEDS))
    return Work(
        kind="bench", words=words, budget_s=order.seconds, each_gpu=device == "cuda",
        packages=_packages(device),
    )  # fmt: skip


def bench_words(order: "measure.Order", device: str, seed: int) -> tuple[str, ...]:
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
    return ("bench", "--engine", "host", "--device", device, *level, *_given(valued))


def gpu_work(order: "gpu_command.Order") -> Work:
    """What NVML says of the node's GPUs."""
    valued = {"--only": ",".join(order.only), "--deadline": f"{order.deadline_s:g}"}
    slow = ["--throughput"] if order.slow else []
    return Work(kind="gpu", words=("gpu", *slow, *_given(valued)), budget_s=60, packages=None)


def autograd_work(order: "autograd_command.Order") -> Work:
    """The checks of gradients; a person's function has to be on a folder that the nodes share.

    Raises:
        LabError: they cannot be made so.
    """
    from lab.aim import absolute

    device, request = _device(order.where), order.request
    valued = {
        "--only": ",".join(request.only),
        "--target": absolute(order.target) if order.target else "",
        "--shapes": ",".join("x".join(map(str, shape)) for shape in request.shapes),
        "--order": str(request.order) if order.target else "",
        "--budget": f"{request.budget_s:g}" if order.target else "",
        "--seed": str(request.seed),
        "--language": request.language,
    }
    words = ("autograd", "--engine", "host", "--device", device, *_given(valued))
    return Work(
        kind="autograd", words=words, budget_s=2 * request.budget_s,
        packages=_packages(device),
    )  # fmt: skip


def _given(valued: dict[str, str]) -> list[str]:
    return [word for name, value in valued.items() if value for word in (name, value)]


def _packages(device: str) -> Literal["cpu", "cuda"]:
    return "cuda" if device == "cuda" else "cpu"


def _device(where: Wish) -> str:
    """The one device of all nodes: what was asked for, else what this machine has.

    Raises:
        LabError: the nodes cannot have it.
    """
    check_words(where.engine, where.device)
    if where.engine not in ("auto", "host"):
        raise LabError(
            f"The engine {where.engine} is not used on the nodes of a cluster yet.",
            why="their jobs run in the locked environment, which is on the shared folder",
            next_step="leave --engine out, or pass --engine host",
        )
    check_words("host", where.device)
    if where.device == "mps":
        raise LabError(
            "Slurm's nodes have no device mps.",
            why="it is Apple's GPU",
            next_step="pass --device cpu or --device cuda",
        )
    return choose("host").device if where.device == "auto" else where.device
