"""Lists of nodes as Slurm writes them: `n[1-3,8],login1`."""

import re
from collections.abc import Iterable, Iterator
from itertools import product

from lab.errors import LabError

# More than the largest machines have; a slip such as n[1-999999999] must not fill the memory.
_MOST = 100_000
_TERM = re.compile(r"(?:[A-Za-z0-9._-]|\[[^\[\]]*\])+")
_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})")


def expand(text: str) -> list[str]:
    """The nodes of a list, each once, in the order of the list.

    Args:
        text: names with ranges in brackets, separated by commas; a first number with leading zeros
            says how wide the numbers are.

    Raises:
        LabError: it is no such list.
    """
    names: dict[str, None] = {}
    for term in _split(text):
        for name in _expand_term(term, text):
            names[name] = None
            if len(names) > _MOST:
                raise _malformed(text, f"it has more than {_MOST} nodes")
    return list(names)


def _split(text: str) -> list[str]:
    """The terms of a list: commas inside brackets belong to them."""
    terms = re.split(r",(?![^\[]*\])", text.strip())
    for term in terms:
        if not _TERM.fullmatch(term):
            raise _malformed(text, f"{term!r} is no name of nodes" if term else "a name is missing")
    return terms


def _expand_term(term: str, text: str) -> Iterator[str]:
    choices = [[plain] if plain else _ranges(inside, text) for inside, plain in _PART.findall(term)]
    for parts in product(*choices):
        name = "".join(parts)
        if not name[0].isalnum():
            raise _malformed(text, f"{name!r} is no name of a node")
        yield name


def _ranges(inside: str, text: str) -> list[str]:
    numbers: list[str] = []
    for word in inside.split(","):
        match = _RANGE.fullmatch(word)
        if not match:
            raise _malformed(text, f"{word!r} is no number and no range such as 1-3")
        first, last = match[1], match[2] or match[1]
        if int(last) < int(first):
            raise _malformed(text, f"the range {word} runs backwards")
        if int(last) - int(first) >= _MOST:
            raise _malformed(text, f"it has more than {_MOST} nodes")
        width = _width(first)
        numbers += [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]
    return numbers


def _width(digits: str) -> int:
    """How wide the numbers of a range are that begins so."""
    return len(digits) if digits.startswith("0") else 1


def _malformed(text: str, why: str) -> LabError:
    return LabError(
        f"There is no list of nodes {text!r}.",
        why=why,
        next_step="pass a number, `all`, or a list such as --nodes 'n[1-3,8]'",
    )


def compress(names: Iterable[str]) -> str:
    """The list that has these nodes, as short as one range of numbers for each name allows."""
    numbered: dict[str, set[str]] = {}
    for name in dict.fromkeys(names):
        match = _NUMBERED.fullmatch(name)
        prefix, digits = (match[1], match[2]) if match else (name, "")
        numbered.setdefault(prefix, set()).add(digits)
    return ",".join(term for prefix, digits in numbered.items() for term in _terms(prefix, digits))


def _terms(prefix: str, digits: set[str]) -> Iterator[str]:
    if "" in digits:
        yield prefix
    runs = list(_runs(sorted(digits - {""}, key=lambda text: (int(text), len(text)))))
    if len(runs) == 1 and "-" not in runs[0]:
        yield prefix + runs[0]
    elif runs:
        yield f"{prefix}[{','.join(runs)}]"


def _runs(ordered: list[str]) -> Iterator[str]:
    """Numbers as ranges; those that differ in width do not go into one."""
    left = dict.fromkeys(ordered)
    while left:
        first = last = next(iter(left))
        del left[first]
        while (following := f"{int(last) + 1:0{_width(first)}d}") in left:
            del left[following]
            last = following
        yield first if first == last else f"{first}-{last}"
