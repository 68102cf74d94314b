"""Puts the cells of a student and of a teacher into one order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def merge_order(
    base: Sequence[Item], student: Sequence[Item], teacher: Sequence[Item]
) -> tuple[list[Item], list[Item]]:
    """One order for the cells of both.

    The student's order stays, and each cell that only the teacher has follows the one that it
    follows there. Where the student moved nothing and the teacher did, it is the other way round.

    Args:
        base: as the cells were; also those that are gone now.
        student: those that the student has and that stay.
        teacher: those that the teacher has and that stay.

    Returns:
        All of them; and those that the teacher moved while the student's order was kept.
    """
    common = set(base) & set(student) & set(teacher)
    was, theirs, wished = ([x for x in side if x in common] for side in (base, student, teacher))
    if theirs == was and wished != was:
        return _inserted(teacher, student, after_guests=False), []
    moved = [] if wished in (was, theirs) else _moved(was, wished)
    return _inserted(student, teacher, after_guests=True), moved


def _inserted(hosts: Sequence[Item], guests: Sequence[Item], *, after_guests: bool) -> list[Item]:
    """The hosts in their order, and after each the guests that follow it in the other order.

    Args:
        after_guests: whether a guest comes behind the cells that only the hosts have, which belong
            to the cell before them.
    """
    order, there, known = list(hosts), set(hosts), set(guests)
    before: Item | None = None
    for item in guests:
        if item not in there:
            place = 0 if before is None else order.index(before) + 1
            while after_guests and before is not None and place < len(order):
                if order[place] in known:
                    break
                place += 1
            order.insert(place, item)
            there.add(item)
        before = item
    return order


def _moved(was: Sequence[Item], now: Sequence[Item]) -> list[Item]:
    """The fewest items whose moving explains the new order: all but a longest increasing run."""
    place = {item: number for number, item in enumerate(was)}
    ends: list[int] = []
    tails: list[int] = []  # place in `now` of the item that ends the best run of each length
    parent: dict[int, int] = {}
    for number, item in enumerate(now):
        length = bisect_left(ends, place[item])
        if length == len(ends):
            ends.append(place[item])
            tails.append(number)
        else:
            ends[length], tails[length] = place[item], number
        parent[number] = tails[length - 1] if length else -1
    stays, at = set(), tails[-1] if tails else -1
    while at >= 0:
        stays.add(now[at])
        at = parent[at]
    return [item for item in now if item not in stays]
