"""Which rank it was: of many that ended, the one that the others only followed."""

from collections.abc import Sequence

from lab.cluster.network_folder import RankFiles
from lab.records.network import Rank, RankReport, RankState

# Ended because of another one, or because they were told to.
_FOLLOWING = {"cut_off", "stalled", "stopped"}


def rank_states(ranks: Sequence[RankFiles], *, going: bool, end: str) -> list[tuple[Rank, str]]:
    """The state of each rank, and why it is not `ok`.

    One that left no word at its end was killed, or its node was lost: the others, whose calls then
    failed or did not come back, wrote down that. Where all wrote something, it is the one with a
    fault of its own; else the one that got less far than the others.

    Args:
        ranks: what they left.
        going: whether the job still waits or runs.
        end: what Slurm says of the end of the job; empty where it says nothing.

    Returns:
        Each rank, without its file, and the words with which it is named; empty where it is not.
    """
    guilty = {id(rank) for rank in ranks if _guilty(rank)}
    if not guilty and not going:
        guilty = {id(rank) for rank in _behind(ranks)}
    return [_state(rank, id(rank) in guilty, going=going, end=end) for rank in ranks]


def _guilty(rank: RankFiles) -> bool:
    return rank.report is None or rank.report.ended == "failed"


def _behind(ranks: Sequence[RankFiles]) -> list[RankFiles]:
    """The few that had made fewer calls than the rest when nothing went on any more.

    A rank that hangs outside of its calls has made one less than those that wait for it in theirs.
    """
    stuck = [(rank, rank.report.count) for rank in ranks if rank.report and _stuck(rank.report)]
    least = min((count for _, count in stuck), default=0)
    behind = [rank for rank, count in stuck if count == least]
    return behind if 2 * len(behind) <= len(stuck) else []


def _stuck(report: RankReport) -> bool:
    return report.ended in ("cut_off", "stalled")


def _state(rank: RankFiles, guilty: bool, *, going: bool, end: str) -> tuple[Rank, str]:
    state, reason = _seen(rank, guilty, going=going, end=end)
    report = rank.report
    known = Rank(
        node=rank.node, local=rank.local, state=state, reason=reason,
        rank=report.rank if report else None, device=report.device if report else "",
    )  # fmt: skip
    named = guilty and state in ("lost", "failed", "never_started")
    return known, reason if named else ""


def _seen(rank: RankFiles, guilty: bool, *, going: bool, end: str) -> tuple[RankState, str]:
    report = rank.report
    if report is not None and report.ended == "done":
        return "ok", ""
    if report is not None and report.ended == "failed":
        return "failed", f"at {report.step}: {report.error}"
    if report is not None and report.ended in _FOLLOWING:
        words = f"at {report.step}: {report.error}"
        return ("lost", f"it came no further, {words}") if guilty else ("cut_off", words)
    if going:
        return "running", ""
    behind = f"; Slurm: {end}" if end else ""
    if not rank.begun:
        return "never_started", f"its process never began{behind}"
    at = f", at {rank.step.step}" if rank.step else ""
    return "lost", f"its process ended without a word{at}{behind}"
