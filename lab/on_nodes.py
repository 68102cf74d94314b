"""The options of a task for the nodes of a cluster, as they were typed."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.cluster.site import Site, read_site
from lab.errors import LabError
from lab.launch import Wish
from lab.records.cluster import Kind, Limits
from lab.units import parse_whole_number

_MOST_NODES = 100_000
# What each task can use of its own options on every node, and in its other ways.
_ON_EACH: dict[Kind, set[str]] = {
    "bench": {
        "quick", "full", "only", "size", "dtype", "budget", "precision", "threads", "seed", "image",
        "base", "no-network",
    },
    "gpu": {"only", "deadline", "throughput"},
    "autograd": {"only", "target", "shapes", "order", "budget", "seed", "image", "base"},
}  # fmt: skip
_OTHERWISE = {
    "show": {"compare", "report", "force"},
    "selftest": {"budget", "threads", "seed", "precision"},
}
# What can be made of what the nodes left.
_AFTERWARDS: dict[Kind, set[str]] = {
    "bench": {"reference", "report"}, "gpu": set(), "autograd": set()
}  # fmt: skip
_WAYS = ("nodes", "collect", "retry")
_LIMITS = {"parallel", "chunk", "max-submit"}
_PLACING = {"partition", "account", "time", "constraint", "exclusive", "gpus-per-node"} | _LIMITS


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed for the cluster, over the site's defaults.

    Args:
        kind: the task that was typed.
        nodes: a number, `all` or a list; None where no new run is asked for.
        collect, retry: a run's name or folder.
        site: partition and the rest.
        limits_typed: whether any of them is not the site's.
        wait: stay until it has ended.
        network: measure between the nodes too, where the task does.
        argv: the command line, for the record.
        reference: an earlier run to compare with, by name, folder or file.
        where: what draws the pages of a report.
    """

    kind: Kind
    nodes: str | None = None
    collect: str | None = None
    retry: str | None = None
    site: Site = field(default_factory=Site)
    limits_typed: bool = False
    wait: bool = True
    network: bool = True
    argv: tuple[str, ...] = ()
    reference: str | None = None
    where: Wish = field(default_factory=Wish)

    @property
    def any(self) -> bool:
        """Whether it is about a cluster at all."""
        return (self.nodes, self.collect, self.retry) != (None, None, None)

    @property
    def limits(self) -> Limits:
        """How many jobs and nodes there may be at once."""
        site = self.site
        return Limits(parallel=site.parallel, chunk=site.chunk, max_submit=site.max_submit)


def refuse_clash(
    kind: Kind, words: Mapping[str, Any], ways: Mapping[str, bool], asked: Mapping[str, object]
) -> None:
    """Refuse options that exclude each other, rather than leave one of them out without a word.

    Args:
        kind: the task.
        words: the options for the nodes of a cluster, by their parameters' names.
        ways: whether the option of each of the task's other ways was given, such as `--cases`.
        asked: the task's other options, by their own names.

    Raises:
        LabError: two of them exclude each other.
    """
    ways = {**ways, **{way: words[way] is not None for way in _WAYS}}
    placing = {name.replace("_", "-"): on for name, on in words.items() if name not in _WAYS}
    given = [name for name, on in ways.items() if on]
    if asked.get("reference") and not given:
        _refuse_placing(kind, {"reference": True})
    if given and given[0] not in _WAYS:  # what would be run can be shown of anything
        asked = {**asked, "dry-run": False}
    others = [name for name, on in {**asked, **placing}.items() if on]
    clash = given[1:] or [name for name in others if given and name not in _uses(kind, given[0])]
    if clash:
        raise LabError(
            f"--{given[0]} and --{clash[0]} exclude each other.",
            why=f"--{given[0]} has no use for --{clash[0]}",
            next_step=f"leave one of them out: ./inv {kind} --{given[0]}",
        )


def _uses(kind: Kind, way: str) -> Set[str]:
    """What a way of a task can use of the other options."""
    after = _AFTERWARDS[kind]
    between = _ON_EACH[kind] & {"no-network"}
    of_nodes = {
        "nodes": _ON_EACH[kind] | _PLACING | after | {"no-wait", "dry-run"},
        "collect": after | between | {"no-wait"},
        "retry": after | between | {"no-wait"} | _LIMITS,
    }
    return of_nodes.get(way) or _OTHERWISE.get(way, set())


def parse_asked(
    kind: Kind, words: Mapping[str, Any], argv: Sequence[str], variables: Mapping[str, str]
) -> Asked:
    """Read what was typed.

    Args:
        kind: the task.
        words: the options for the nodes of a cluster, by their parameters' names.
        argv: the command line.
        variables: of the environment.

    Raises:
        LabError: something of it makes no sense, or the site's file does not.
    """
    from msgspec.structs import replace

    for way in _WAYS:
        if words[way] is not None and not words[way].strip():
            raise LabError(
                f"--{way} is given nothing.",
                why="what follows it is empty",
                next_step=f"./inv {kind} --nodes 4, ./inv {kind} --collect RUN",
            )
    if all(words[way] is None for way in _WAYS):
        _refuse_placing(kind, words)
        return Asked(kind=kind)
    site = read_site(variables)
    numbers = {
        name: parse_whole_number(words[name], f"--{option}", least=1, most=_MOST_NODES)
        for option in sorted(_LIMITS) if words[name := option.replace("-", "_")]
    }  # fmt: skip
    site = replace(
        site, partition=words["partition"] or site.partition,
        account=words["account"] or site.account, time=words["time"] or site.time,
        constraint=words["constraint"] or site.constraint,
        exclusive=words["exclusive"] or site.exclusive,
        gpus_per_node=_gpus(words["gpus_per_node"]) or site.gpus_per_node, **numbers,
    )  # fmt: skip
    return Asked(
        kind=kind, nodes=words["nodes"], collect=words["collect"], retry=words["retry"], site=site,
        limits_typed=bool(numbers), wait=not words["no_wait"],
        network=not words.get("no_network"), argv=tuple(argv),
    )  # fmt: skip


def _gpus(text: str) -> int | Literal["all", ""]:
    if text in ("", "all"):
        return "all" if text else ""
    if not text.isdecimal():
        raise LabError(
            f"--gpus-per-node cannot be {text!r}.",
            why="it is a whole number, or `all` that Slurm knows on each node",
            next_step="pass one, such as --gpus-per-node 4 or --gpus-per-node all",
        )
    return parse_whole_number(text, "--gpus-per-node", least=1, most=1024)


def _refuse_placing(kind: Kind, words: Mapping[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in words.items() if value]
    if given:
        raise LabError(
            f"{given[0]} is for the nodes of a cluster.",
            why="neither --nodes nor --collect nor --retry is given",
            next_step=f"./inv {kind} --nodes all {given[0]} …, or leave it out",
        )
