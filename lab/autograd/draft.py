"""A finding before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.autograd.inputs import Slot
from lab.autograd.words import message
from lab.records.autograd import Cause, Finding


@dataclass(frozen=True, kw_only=True)
class Draft:
    """As `Finding`; `output` is the number of the output's entry, `seen` what the words need."""

    cause: Cause
    slot: Slot
    i: int | None = None
    analytical: float | None = None
    numerical: float | None = None
    uncertainty: float | None = None
    output: int | None = None
    harmless: bool = False
    seen: dict[str, Any] = field(default_factory=dict)

    def finding(self, language: str) -> Finding:
        """The finding, in a language."""
        index = None if self.i is None else self.slot.index(self.i)
        text = message(
            self.cause, language, number=self.slot.number, name=self.slot.name, index=index,
            analytical=self.analytical, numerical=self.numerical, uncertainty=self.uncertainty,
            output=self.output, **self.seen,
        )  # fmt: skip
        return Finding(
            cause=self.cause, input=self.slot.number, index=index, analytical=self.analytical,
            numerical=self.numerical, uncertainty=self.uncertainty, message=text,
            harmless=self.harmless,
        )  # fmt: skip
