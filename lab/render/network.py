"""What was measured between the nodes of a cluster, as text: collectives, pairs, what is wrong."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.records.network import Network, Pair
from lab.render.bench.units import NONE, duration_text, memory_text, percent_text, rate_text
from lab.render.clean import clean
from lab.render.hang import hang

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_STYLES = {"ok": "green", "running": "yellow", "left_out": "yellow"}
# Of many pairs the slowest ones are shown.
_MOST_PAIRS = 12


def network_parts(network: Network, console: "Console") -> Iterator["RenderableType"]:
    """The parts of a page on what was measured between the nodes.

    Args:
        network: what was measured.
        console: where it will be shown.
    """
    from rich.text import Text

    head = f"between the nodes: {network.state}"
    if network.ranks:
        ranks = len(network.ranks)
        head += f", {ranks} ranks on {len(network.nodes)} nodes, {network.backend or 'no backend'}"
    yield Text(head, style=_STYLES.get(network.state, "bold red"))
    for reason in network.reasons:
        yield from hang(Text("  "), clean(reason), console)
    if network.collectives:
        yield Text()
        yield _collectives(network)
    for words in network.left_out:
        yield from hang(Text("  left out: "), clean(words), console)
    if network.pairs:
        yield Text()
        yield _pairs(network)


def _collectives(network: Network) -> "Table":
    table = _table(
        ("collective", "size", "time", "± between rounds", "algorithm", "bus"), {1, 2, 3, 4, 5}
    )
    for each in network.collectives:
        table.add_row(
            each.name,
            memory_text(each.size_bytes),
            duration_text(each.time_s),
            percent_text(each.deviation_percent),
            rate_text(each.algorithm_bytes_per_s, "B/s"),
            rate_text(each.bus_bytes_per_s, "B/s"),
        )
    return table


def _pairs(network: Network) -> "Table":
    from rich.text import Text

    size = memory_text(network.pair_bytes or 0)
    table = _table(("pair", "latency", size, "each way", "times", ""), {1, 2, 3, 4})
    shown = sorted(network.pairs, key=_slowness, reverse=True)[:_MOST_PAIRS]
    for pair in [pair for pair in network.pairs if pair in shown]:
        speed = rate_text(pair.bytes_per_s, "B/s") if pair.bytes_per_s else NONE
        table.add_row(
            Text(clean(f"{pair.a} - {pair.b}")),
            duration_text(pair.latency_s) if pair.latency_s else NONE,
            duration_text(pair.time_s) if pair.time_s else NONE,
            speed,
            f"{pair.ratio:.2f}" if pair.ratio is not None else NONE,
            Text("slow", style="bold red") if pair.slow else "",
        )
    if len(network.pairs) > len(shown):
        table.caption = f"the slowest {len(shown)} of {len(network.pairs)} pairs"
        table.caption_justify = "left"
    return table


def _slowness(pair: Pair) -> float:
    return pair.ratio or 0.0


def _table(headings: tuple[str, ...], right: set[int]) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for i, name in enumerate(headings):
        table.add_column(name, justify="right" if i in right else "left", overflow="fold")
    return table
