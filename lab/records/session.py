"""What is known of a running lab."""

from msgspec import Struct


class Session(Struct, frozen=True, kw_only=True):
    """The lab of one clone, running or not; times in UTC, ISO 8601.

    Version 1 of the schema is the first.
    """

    schema: str = "lab/session/1"
    state: str
    """`running`, `starting`, `unhealthy`, `ended` (it stopped by itself) or `stopped`; on a
    cluster also `waiting`, for its node."""
    url: str | None = None
    """Address with its token; null unless the lab runs. Of a lab on a node it is that of the user's
    own machine, once `ssh` runs there."""
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
    """A line for the user's own machine where the lab was started over ssh, or through Slurm."""
    job: str | None = None
    """The number of its job in Slurm; null unless the lab was started through Slurm."""
    node: str | None = None
    """The node that it runs on; null as long as it has none."""
    expected_utc: str | None = None
    """Of a lab that waits: when Slurm expects it to start; null where it does not say."""
    ends_utc: str | None = None
    """When the time of its job is up; null where it has no limit, or does not run."""
    note: str | None = None
    """Why the engine and the device were chosen, or why the lab ended."""
