"""Finds the cells of an earlier version again in a later one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from lab.course.cells import Cell, content

_ALIKE = 0.6
# A cell of more words is compared by its beginning: SequenceMatcher takes the square of it.
_COMPARED = 300


def match(before: Sequence[Cell], after: Sequence[Cell]) -> dict[int, int]:
    """Which cell of `before` each cell of `after` was: by id, else by what it says, else by most of
    what it says. A cell that was pasted or written by another program may have lost its id.

    Returns:
        Places in `before` by places in `after`; a place that is missing is of a new cell.
    """
    found: dict[int, int] = {}
    by_id = {cell["id"]: place for place, cell in enumerate(before)}
    for place, cell in enumerate(after):
        if cell["id"] in by_id:
            found[place] = by_id[cell["id"]]
    for same in (_same_content, _alike):
        lost = [place for place in range(len(before)) if place not in set(found.values())]
        fresh = [place for place in range(len(after)) if place not in found]
        found.update(same(before, after, lost, fresh))
    return found


def _same_content(
    before: Sequence[Cell], after: Sequence[Cell], lost: list[int], fresh: list[int]
) -> dict[int, int]:
    """Cells that say the very same; of several the one that is first."""
    left: dict[str, list[int]] = {}
    for place in lost:
        if before[place]["source"].strip():
            left.setdefault(repr(content(before[place])), []).append(place)
    found = {}
    for place in fresh:
        candidates = left.get(repr(content(after[place])))
        if candidates:
            found[place] = candidates.pop(0)
    return found


def _alike(
    before: Sequence[Cell], after: Sequence[Cell], lost: list[int], fresh: list[int]
) -> dict[int, int]:
    """Cells that say most of the same."""
    found: dict[int, int] = {}
    left = list(lost)
    for place in fresh:
        best, closeness = None, _ALIKE
        for candidate in left:
            ratio = _ratio(before[candidate], after[place], closeness)
            if ratio > closeness:
                best, closeness = candidate, ratio
        if best is not None:
            found[place] = best
            left.remove(best)
    return found


def _ratio(a: Cell, b: Cell, least: float) -> float:
    if a["cell_type"] != b["cell_type"]:
        return 0.0
    words = [str(cell["source"]).split()[:_COMPARED] for cell in (a, b)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    if matcher.real_quick_ratio() <= least or matcher.quick_ratio() <= least:
        return 0.0
    return matcher.ratio()
