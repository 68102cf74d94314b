"""What is known of a running lab."""

from msgspec import Struct


class Session(Struct, frozen=True, kw_only=True):
    """The lab of one clone, running or not; times in UTC, ISO 8601.

    Version 1 of the schema is the first.
    """

    schema: str = "lab/session/1"
    state: str
    """`running`, `starting`, `unhealthy`, `ended` (it stopped by itself) or `stopped`."""
    url: str | None = None
    """Address with its token; null unless the lab runs."""
    engine: str | None = None
    device: str | None = None
    image: str | None = None
    """The image's name; null on the host."""
    work: str | None = None
    port: int | None = None
    started_utc: str | None = None
    container: str | None = None
    """The container's id; null on the host."""
    pid: int | None = None
    """The server's process; null in a container."""
    ssh: str | None = None
    """A line for the user's own machine where the lab was started over ssh."""
    note: str | None = None
    """Why the engine and the device were chosen, or why the lab ended."""
