"""The nodes of a cluster while they run: on a terminal a table of those that are behind, elsewhere
plain lines."""

from statistics import median
from typing import TYPE_CHECKING

from lab.records.progress import NodeProgress, RunProgress
from lab.render.bench.progress import Progress
from lab.render.clean import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

# A run of hundreds of nodes is read by its summary; those that are behind are what to look at.
_ROWS = 8
_NAMES = 6
_BAR = 12


class ClusterProgress(Progress):
    """As Progress, and beneath its bar how far the nodes are."""

    _seen = RunProgress()

    def view(self, seen: RunProgress) -> None:
        """Take how far the nodes are; shown with the next step."""
        self._seen = seen
        self.beneath(_table(seen))

    def step(
        self, done: int, total: int, text: str, cases: dict[str, tuple[int, int]] | None = None
    ) -> None:
        """Tell that so many nodes of so many are settled; a plain line says who is behind."""
        if not self.drawn:
            text = "; ".join([text, *summary_lines(self._seen)])
        super().step(done, total, text, cases)


def summary_lines(seen: RunProgress) -> list[str]:
    """Figures so far, case by case, and the node that is farthest behind."""
    lines = [f"figures of {cases}"] if (cases := _cases(seen)) else []
    for node, at in _behind(seen)[:1]:
        lines.append(clean(f"behind: {node} at {_percent(at):.0f} %, {at.now}"))
    return lines


def _cases(seen: RunProgress) -> str:
    """`matmul 12/16`: nodes that have all figures of a speed test, or are done, of all."""
    ready: dict[str, int] = {}
    for at in seen.at.values():
        for name, (found, wanted) in at.cases.items():
            ready[name] = ready.get(name, len(seen.done)) + (found >= wanted)
    nodes = sum(map(len, (seen.pending, seen.running, seen.done, seen.lost)))
    return clean(", ".join(f"{name} {count}/{nodes}" for name, count in ready.items()))


def _percent(at: NodeProgress) -> float:
    return 100 * min(max(at.done, 0), at.total) / at.total if at.total > 0 else 0.0


def _behind(seen: RunProgress) -> list[tuple[str, NodeProgress]]:
    """The running nodes, the one that is farthest behind first."""
    return sorted(seen.at.items(), key=lambda item: _percent(item[1]))


def _table(seen: RunProgress) -> "RenderableType | None":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not seen.at and not seen.lost:
        return None
    rows = _behind(seen)
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, show_header=False)
    for _ in range(4):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for node, at in rows[:_ROWS]:
        found, wanted = (sum(pair[i] for pair in at.cases.values()) for i in (0, 1))
        of_cases = f"{found} of {wanted} cases" if at.cases else ""
        full = round(_BAR * _percent(at) / 100)
        cells = (
            clean(node), f"{'━' * full}{' ' * (_BAR - full)} {_percent(at):3.0f} %", of_cases,
            clean(at.now),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    lines: list[RenderableType] = [table]
    if len(rows) > _ROWS:
        rest = [_percent(at) for _, at in rows[_ROWS:]]
        lines.append(
            Text(f"and {len(rest)} more, farther on: {min(rest):.0f} to {max(rest):.0f} %,"
                 f" in the middle {median(rest):.0f} %")
        )  # fmt: skip
    if cases := _cases(seen):
        lines.append(Text(f"nodes with all figures of {cases}", overflow="ellipsis", no_wrap=True))
    if seen.lost:
        more = f" and {len(seen.lost) - _NAMES} more" if len(seen.lost) > _NAMES else ""
        lines.append(Text(clean(f"lost: {', '.join(seen.lost[:_NAMES])}{more}"), style="red"))
    return Group(*lines)
