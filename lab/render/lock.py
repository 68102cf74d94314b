"""A lock report as text for a person."""

from lab.records.lock import LockReport


def lock_text(report: LockReport) -> str:
    """The lines that `lock` prints: what changed, then the platforms."""
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
