"""Warns in a notebook, after a cell, before the time of a lab on a cluster is up."""

import sys
import time
from collections.abc import Callable

from lab.language import Language

# Each kernel warns once from each of these on, in seconds before the end.
_FROM_S = (900, 180)
_TEXTS: dict[Language, str] = {
    "es": (
        "A este laboratorio le quedan {minutes} min en el clúster. Guarda tus cuadernos: lo que los"
        " núcleos tienen en memoria se pierde entonces."
    ),
    "en": (
        "This lab has {minutes} min left on the cluster. Save your notebooks: what kernels hold in"
        " memory is lost then."
    ),
}


class EndWarning:
    """Called after each cell.

    Args:
        ends: when the time is up, in seconds since the epoch.
        language: of the warning.
        clock: seconds since the epoch.
    """

    def __init__(
        self, ends: float, language: Language, clock: Callable[[], float] = time.time
    ) -> None:
        """Nothing is said yet."""
        self._ends, self._text, self._clock = ends, _TEXTS[language], clock
        self._due = list(_FROM_S)

    def __call__(self, *_: object) -> None:
        """Say it where it is due."""
        left = self._ends - self._clock()
        due = [start for start in self._due if left <= start]
        if due and left > 0:
            self._due = [start for start in self._due if start not in due]
            print(self._text.format(minutes=max(round(left / 60), 1)), file=sys.stderr)
