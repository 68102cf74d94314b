"""A run beside an earlier one of the same nodes."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.cluster.merge import merge
from lab.cluster.reference import compare_with, read_reference
from lab.errors import LabError
from lab.records.cluster import ClusterReport, Node, NodeCase, Setup
from lab.records.save import save, to_json
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run, case, environment, report
from tests.cluster.test_merge import NONE

EIGHT = [f"n{number}" for number in range(1, 9)]


def node_case(
    time_s: float | None, *, error_percent: float | None = 0.1, name: str = "matmul",
    recheck_s: float | None = None,
) -> NodeCase:  # fmt: skip
    return NodeCase(
        name=name, params={"size": 256}, device="cpu", time_s=time_s, recheck_time_s=recheck_s,
        error_percent=error_percent, estimates=5, case_verdict="ok",
    )  # fmt: skip


def run_of(
    times: Mapping[str, float | NodeCase], *, name: str = "earlier", floor_percent: float = 5.0,
    setups: list[Setup] | None = None,
) -> ClusterReport:  # fmt: skip
    nodes = [
        Node(
            name=node, state="ok", verdict="ok",
            cases=[each if isinstance(each, NodeCase) else node_case(each)],
        )
        for node, each in times.items()
    ]  # fmt: skip
    return ClusterReport(
        run=name, folder="/runs", argv=[], submitted_utc="2026-11-27T10:00:00+00:00",
        collected_utc="2026-11-27T11:00:00+00:00", complete=True, floor_percent=floor_percent,
        nodes=nodes, setups=setups or [],
    )  # fmt: skip


def changes(now: ClusterReport, before: ClusterReport) -> dict[str, str]:
    compared = compare_with(now, before)
    return {
        node.name: each.change.verdict
        for node in compared.nodes
        for each in node.cases
        if each.change is not None
    }


def test_node_that_became_slower_is_named_and_no_other() -> None:
    before = run_of({node: 1e-3 * (1 + i) for i, node in enumerate(EIGHT)})
    now = run_of({node: 1e-3 * (1 + i) for i, node in enumerate(EIGHT)} | {"n3": 3.9e-3})
    compared = compare_with(now, before)
    assert compared.reference is not None
    assert compared.reference.slower == ["n3"]
    assert compared.reference.faster == []
    change = compared.nodes[2].cases[0].change
    assert change is not None
    assert (change.verdict, change.ratio) == ("SLOWER", pytest.approx(1.3))
    assert change.threshold_percent == pytest.approx(5.0)
    text = cluster_text(compared, width=100)
    assert "Beside earlier: slower: n3" in text
    assert "n3 SLOWER: matmul 256 takes 1.300 times as long as before (threshold 5.0 %)" in text


def test_cluster_that_became_slower_as_a_whole_is_slower_on_every_node() -> None:
    found = changes(run_of(dict.fromkeys(EIGHT, 1.2e-3)), run_of(dict.fromkeys(EIGHT, 1e-3)))
    assert set(found.values()) == {"SLOWER"}


def test_what_varies_from_run_to_run_on_every_node_is_no_change() -> None:
    """By 20 %, as on a shared machine: then 30 % on one node may be chance."""
    chance = random.Random(1)
    before = {node: 1e-3 * chance.gauss(1, 0.2) for node in EIGHT}
    now = {node: 1e-3 * chance.gauss(1, 0.2) for node in EIGHT}
    assert "SLOWER" not in changes(run_of(now), run_of(before)).values()
    assert changes(run_of(now | {"n3": 9e-3}), run_of(before))["n3"] == "SLOWER"


def test_false_alarms_are_rare_however_many_nodes_and_cases_there_are() -> None:
    """2,000 nodes whose times vary by 5 % from run to run: 3.5 deviations would name one or two."""
    chance = random.Random(2)
    names = [f"n{number}" for number in range(2000)]
    sides = [run_of({node: 1e-3 * chance.lognormvariate(0, 0.05) for node in names}) for _ in "ab"]
    assert set(changes(*sides).values()) <= {"SAME", "INCONCLUSIVE"}


def test_change_that_the_rounds_leave_in_doubt_is_inconclusive() -> None:
    doubtful = dict.fromkeys(EIGHT, node_case(1.1e-3, error_percent=8.0))
    assert set(changes(run_of(doubtful), run_of(dict.fromkeys(EIGHT, 1e-3))).values()) == {
        "INCONCLUSIVE"
    }
    once = dict.fromkeys(EIGHT, node_case(2e-3, error_percent=None))
    compared = compare_with(run_of(once), run_of(dict.fromkeys(EIGHT, 1e-3)))
    change = compared.nodes[0].cases[0].change
    assert change is not None
    assert change.reason == "there are fewer than two rounds to compare"


def test_of_two_nodes_a_change_must_be_larger_than_single_runs_vary_by() -> None:
    before = run_of({"n1": 1e-3, "n2": 1e-3})
    assert changes(run_of({"n1": 1.08e-3, "n2": 1e-3}), before)["n1"] != "SLOWER"
    assert changes(run_of({"n1": 1.15e-3, "n2": 1e-3}), before)["n1"] == "SLOWER"


def test_of_two_runs_of_a_node_the_faster_counts() -> None:
    before = run_of(dict.fromkeys(EIGHT, 1e-3))
    again = {**dict.fromkeys(EIGHT, 1e-3), "n3": node_case(5e-3, recheck_s=1e-3)}
    assert changes(run_of(again), before)["n3"] == "SAME"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(
    st.dictionaries(
        st.sampled_from(EIGHT), st.tuples(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3)), min_size=1
    )
)
def test_no_change_below_the_floor_is_one(times: dict[str, tuple[float, float]]) -> None:
    now = run_of({node: pair[0] for node, pair in times.items()}, floor_percent=10.0)
    before = run_of({node: pair[1] for node, pair in times.items()})
    for node, verdict in changes(now, before).items():
        ratio = times[node][0] / times[node][1]
        if 1 / 1.1 < ratio < 1.1:
            assert verdict in ("SAME", "INCONCLUSIVE")
        if verdict == "SLOWER":
            assert ratio > 1.1


def test_what_is_not_the_same_is_said(tmp_path: Path) -> None:
    sides = []
    for side, (nodes, case_name, torch) in enumerate(
        ((("n1", "n2"), "matmul", "2.12.0"), (("n2", "n3"), "memory", "2.13.0"))
    ):
        run = Run(tmp_path / str(side), *nodes)
        for node in nodes:
            cases = [case(name="launch"), case(name=case_name)]
            run.done(node, report(*cases, where=environment(torch=torch)))
        sides.append(merge(run.folder, NONE))
    compared = compare_with(sides[1], sides[0])
    found = compared.reference
    assert found is not None
    assert (found.nodes_only_now, found.nodes_only_before) == (["n3"], ["n1"])
    assert found.cases_only_now == ["memory 256 cpu"]
    assert found.cases_only_before == ["matmul 256 cpu"]
    (difference,) = found.differences
    assert (difference.field, difference.before, difference.now) == ("torch", "2.12.0", "2.13.0")
    assert difference.nodes == ["n2"]
    assert [node.cases[0].change is not None for node in compared.nodes] == [True, False]
    text = cluster_text(compared, width=100)
    assert "nodes without a figure now: n1" in text
    assert "torch: 2.13.0, was 2.12.0: n2" in text


def test_runs_without_a_node_in_common_have_nothing_to_compare() -> None:
    compared = compare_with(run_of({"a": 1.0}), run_of({"b": 1.0}))
    assert compared.reference is not None
    assert compared.reference.cases == []
    assert "nodes without a figure before: a" in cluster_text(compared, width=100)


def test_reference_is_found_by_name_folder_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_RESULTS", str(tmp_path))
    kept = run_of({"n1": 1.0})
    (tmp_path / "cluster-1").mkdir()
    save(to_json(kept), tmp_path / "cluster-1" / "cluster.json")
    for named in (
        "cluster-1",
        str(tmp_path / "cluster-1"),
        str(tmp_path / "cluster-1/cluster.json"),
    ):
        assert read_reference(named) == kept


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "The reference 'r' cannot be read."),
        ("", "is not a run of `inv bench --nodes`."),
        ('{"schema": "lab/bench/1"}', "is not a run of `inv bench --nodes`."),
        (to_json(run_of({})), "The reference 'r' has no figures."),
    ],
)
def test_what_is_no_reference_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, what: str
) -> None:
    monkeypatch.setenv("LAB_RESULTS", str(tmp_path))
    run = Run(tmp_path / "r", "n1")
    if content is not None:
        (run.folder.path / "cluster.json").write_text(content)
    with pytest.raises(LabError, match=what) as refused:
        read_reference("r")
    if content is None:
        assert refused.value.next_step == "first: ./inv bench --collect r"
