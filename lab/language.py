"""Which language people are spoken to in: Spanish or English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lab.errors import LabError

Language = Literal["es", "en"]
LANGUAGES: tuple[Language, ...] = ("es", "en")


def parse_language(named: str, variables: Mapping[str, str]) -> Language:
    """The language that was named, else the lab's, else that of the terminal.

    Args:
        named: `es`, `en`, or empty.
        variables: of the environment; LAB_LANGUAGE is the lab's, the locale's are the terminal's.

    Raises:
        LabError: there are no texts in it.
    """
    for word, source in (
        (named, "--language"),
        (variables.get("LAB_LANGUAGE", ""), "LAB_LANGUAGE"),
    ):
        if word in ("es", "en"):
            return "es" if word == "es" else "en"
        if word:
            raise LabError(
                f"There is no language {word!r}.", why=f"{source} names it; there are es and en",
                next_step="name one of them: --language es, or LAB_LANGUAGE=en",
            )  # fmt: skip
    terminal = variables.get("LC_ALL") or variables.get("LC_MESSAGES") or variables.get("LANG", "")
    return "es" if terminal.startswith("es") else "en"
