"""Renews the locks, or only checks them, and reports."""

from collections.abc import Callable

from lab.locks.install import uv_program
from lab.locks.renew import check_platforms, renew
from lab.locks.sources import read_sources
from lab.paths import LOCKS
from lab.records.lock import LockChange, LockPlatform, LockReport


def renew_and_report(
    only: tuple[str, ...], *, check: bool, say: Callable[[str], None]
) -> LockReport:
    """Renew all locks, or with `check` none, then resolve each for the platforms that it serves."""
    uv, sources = uv_program(), read_sources()
    changes = [] if check else renew(LOCKS, uv, sources, only=only, say=say)
    results = check_platforms(LOCKS, uv, sources, say=say)
    return LockReport(
        changes=[
            LockChange(lock=c.lock, package=c.name, before=c.before, after=c.after) for c in changes
        ],
        platforms=[
            LockPlatform(
                lock=r.lock, platform=r.platform, installable=not r.reason, reason=r.reason or None
            )
            for r in results
        ],
    )
