"""Which rank it was."""

from lab.cluster.network_folder import RankFiles
from lab.cluster.network_states import rank_states
from lab.records.network import Ended, RankReport, RankStep

STEP = RankStep(step="all_reduce of 4 MiB", count=7, at_s=3.0)


def left(node: str, ended: Ended | None, *, count: int = 7, begun: bool = True) -> RankFiles:
    """What a rank left: no word at its end where that is None."""
    report = RankReport(
        node=node, local=0, ended=ended, error="x", step=STEP.step, count=count
    ) if ended else None  # fmt: skip
    return RankFiles(node=node, local=0, step=STEP if begun else None, report=report)


def judged(
    *ranks: RankFiles, going: bool = False, end: str = ""
) -> tuple[dict[str, str], dict[str, str]]:
    found = rank_states(ranks, going=going, end=end)
    return (
        {rank.node: rank.state for rank, _ in found},
        {rank.node: words for rank, words in found if words},
    )


def test_all_that_came_to_their_end_are_ok() -> None:
    assert judged(left("n1", "done"), left("n2", "done")) == ({"n1": "ok", "n2": "ok"}, {})


def test_one_without_a_word_is_named_and_those_that_follow_are_not() -> None:
    states, named = judged(left("n1", "cut_off"), left("n2", None), left("n3", "stalled"))
    assert states == {"n1": "cut_off", "n2": "lost", "n3": "cut_off"}
    assert named == {"n2": "its process ended without a word, at all_reduce of 4 MiB"}


def test_what_slurm_says_of_the_end_is_added() -> None:
    _, named = judged(left("n1", "cut_off"), left("n2", None), end="the node failed")
    assert named["n2"].endswith("at all_reduce of 4 MiB; Slurm: the node failed")


def test_one_that_never_began_is_named() -> None:
    states, named = judged(left("n1", "cut_off"), left("n2", None, begun=False))
    assert states["n2"] == "never_started"
    assert named == {"n2": "its process never began"}


def test_one_with_a_fault_of_its_own_is_named() -> None:
    states, named = judged(left("n1", "failed"), left("n2", "cut_off", count=3))
    assert states == {"n1": "failed", "n2": "cut_off"}
    assert named == {"n1": "at all_reduce of 4 MiB: x"}


def test_one_that_hangs_outside_of_its_calls_has_made_fewer_of_them() -> None:
    states, named = judged(
        left("n1", "cut_off"), left("n2", "stalled", count=6), left("n3", "cut_off", count=8)
    )
    assert states == {"n1": "cut_off", "n2": "lost", "n3": "cut_off"}
    assert list(named) == ["n2"]


def test_where_all_got_as_far_nobody_is_named() -> None:
    assert judged(left("n1", "cut_off"), left("n2", "cut_off"))[1] == {}
    # Two against one: the many are not to blame.
    assert (
        judged(*[left(n, "cut_off", count=c) for n, c in (("a", 1), ("b", 1), ("c", 2))])[1] == {}
    )


def test_where_all_were_told_to_stop_nobody_is_named() -> None:
    states, named = judged(left("n1", "stopped", count=5), left("n2", "stopped"))
    assert (set(states.values()), named) == ({"cut_off"}, {})


def test_while_the_job_goes_on_nobody_is_lost() -> None:
    states, named = judged(left("n1", None), left("n2", "done"), going=True)
    assert (states, named) == ({"n1": "running", "n2": "ok"}, {})
