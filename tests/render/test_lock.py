"""What a person reads about the locks."""

from lab.records.lock import LockChange, LockPlatform, LockReport
from lab.render.lock import lock_text


def test_lock_text_shows_every_kind_of_change() -> None:
    report = LockReport(
        changes=[
            LockChange(lock="cpu", package="came", before="", after="1"),
            LockChange(lock="cpu", package="gone", before="2", after=""),
            LockChange(lock="dev", package="newer", before="3", after="4"),
        ],
        platforms=[
            LockPlatform(lock="cpu", platform="linux", installable=True),
            LockPlatform(lock="cpu", platform="mac", installable=False, reason="no wheel"),
        ],
    )
    assert lock_text(report).splitlines() == [
        "3 changes",
        "  cpu: + came 1",
        "  cpu: - gone 2",
        "  dev: newer 3 -> 4",
        "  cpu on linux: can be installed",
        "  cpu on mac: not shown here: no wheel",
    ]


def test_lock_text_says_when_nothing_changed() -> None:
    assert lock_text(LockReport(changes=[], platforms=[])) == "no change"
