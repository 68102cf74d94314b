"""What is made of a run's folder: every node of the list, its state, its verdict."""

import json
from pathlib import Path

import msgspec
import pytest

from lab.cluster.folder import make_folder, new_name, open_folder
from lab.cluster.look import Jobs
from lab.cluster.merge import merge, suspects
from lab.cluster.slurm import Job
from lab.errors import LabError
from lab.records.cluster import ClusterReport, Node
from lab.records.save import to_json
from lab.render.cluster import cluster_text
from tests.cluster.samples import Run, case, environment, report

FOUR = ("n1", "n2", "n3", "n4")
NONE = Jobs()


def jobs(**states: str) -> Jobs:
    return Jobs(known={(node, 1): Job(id="7", state=state) for node, state in states.items()})


def by_name(found: ClusterReport) -> dict[str, Node]:
    return {node.name: node for node in found.nodes}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", *FOUR)


def test_record_has_every_node_of_the_list(run: Run) -> None:
    run.done("n1", report(case()))
    run.begun("n2")
    run.submitted("n3", error="Slurm did not take its job: no account")
    found = merge(run.folder, jobs(n2="NODE_FAIL"))
    assert [(node.name, node.state) for node in found.nodes] == [
        ("n1", "ok"), ("n2", "lost"), ("n3", "never_started"), ("n4", "never_started"),
    ]  # fmt: skip
    assert by_name(found)["n3"].reasons == ["Slurm did not take its job: no account"]
    assert by_name(found)["n1"].file == "nodes/n1/1/result.json"
    document = json.loads(to_json(found))
    assert document["schema"] == "lab/cluster/1"
    assert msgspec.json.decode(to_json(found), type=ClusterReport) == found


def test_slow_node_is_suspect_until_its_second_run_says_so_too(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case()))
    run.done("n4", report(case(5e-3), where=environment(cpus=0.2)))
    once = merge(run.folder, NONE)
    assert suspects(once) == ["n4"]
    run.done("n4", report(case(4e-3)), purpose="recheck")
    twice = by_name(merge(run.folder, NONE))
    assert {name: node.verdict for name, node in twice.items()} == {
        "n1": "ok", "n2": "ok", "n3": "ok", "n4": "straggler",
    }  # fmt: skip
    slow = twice["n4"]
    assert slow.state == "ok"
    assert slow.cause == "cpu_limit"
    assert slow.recheck_file == "nodes/n4/2/result.json"
    assert (slow.cases[0].time_s, slow.cases[0].recheck_time_s) == pytest.approx((5e-3, 4e-3))
    assert "4.00 times as long" in slow.reasons[0]


def test_slow_node_that_is_fine_the_second_time_is_not_named(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case()))
    run.done("n4", report(case(5e-3)))
    run.done("n4", report(case(1e-3)), purpose="recheck")
    assert by_name(merge(run.folder, NONE))["n4"].verdict == "ok"


def test_slow_node_that_is_lost_the_second_time_is_named_and_that_is_said(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case()))
    run.done("n4", report(case(5e-3)))
    run.begun("n4", purpose="recheck")
    node = by_name(merge(run.folder, NONE))["n4"]
    assert (node.state, node.verdict) == ("ok", "straggler")
    assert any("its second run has no figures" in reason for reason in node.reasons)


def test_two_nodes_are_not_judged(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "n1", "n2")
    run.done("n1", report(case()))
    run.done("n2", report(case(5e-3)))
    found = merge(run.folder, NONE)
    assert [node.verdict for node in found.nodes] == ["unknown", "unknown"]
    assert found.cases[0].median_s == pytest.approx(3e-3)
    assert found.cases[0].deviation_percent is None
    assert "3.00 ms" in cluster_text(found, width=100)


def test_case_that_one_node_alone_lacks_makes_it_partial(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case(), case(2e-3, name="memory")))
    run.done("n4", report(case(), case(None, name="memory", reason="no memory")))
    node = by_name(merge(run.folder, NONE))["n4"]
    assert node.state == "partial"
    assert node.reasons == ["memory has no figure: no memory"]
    assert node.verdict == "ok"


def test_case_that_no_node_can_run_is_nobodys_fault(run: Run) -> None:
    for node in FOUR:
        run.done(node, report(case(), case(None, name="transfer", reason="a CPU has none")))
    assert {node.state for node in merge(run.folder, NONE).nodes} == {"ok"}


def test_what_was_kept_before_a_node_failed_is_not_lost(run: Run) -> None:
    folder = run.begun("n1")
    kept = report(case(), ended="running")
    (folder / "bench-20261127T100000Z-n1-7.json").write_text(to_json(kept))
    node = by_name(merge(run.folder, jobs(n1="NODE_FAIL")))["n1"]
    assert node.state == "partial"
    assert node.cases[0].time_s == pytest.approx(1e-3)
    assert node.reasons[0] == "the node failed, before the run was complete"


def test_retry_that_is_lost_leaves_what_there_was(run: Run) -> None:
    folder = run.begun("n1")
    (folder / "bench-1.json").write_text(to_json(report(case(), ended="running")))
    again = run.begun("n1", purpose="retry")
    (again / "bench-2.json").write_text(to_json(report(case(None), ended="running")))
    node = by_name(merge(run.folder, jobs(n1="NODE_FAIL")))["n1"]
    assert (node.state, node.file) == ("partial", "nodes/n1/1/bench-1.json")


def test_damaged_file_costs_its_own_node_alone(run: Run) -> None:
    for node in FOUR[:3]:
        run.done(node, report(case()))
    (run.done("n4", report(case())) / "result.json").write_text('{"schema": "lab/bench/1", "ar')
    found = by_name(merge(run.folder, NONE))
    assert found["n4"].state == "failed"
    assert {found[node].state for node in FOUR[:3]} == {"ok"}


def test_error_of_the_speed_test_is_told_with_its_reason(run: Run) -> None:
    folder = run.begun("n1")
    (folder / "log.txt").write_text(
        "on the host\nThe disk is full at /x.\n  why:  No space left\n  next: free some space\n"
    )
    (folder / "ended").touch()
    node = by_name(merge(run.folder, jobs(n1="FAILED")))["n1"]
    assert (node.state, node.reasons) == ("failed", ["The disk is full at /x. No space left"])


def test_retry_stands_for_its_node_once_it_is_done(run: Run) -> None:
    run.begun("n1")
    run.begun("n1", purpose="retry")
    assert by_name(merge(run.folder, NONE))["n1"].state == "lost"
    run.done("n1", report(case()), purpose="retry")
    node = by_name(merge(run.folder, NONE))["n1"]
    assert (node.state, node.jobs, node.file) == ("ok", ["1", "2", "3"], "nodes/n1/3/result.json")


def test_half_a_line_of_a_killed_client_costs_nothing_else(run: Run) -> None:
    run.done("n1", report(case()))
    with (run.folder.path / "jobs.jsonl").open("a") as file:
        file.write('{"node":"n2","att')
    run.done("n2", report(case()))
    states = {node.name: node.state for node in merge(run.folder, NONE).nodes}
    assert (states["n1"], states["n2"]) == ("ok", "ok")


def test_attempt_belongs_to_the_command_that_was_first(run: Run) -> None:
    run.wanted("n1")
    (wanted,) = run.folder.wanted()
    assert run.folder.claim(wanted, "n1/1") is not None
    assert run.folder.claim(wanted, "n1/1") is None
    assert run.folder.wanted() == []


def test_folder_is_found_by_name_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("LAB_RESULTS", str(tmp_path / "results"))
    submitted = msgspec.structs.replace(run.folder.submitted, run=new_name())
    made = make_folder(submitted, "#!/bin/sh\n")
    assert open_folder(submitted.run) == made
    assert open_folder(str(made.path)) == made
    with pytest.raises(LabError, match="There is no run 'nope'"):
        open_folder("nope")
    with pytest.raises(LabError, match="cannot be made"):
        make_folder(submitted, "")
