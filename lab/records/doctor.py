"""What `doctor` found, as a record."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Status = Literal["ok", "warn", "fail", "unknown"]
Verdict = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Args:
        name: short and stable; a program may look for it.
        status: `warn` costs something, `fail` stops the lab as it was asked for, `unknown` could
            not be looked at.
        seen: one sentence, with the values seen.
        why: why it matters; empty when all is well.
        next: what the reader can do now; empty when all is well.
    """

    name: str
    status: Status
    seen: str
    why: str = ""
    next: str = ""

    def __post_init__(self) -> None:
        """Refuse trouble without a remedy, and a remedy without trouble."""
        told = (bool(self.why), bool(self.next))
        if not self.seen or told != ((False, False) if self.status == "ok" else (True, True)):
            raise ValueError(f"{self.name}: `why` and `next` go with every status but ok")


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """All findings, in the order in which a person reads them."""

    schema: Literal["lab/doctor/1"] = "lab/doctor/1"
    verdict: Verdict
    findings: tuple[Finding, ...]


def make_report(findings: Sequence[Finding]) -> DoctorReport:
    """A report with its verdict: the worst status; what could not be looked at is a warning."""
    statuses = {finding.status for finding in findings}
    worst: Verdict = "fail" if "fail" in statuses else "warn" if statuses - {"ok"} else "ok"
    return DoctorReport(verdict=worst, findings=tuple(findings))
