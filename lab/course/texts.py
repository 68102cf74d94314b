"""What the course says of answers and updates, in both languages; the texts are in `texts/`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_TEXTS = Path(__file__).with_name("texts")


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of a language, by their names."""
    with (_TEXTS / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def phrase(key: str, language: str, /, **seen: Any) -> str:
    """A text, with what was seen filled in."""
    return texts(language)[key].format(**seen)
