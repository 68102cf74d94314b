"""A lock report as text for a person."""

from lab.records.lock import KnownHole, LockReport


def lock_text(report: LockReport) -> str:
    """The lines that `lock` prints: what changed, then the platforms; or the known holes."""
    if report.audited:
        return _audit_text(report)
    count = len(report.changes)
    lines = [f"{count} change{'s' if count > 1 else ''}" if count else "no change"]
    for change in report.changes:
        if not change.before:
            lines.append(f"  {change.lock}: + {change.package} {change.after}")
        elif not change.after:
            lines.append(f"  {change.lock}: - {change.package} {change.before}")
        else:
            lines.append(f"  {change.lock}: {change.package} {change.before} -> {change.after}")
    for place in report.platforms:
        verdict = "can be installed" if place.installable else f"not shown here: {place.reason}"
        lines.append(f"  {place.lock} on {place.platform}: {verdict}")
    return "\n".join(lines)


def _audit_text(report: LockReport) -> str:
    where = ", ".join(report.audited)
    if not report.holes:
        return f"no known hole in the packages of {where}"
    count = len(report.holes)
    lines = [f"{count} known hole{'s' if count > 1 else ''} in the packages of {where}"]
    for hole in report.holes:
        lines.append(f"  {hole.package} {hole.version} ({', '.join(hole.locks)}): {_what(hole)}")
        lines.append(f"    {hole.link}")
    return "\n".join(lines)


def _what(hole: KnownHole) -> str:
    mended = f"mended in {', '.join(hole.mended_in)}" if hole.mended_in else "not mended yet"
    return f"{hole.id}, {hole.summary.strip() or 'no summary'}; {mended}"
