"""A session as text for a person."""

from lab.records.session import Session


def session_text(session: Session) -> str:
    """The lines that `lab` and `status` print."""
    if session.state == "stopped":
        return "No lab is running. Start one with ./inv lab"
    if session.state == "ended":
        return (
            f"The lab has ended by itself: {session.note}.\n  ./inv logs shows why, ./inv lab"
            " starts it again; the files are safe in the work folder"
        )
    lines = [
        f"The lab is {session.state}" + (f": {session.note}" if session.note else "") + ".",
        f"  address  {session.url or 'not known'}",
        f"  engine   {session.engine}",
        *([f"  device   {session.device}"] if session.device else []),
        *([f"  image    {session.image}"] if session.image else []),
        *([f"  work     {session.work}"] if session.work else []),
        *([f"  since    {session.started_utc}"] if session.started_utc else []),
    ]
    if session.ssh:
        lines += ["  from your own machine, first:", f"    {session.ssh}"]
    return "\n".join(lines)
