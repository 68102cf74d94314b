"""A session as text for a person."""

from datetime import UTC, datetime

from lab.records.session import Session


def session_text(session: Session, now: datetime | None = None) -> str:
    """The lines that `lab` and `status` print.

    Args:
        session: the lab.
        now: for what is left of its time; None takes the clock's.
    """
    if session.state == "stopped":
        return "No lab is running. Start one with ./inv lab"
    if session.state == "ended":
        again = "./inv lab --slurm" if session.job else "./inv lab"
        return (
            f"The lab has ended by itself: {session.note}.\n  ./inv logs shows why, {again}"
            " starts it again; the files are safe in the work folder"
        )
    lines = [
        f"The lab is {session.state}" + (f": {session.note}" if session.note else "") + ".",
        *_on_cluster(session, now or datetime.now(UTC)),
        *([f"  address  {session.url or 'not known'}"] if session.state != "waiting" else []),
        f"  engine   {session.engine}",
        *([f"  device   {session.device}"] if session.device else []),
        *([f"  image    {session.image}"] if session.image else []),
        *([f"  work     {session.work}"] if session.work else []),
        *([f"  since    {session.started_utc}"] if session.started_utc else []),
    ]
    if session.ssh:
        lines += ["  from your own machine, first:", f"    {session.ssh}"]
    return "\n".join(lines)


def _on_cluster(session: Session, now: datetime) -> list[str]:
    """What Slurm says of it; nothing of a lab that it does not know."""
    values = {
        "job": session.job, "node": session.node, "expected": session.expected_utc,
        "ends": session.ends_utc,
    }  # fmt: skip
    lines = [f"  {name:8} {value}" for name, value in values.items() if value]
    if session.ends_utc:
        left = datetime.fromisoformat(session.ends_utc) - now
        lines[-1] += f", {_time_text(max(left.total_seconds(), 0))} left"
    return lines


def _time_text(seconds: float) -> str:
    """A time for people, down to the minute: `1 d 2 h`, `2 h 5 min`, `7 min`."""
    minutes = int(seconds // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"
