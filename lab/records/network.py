"""What the nodes of a cluster measured between each other. Times in seconds, sizes in bytes."""

from typing import Literal

from msgspec import Struct

RankState = Literal["ok", "running", "never_started", "lost", "failed", "cut_off"]
NetworkState = Literal["ok", "running", "never_started", "lost", "failed", "left_out"]
# How a rank's process ended: well, by a fault of its own, because another one's call did not come,
# because nothing went on any more, or because it was told to.
Ended = Literal["done", "failed", "cut_off", "stalled", "stopped"]


LATENCY_BYTES = 8
"""What two nodes send each other where the time is that of the way alone."""


class NetworkOrder(Struct, frozen=True, kw_only=True):
    """What the ranks are to do. Version 1 of the schema is the first."""

    schema: Literal["lab/network-order/1"] = "lab/network-order/1"
    device: Literal["cpu", "cuda"]
    sizes_bytes: list[int]
    """Of the collectives, ascending."""
    pair_bytes: int
    """What two nodes send each other at once."""
    budget_s: float
    """For all measuring; the start comes on top."""
    seed: int
    rounds: int = 5
    """How often each collective and size is visited, in another order each time."""
    pair_rounds: int = 15
    """At most so many partners of a node; of fewer nodes every pair is measured."""
    meet_s: float = 300.0
    """Within it all ranks have to find each other."""
    patience_s: float = 60.0
    """After so long without a step forward a rank gives up."""


class Samples(Struct, frozen=True, kw_only=True):
    """One collective of one size, as one rank saw it."""

    name: str
    size_bytes: int
    rounds: list[list[float]]
    """Of each iteration, round by round."""


class Exchange(Struct, frozen=True, kw_only=True):
    """One rank and one other, which send to each other at once."""

    peer: int
    peer_node: str
    size_bytes: int
    passes: list[list[float]]
    """Of each exchange; a pass is made after the one before of all pairs."""


class RankReport(Struct, frozen=True, kw_only=True):
    """What one rank measured. Version 1 of the schema is the first."""

    schema: Literal["lab/network-rank/1"] = "lab/network-rank/1"
    node: str
    local: int
    """Its number among the ranks of its node."""
    rank: int | None = None
    ranks: int | None = None
    backend: str = ""
    device: str = ""
    ended: Ended
    error: str = ""
    step: str = ""
    """Where it was at its end."""
    count: int = 0
    """Calls that had come back by then."""
    at_s: float = 0.0
    """When that was, in seconds after the ranks had met."""
    collectives: list[Samples] = []
    left_out: list[str] = []
    exchanges: list[Exchange] = []


class RankStep(Struct, frozen=True, kw_only=True):
    """A line that a rank writes when it has come to another step, at most one a second."""

    step: str
    count: int
    at_s: float


class Rank(Struct, frozen=True, kw_only=True):
    """One process, on one node."""

    node: str
    local: int
    state: RankState
    """`cut_off`: it ended because another one did."""
    reason: str = ""
    rank: int | None = None
    device: str = ""
    file: str | None = None
    """Its own figures, iteration by iteration, relative to the run's folder."""


class Collective(Struct, frozen=True, kw_only=True):
    """One collective of one size, over all ranks."""

    name: str
    size_bytes: int
    """As NCCL's tests count it: of all-gather what a rank has in the end, else what it gives."""
    rounds: int
    """That all ranks have."""
    time_s: float
    """Of one call: in each round the slowest rank's mean, of the rounds the median."""
    deviation_percent: float | None = None
    """The robust standard deviation between the rounds."""
    algorithm_bytes_per_s: float
    bus_bytes_per_s: float


class Pair(Struct, frozen=True, kw_only=True):
    """Two nodes that send to each other at once; of their passes the fastest one."""

    a: str
    b: str
    latency_s: float | None = None
    """Of an exchange of 8 bytes: the median, which a pause of the process does not move."""
    time_s: float | None = None
    """Of an exchange of `pair_bytes`: the mean."""
    bytes_per_s: float | None = None
    """In each direction."""
    ratio: float | None = None
    """Time over what is usual among the other pairs, of latency and time the larger."""
    slow: bool = False


class Network(Struct, frozen=True, kw_only=True):
    """The measurement between the nodes."""

    state: NetworkState
    reasons: list[str] = []
    """Why its state is not `ok`, and what is slow."""
    backend: str = ""
    nodes: list[str] = []
    pair_bytes: int | None = None
    ranks: list[Rank] = []
    collectives: list[Collective] = []
    left_out: list[str] = []
    pairs: list[Pair] = []
    slow_nodes: list[str] = []
    """Slow with every partner."""
    slow_links: list[tuple[str, str]] = []
    """Slow with each other, and not with others."""
    floor_percent: float | None = None
    jobs: list[str] = []
