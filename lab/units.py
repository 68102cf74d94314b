"""Numbers as people type them."""

import re

from lab.errors import LabError

# Fifteen digits are what a float holds exactly, and more than any machine has bytes.
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmgt]?)(?:i?b)?")
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_bytes(text: str) -> int:
    """Read a size such as `512m` or `8g`, in powers of 1024 as Docker does; returns bytes.

    Raises:
        LabError: it is no such size, or not above zero.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    size = int(float(match[1]) * _FACTORS[match[2]]) if match else 0
    if size <= 0:
        raise LabError(
            f"There is no size {text!r}.",
            why="a size is a number with k, m, g or t behind it",
            next_step="pass one such as 512m or 8g",
        )
    return size
