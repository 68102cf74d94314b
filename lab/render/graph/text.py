"""A graph in lines, for a terminal: what was computed, from what, and its gradient."""

from lab.records.graph import Graph, Node
from lab.render.clean import clean


def graph_text(graph: Graph) -> str:
    """A line for each node, in forward order."""
    sources: dict[int, list[int]] = {}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    names = {node.id: _name(node) for node in graph.nodes}
    width = max((len(name) for name in names.values()), default=0)
    lines = [f"{clean(graph.function)}: {len(graph.nodes)} nodes, {len(graph.edges)} edges"]
    for node in graph.nodes:
        made = ", ".join(names[s] for s in sources.get(node.id, []))
        what = f"{node.operation}({made})" if node.operation else node.kind
        gradient = node.gradient.text if node.gradient else "-"
        odd = [s for s in node.states if s != "output"] + [f.cause for f in node.findings]
        told = f"  {'; '.join(odd)}" if odd else ""
        lines.append(
            clean(
                f"  {names[node.id]:<{width}}  {what}  = {node.value.text}  grad {gradient}{told}"
            )
        )
    return "\n".join(lines)


def _name(node: Node) -> str:
    return node.name or f"#{node.id}"
