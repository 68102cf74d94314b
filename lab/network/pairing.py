"""Which nodes send to each other in which round."""

import random

Round = list[tuple[int, int]]


def pairings(count: int, most: int, seed: int) -> list[Round]:
    """Rounds in which every node has one partner, another one each time.

    The nodes take random seats at the table of a round robin, of whose rounds a random part is
    taken where there are more than asked for: so no pair comes twice, and of few nodes all come.

    Args:
        count: of nodes.
        most: rounds.
        seed: of the seats and of the order.

    Returns:
        Rounds of pairs (smaller number, larger number); of an odd number one node rests in each.

    Source: the circle method, as in Anderson, Combinatorial Designs and Tournaments (1997).
    """
    draw = random.Random(seed)
    seats: list[int | None] = list(draw.sample(range(count), count))
    if count % 2:
        seats.append(None)
    found = []
    for turn in draw.sample(range(len(seats) - 1), min(most, len(seats) - 1)):
        ring = seats[1:]
        ring = [seats[0], *ring[turn:], *ring[:turn]]
        halves = zip(ring[: len(ring) // 2], reversed(ring[len(ring) // 2 :]), strict=True)
        found.append([(min(a, b), max(a, b)) for a, b in halves if a is not None and b is not None])
    return found
