"""Which columns of a table fit a width: the least important go, and one gives way."""

_GAP = 2  # behind each column, the last one too
_LEAST = 12  # of the column that gives way, before another one goes


def fit(
    columns: dict[str, list[str]], width: int, *, flexible: str, expendable: tuple[str, ...]
) -> dict[str, list[str]]:
    """The columns that fit, with their cells.

    Args:
        columns: cells by heading.
        width: of the screen.
        flexible: the column that is cut to what is left.
        expendable: columns that are left out where there is no room, in this order.
    """
    fitting = dict(columns)
    for name in expendable:
        if _room(fitting, width, flexible) >= min(_LEAST, _widest(columns, flexible)):
            break
        fitting.pop(name, None)
    if flexible in fitting:
        room = max(_room(fitting, width, flexible), 1)
        fitting[flexible] = [_cut(cell, room) for cell in fitting[flexible]]
    return fitting


def _widest(columns: dict[str, list[str]], name: str) -> int:
    return max(map(len, (name, *columns[name])))


def _room(columns: dict[str, list[str]], width: int, flexible: str) -> int:
    """What the other columns leave for the flexible one; where it is gone itself, what is left."""
    others = [_widest(columns, name) + _GAP for name in columns if name != flexible]
    left = width - sum(others)
    return left - _GAP if flexible in columns else left + _LEAST


def _cut(cell: str, room: int) -> str:
    return cell if len(cell) <= room else cell[: room - 1] + "…"
