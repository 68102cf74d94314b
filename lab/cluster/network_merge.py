"""Makes the record of the measurement between nodes from the files of its ranks."""

from collections.abc import Callable, Iterable, Sequence
from math import expm1
from statistics import median

from lab.cluster.attempt import Attempt
from lab.cluster.judge import LEAST_NODES, scale_of
from lab.cluster.links import LEAST_FLOOR, Link, Links, judge_links
from lab.cluster.look import Jobs, look_at
from lab.cluster.network_folder import NetworkFolder, RankFiles, network_order, ranks_of
from lab.cluster.network_states import rank_states
from lab.cluster.states import BY_ITSELF, end_of, phase_of
from lab.errors import LabError
from lab.records.network import (
    Collective,
    Network,
    NetworkOrder,
    NetworkState,
    Pair,
    Rank,
)

# Bus over algorithm bandwidth for n ranks: what the slowest link of each rank has to carry.
# Source: NVIDIA/nccl-tests, doc/PERFORMANCE.md, for all-reduce, all-gather and send-receive.
_FACTORS: dict[str, Callable[[int], float]] = {
    "all_reduce": lambda n: 2 * (n - 1) / n,
    "all_gather": lambda n: (n - 1) / n,
    "send_recv": lambda n: 1.0,
}


def merge_network(folder: NetworkFolder, jobs: Jobs) -> Network:
    """Gather and judge the last attempt.

    Args:
        folder: of the run's network.
        jobs: as Slurm knows them, of this folder.
    """
    tries = folder.tries
    if not tries:
        return Network(state="never_started", reasons=["it was not submitted yet"])
    last = tries[-1]
    numbers = [number for a in tries if (number := a.entry.job or a.begun())]
    nodes = last.nodes
    if last.entry.error:
        return Network(
            state="never_started", reasons=[last.entry.error], nodes=list(nodes), jobs=numbers
        )
    try:
        order = network_order(folder)
    except LabError as error:  # it costs these figures, not the nodes' own
        return Network(
            state="failed", reasons=[f"{error.what} {error.why}"], nodes=list(nodes), jobs=numbers
        )
    files = ranks_of(last)
    seen = look_at(last, jobs, read=False)
    going = phase_of(seen) in ("pending", "running")
    by_itself = seen.whole or (seen.job is not None and seen.job.state in BY_ITSELF)
    end = "" if going or by_itself else end_of(seen.job)
    states = rank_states(files, going=going, end=end)
    floor = max(folder.submitted.floor_percent / 100, LEAST_FLOOR)
    pairs, links = _pairs(files, order, floor)
    state, reasons = _state([rank for rank, _ in states], last, going=going, end=end)
    named = [f"{rank.node}: {words}" for rank, words in states if words]
    return Network(
        state=state, reasons=[*(named or reasons), *_slowness(links, pairs)],
        backend=next((f.report.backend for f in files if f.report and f.report.backend), ""),
        nodes=list(nodes), pair_bytes=order.pair_bytes,
        ranks=[_placed(rank, f, folder) for (rank, _), f in zip(states, files, strict=True)],
        collectives=_collectives(files), left_out=_left_out(files), pairs=pairs,
        slow_nodes=sorted({n for each in links for n in each.nodes}),
        slow_links=sorted({link for each in links for link in each.links}),
        floor_percent=100 * floor, jobs=numbers,
    )  # fmt: skip


def network_is_well(network: Network | None) -> bool:
    """Whether nothing is missing and nothing slow; also where none was to be measured."""
    if network is None or network.state == "left_out":
        return True
    return network.state == "ok" and not network.slow_nodes and not network.slow_links


def _state(
    ranks: Sequence[Rank], last: Attempt, *, going: bool, end: str
) -> tuple[NetworkState, list[str]]:
    """The state of the whole, and why, where no rank is to be named for it."""
    states = {rank.state for rank in ranks}
    if states == {"ok"}:
        return "ok", []
    if going:
        words = "it still waits" if not last.begun() else "it is still running"
        return "running", [words]
    if not ranks or states == {"never_started"}:
        unsent = "it was not submitted: the command ended before" if not ranks else ""
        return "never_started", [unsent or end or last.last_words()]
    guess = [f"no rank can be named; {rank.node} {rank.reason}" for rank in ranks if rank.reason][
        :1
    ]
    return ("failed" if "failed" in states else "lost"), [end] if end else guess


def _placed(rank: Rank, files: RankFiles, folder: NetworkFolder) -> Rank:
    from msgspec.structs import replace

    if files.path is None:
        return rank
    return replace(rank, file=str(files.path.relative_to(folder.path.parent)))


def _left_out(files: Iterable[RankFiles]) -> list[str]:
    """The sizes that were too dear; all ranks decided alike."""
    return next((rank.report.left_out for rank in files if rank.report), [])


def _collectives(files: Sequence[RankFiles]) -> list[Collective]:
    """Every collective and size, of the rounds that all ranks with a figure have."""
    means: dict[tuple[str, int], list[list[float]]] = {}
    ranks = 0
    for rank in files:
        for samples in rank.report.collectives if rank.report else []:
            key = samples.name, samples.size_bytes
            means.setdefault(key, []).append([mean for (mean,) in samples.rounds])
        ranks = max(ranks, (rank.report.ranks or 0) if rank.report else 0)
    # A round takes as long as it does for the slowest; one that is missing for a rank is none.
    rounds = {key: [max(each) for each in zip(*rows, strict=False)] for key, rows in means.items()}
    return [_collective(key, found, ranks) for key, found in rounds.items() if found]


def _collective(key: tuple[str, int], rounds: Sequence[float], ranks: int) -> Collective:
    name, size = key
    time_s = median(rounds)
    deviation = None
    if len(rounds) >= LEAST_NODES:
        deviation = 100 * expm1(min(scale_of(rounds).deviation, 700))  # beyond that a float ends
    speed = size / time_s
    return Collective(
        name=name, size_bytes=size, rounds=len(rounds), time_s=time_s,
        deviation_percent=deviation, algorithm_bytes_per_s=speed,
        bus_bytes_per_s=speed * _FACTORS[name](ranks),
    )  # fmt: skip


def _pairs(
    files: Sequence[RankFiles], order: NetworkOrder, floor: float
) -> tuple[list[Pair], list[Links]]:
    """All pairs that were measured, and what stands out: in latency, then in time."""
    small, large = _times(files, order.pair_bytes)
    links = [judge_links(times, floor) for times in (small, large)]
    found = []
    for a, b in small | large:
        standing = [each.standing[a, b] for each in links if (a, b) in each.standing]
        time_s = large.get((a, b))
        found.append(
            Pair(
                a=a, b=b, latency_s=small.get((a, b)), time_s=time_s,
                bytes_per_s=order.pair_bytes / time_s if time_s else None,
                ratio=max((where.ratio for where in standing), default=None),
                slow=any(where.slow for where in standing),
            )
        )  # fmt: skip
    return found, links


def _times(files: Sequence[RankFiles], large: int) -> tuple[dict[Link, float], dict[Link, float]]:
    """Seconds of an exchange, of both sizes, of each pair of nodes: in each pass the slowest rank's
    figure, of the passes the fastest one."""
    place = {rank.node: i for i, rank in enumerate(files)}
    passes: dict[bool, dict[Link, dict[int, float]]] = {False: {}, True: {}}
    for rank in files:
        for each in rank.report.exchanges if rank.report else []:
            a, b = sorted((rank.node, each.peer_node), key=lambda node: place.get(node, -1))
            rows = passes[each.size_bytes == large].setdefault((a, b), {})
            for number, (figure,) in enumerate(each.passes):
                rows[number] = max(figure, rows.get(number, 0.0))
    small, big = (
        {link: min(rows.values()) for link, rows in passes[which].items() if rows}
        for which in (False, True)
    )
    return small, big


def _slowness(links: Sequence[Links], pairs: Sequence[Pair]) -> list[str]:
    """In words what is slow, each once."""
    worst: dict[str, float] = {}
    for each in links:
        for node, where in each.nodes.items():
            words = f"{node} is slow with every partner"
            worst[words] = max(worst.get(words, 0), where.ratio)
        for (a, b), where in each.links.items():
            words = f"the link {a} - {b} is slow, and neither {a} nor {b} is with others"
            worst[words] = max(worst.get(words, 0), where.ratio)
    return [f"{words}: {ratio:.2f} times as long as usual" for words, ratio in worst.items()]
