"""Renews the locks, only checks them, or looks up known holes, and reports."""

import re
from collections.abc import Callable

from lab.errors import LabError
from lab.locks.audit import AUDITED, audit
from lab.locks.install import uv_program
from lab.locks.renew import check_platforms, renew
from lab.locks.sources import check_sources, read_sources
from lab.paths import LOCKS
from lab.records.lock import LockChange, LockPlatform, LockReport


def renew_and_report(
    only: tuple[str, ...], *, check: bool, say: Callable[[str], None]
) -> LockReport:
    """Renew all locks, or with `check` none, then resolve each for the platforms that it serves."""
    uv, sources = uv_program(), read_sources()
    check_sources(sources)
    _check_names(only)
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


def audit_and_report(
    only: tuple[str, ...], *, check: bool, say: Callable[[str], None]
) -> LockReport:
    """Look up known holes of all locks; nothing is changed.

    Raises:
        LabError: other work was asked for too, or the database does not answer.
    """
    if only or check:
        raise LabError(
            "--audit goes with neither --only nor --check.",
            why="it looks up every package of the locks, and renews none",
            next_step="leave one out: ./inv lock --audit",
        )
    uv, sources = uv_program(), read_sources()
    holes = audit(LOCKS, uv, sources, say=say)
    return LockReport(changes=[], platforms=[], audited=list(AUDITED), holes=holes)


def _check_names(only: tuple[str, ...]) -> None:
    """A name that no lock has would be passed over in silence: most often it is misspelt."""
    texts = [*LOCKS.glob("*.txt"), *LOCKS.glob("*.in")]
    known = {w for p in texts for w in re.findall(r"^[a-z0-9][a-z0-9._-]*", p.read_text(), re.M)}
    for name in only:
        if re.sub(r"[-_.]+", "-", name).lower() not in known:
            raise LabError(
                f"No lock has a package {name}.",
                why="--only takes packages that are in docker/locks/ already",
                next_step="look for its name there; to add one, write it into docker/locks/lab.in",
            )
