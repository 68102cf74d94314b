"""An error as a record, so that a program that asked for JSON gets JSON."""

from msgspec import Struct

from lab.errors import LabError


class ErrorReport(Struct, frozen=True, kw_only=True):
    """Why a command could not be done. Version 1 of the schema is the first."""

    schema: str = "lab/error/1"
    what: str
    why: str
    next_step: str
    exit_code: int


def of_error(error: LabError) -> ErrorReport:
    """The record of an error."""
    return ErrorReport(
        what=error.what, why=error.why, next_step=error.next_step, exit_code=error.exit_code
    )
