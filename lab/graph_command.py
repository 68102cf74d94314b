"""What `inv graph` does: read what was typed, have it traced in the chosen engine, draw it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab.aim import device_of, seen_from, with_folder
from lab.autograd.checker import BUDGET_S
from lab.autograd.declared import parse_shapes
from lab.errors import LabError
from lab.graph.messages import Message, Traced, TraceRequest
from lab.language import parse_language
from lab.launch import Say, Wish, chosen, prepare
from lab.records.graph import Graph
from lab.records.save import save, to_json
from lab.render.graph.fold import MOST
from lab.render.graph.page import graph_page
from lab.render.graph.svg import graph_svg
from lab.render.graph.text import graph_text
from lab.talk import START_S, hear
from lab.units import parse_number, parse_whole_number

WORKER = ("python", "-m", "lab.graph.worker")
_MOST_SEED = (1 << 31) - 1
_FORMS = (".svg", ".html", ".json")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for.

    Args:
        where: engine, device, image.
        request: for the process that traces.
        most: nodes beyond which modules are folded.
        output: the file to write.
    """

    where: Wish
    request: TraceRequest
    most: int
    output: Path | None


def parse_order(
    where: Wish, *, target: str, shapes: str, seed: str, budget: str, language: str, nodes: str,
    check: bool, output: Path | None, variables: dict[str, str],
) -> Order:  # fmt: skip
    """Read what was typed.

    Raises:
        LabError: something of it makes no sense.
    """
    if shapes and not target:
        raise LabError(
            "--shapes is for a function of yours.", why="the lab's example brings its inputs",
            next_step=f"name it: --target FILE.py:NAME --shapes {shapes}",
        )  # fmt: skip
    if output is not None and output.suffix not in _FORMS:
        raise LabError(
            f"A graph cannot be written as {output.name}.",
            why="the end of the name says how: .svg a drawing, .html with a slider, .json the data",
            next_step="name a file such as --output graph.svg",
        )
    if target:
        where = with_folder(where, target)
    request = TraceRequest(
        device="cpu", target=target or None, check=check,
        shapes=parse_shapes(shapes) if shapes else (), language=parse_language(language, variables),
        seed=parse_whole_number(seed, "--seed", least=0, most=_MOST_SEED) if seed else 0,
        budget_s=parse_number(budget, "--budget", least=1, most=86400) if budget else BUDGET_S,
    )  # fmt: skip
    most = parse_whole_number(nodes, "--nodes", least=2, most=5000) if nodes else MOST
    return Order(where=where, request=request, most=most, output=output)


def plan(order: Order, say: Say) -> list[str]:
    """The command line that would trace; starts nothing."""
    return prepare(order.where, WORKER, say, dry_run=True, piped=True).argv


def run(order: Order, publish: Callable[[Graph, str], None], say: Say) -> None:
    """Trace, write the file, and show what there is.

    Args:
        publish: shows the graph, given with its text.

    Raises:
        LabError: it cannot be traced, or the file not be written.
    """
    choice = chosen(order.where)
    say(choice.why)
    launch = prepare(order.where, WORKER, say, piped=True, choice=choice)
    request = msgspec.structs.replace(order.request, device=device_of(choice))
    if request.target is not None:
        target, folder = seen_from(launch, request.target)
        request = msgspec.structs.replace(request, target=target, folder=folder)
    name = order.request.target or "the example"
    heard = hear(
        launch, request, Message, at=lambda: name,
        patience_s=lambda: START_S + 2 * request.budget_s,
    )  # fmt: skip
    with contextlib.closing(heard):
        graph = next(message.graph for message in heard if isinstance(message, Traced))
    if order.output is not None:
        save(_document(order, graph), order.output)
        say(f"written: {order.output}")
    publish(graph, graph_text(graph))


def _document(order: Order, graph: Graph) -> str:
    assert order.output is not None
    language = order.request.language
    match order.output.suffix:
        case ".svg":
            return graph_svg(graph, language=language, most=order.most)
        case ".html":
            return graph_page(graph, language=language, most=order.most)
    return to_json(graph, compact=True)
