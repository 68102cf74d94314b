"""What a comparison finds, and its words."""

from collections.abc import Mapping, Sequence

from lab.records.receipt import Finding

_MOST_NAMES = 4


def same(name: str, seen: str) -> Finding:
    """What is as in the receipt."""
    return Finding(name=name, status="same", seen=seen)


def differs(name: str, seen: str, next_step: str) -> Finding:
    """What is not."""
    return Finding(name=name, status="differs", seen=seen, next=next_step)


def unknown(name: str, seen: str, next_step: str) -> Finding:
    """What cannot be told."""
    return Finding(name=name, status="cannot tell", seen=seen, next=next_step)


def few(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """The names under which two mappings differ, each with what became of it."""
    said = []
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            said.append(f"{name} (missing)")
        elif name not in wanted:
            said.append(f"{name} (added)")
        elif wanted[name] != found[name]:
            said.append(f"{name} (edited)")
    return said
