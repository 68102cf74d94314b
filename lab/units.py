"""Numbers as people type them."""

import re

from lab.errors import LabError

# Fifteen digits are what a float holds exactly, and more than any machine has bytes.
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmgt]?)(?:i?b)?")
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


LEAST_MEMORY_BYTES = 256 << 20  # JupyterLab alone takes 200 MB


def parse_memory(text: str) -> int:
    """Read a limit on memory; returns bytes.

    Raises:
        LabError: it is no size, or no lab could start with it.
    """
    size = parse_bytes(text)
    if size < LEAST_MEMORY_BYTES:
        raise LabError(
            f"With {text} of memory no lab can start.",
            why="JupyterLab alone takes 200 MB, a kernel with torch 400 MB more",
            next_step="pass 2g or more, or leave --memory out",
        )
    return size


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


def parse_number(text: str, name: str, *, least: float, most: float) -> float:
    """Read a number that an option was given.

    Args:
        text: as typed.
        name: the option, with its dashes.
        least, most: what makes sense.

    Raises:
        LabError: it is no number, or does not lie between the two.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise LabError(
            f"{name} cannot be {text!r}.",
            why=f"it is a number from {least:g} to {most:g}",
            next_step=f"pass one, such as {name} {least:g}",
        )
    return value


def parse_whole_number(text: str, name: str, *, least: int, most: int) -> int:
    """Read a whole number that an option was given; as `parse_number`."""
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()) or not least <= int(text) <= most:
        raise LabError(
            f"{name} cannot be {text!r}.",
            why=f"it is a whole number from {least} to {most}",
            next_step=f"pass one, such as {name} {least}",
        )
    return int(text)


def parse_words(text: str) -> tuple[str, ...]:
    """Read words separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
