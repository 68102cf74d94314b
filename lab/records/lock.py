"""What `lock` changed, for which platforms the locks hold, and which holes are known."""

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


class KnownHole(Struct, frozen=True, kw_only=True):
    """One published hole of one package."""

    locks: list[str]
    package: str
    version: str
    id: str
    summary: str
    link: str
    mended_in: list[str]
    """Versions without it; empty where there is none yet."""


class LockReport(Struct, frozen=True, kw_only=True):
    """Version 1 of the schema is the first."""

    schema: str = "lab/lock/1"
    changes: list[LockChange]
    platforms: list[LockPlatform]
    audited: list[str] = []
    """The locks whose packages were looked up."""
    holes: list[KnownHole] = []
