"""What `lock` changed, and for which platforms the locks hold."""

from msgspec import Struct


class LockChange(Struct, frozen=True, kw_only=True):
    """One package of one lock; an empty side means that it was not, or is no longer, in the
    lock."""

    lock: str
    package: str
    before: str
    after: str


class LockPlatform(Struct, frozen=True, kw_only=True):
    """Whether a lock can be installed on a platform; `reason` is null when it can."""

    lock: str
    platform: str
    installable: bool
    reason: str | None = None


class LockReport(Struct, frozen=True, kw_only=True):
    """Version 1 of the schema is the first."""

    schema: str = "lab/lock/1"
    changes: list[LockChange]
    platforms: list[LockPlatform]
