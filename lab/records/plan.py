"""What a command would run."""

from msgspec import Struct


class Plan(Struct, frozen=True, kw_only=True):
    """A command line that was not run. Version 1 of the schema is the first."""

    schema: str = "lab/plan/1"
    argv: list[str]
    """The program and its arguments; `env NAME=value …` goes before it where it reads variables."""
