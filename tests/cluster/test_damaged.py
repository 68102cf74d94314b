"""Files of a run and of the site, damaged at random: a state or an error that says why, and no
traceback."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.cluster.attempt import Entry
from lab.cluster.folder import open_folder
from lab.cluster.look import Jobs
from lab.cluster.merge import merge
from lab.cluster.network_folder import NetworkFolder
from lab.cluster.network_merge import merge_network
from lab.cluster.reference import compare_with, read_reference
from lab.cluster.site import LabSite, Site, read_lab_site, read_site
from lab.records.cluster import ClusterReport, Submitted
from lab.records.save import save, to_json
from lab.render.cluster import cluster_text
from lab.render.cluster_page.page import cluster_page
from tests.cluster.samples import Run, case, report
from tests.cluster.test_merge import NONE
from tests.cluster.test_network_merge import NODES, put, rank
from tests.cluster.test_network_merge import folder as folder  # a fixture
from tests.damage import fuzzed, refused_or, spoilt, spoilt_text

THREE = ("n1", "n2", "n3")
SITE = """\
[cluster]
partition = "gpu"
time = "45"
exclusive = true
parallel = 32
floor_percent = 5
options = ["--qos=debug"]
[lab]
time = "2:00:00"
gpus = "a100:1"
cpus = 4
ssh = "-J login.example.org"
"""
# The same in every run of the tests: hypothesis goes back to examples that failed.
RECORD = to_json(
    Submitted(
        kind="bench", run="cluster-test", argv=["bench", "--nodes", "all"], nodes=list(THREE),
        submitted_utc="2026-11-27T10:00:00+00:00", floor_percent=5.0,
    )
).encode()  # fmt: skip
JOBS = b"".join(
    b"\n" + to_json(entry, compact=True).encode() + b"\n"
    for number, node in enumerate(THREE)
    for wanted in [Entry(node=node, attempt=1, purpose="first", group=f"{node}/1")]
    for entry in (wanted, replace(wanted, job=str(number + 1)))
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run", *THREE)
    for node in THREE:
        run.done(node, report(case(), case(2e-3, name="memory")))
    return run


def shown(found: ClusterReport) -> None:
    """All that is made of a record can be made, and read again."""
    cluster_text(found, width=80)
    cluster_page(found, {})
    assert json.loads(to_json(found))["schema"] == "lab/cluster/1"


@fuzzed
@given(data=st.data())
def test_damaged_result_costs_its_own_node_alone(run: Run, data: st.DataObject) -> None:
    path = run.folder.path / "nodes" / "n3" / "1" / "result.json"
    whole = to_json(report(case(), case(2e-3, name="memory")), compact=True).encode()
    path.write_bytes(data.draw(spoilt(whole)))
    found = merge(run.folder, NONE)
    first, second, third = found.nodes
    assert (first.state, second.state) == ("ok", "ok")
    assert third.state in ("ok", "partial", "failed")
    assert third.state == "ok" or third.reasons
    shown(found)


@fuzzed
@given(data=st.data())
def test_damaged_record_of_a_run_is_an_error_that_leaves_it_as_it_is(
    run: Run, data: st.DataObject
) -> None:
    path = run.folder.path / "run.json"
    content = data.draw(spoilt(RECORD))
    path.write_bytes(content)
    refused_or(lambda: shown(merge(open_folder(str(run.folder.path)), NONE)))
    assert path.read_bytes() == content


@fuzzed
@given(data=st.data())
def test_damaged_list_of_jobs_hides_no_node(run: Run, data: st.DataObject) -> None:
    (run.folder.path / "jobs.jsonl").write_bytes(data.draw(spoilt_text(JOBS)))
    found = merge(run.folder, NONE)
    assert [node.name for node in found.nodes] == list(THREE)
    shown(found)


@fuzzed
@given(data=st.data())
def test_damaged_reference_is_an_error_or_is_compared(run: Run, data: st.DataObject) -> None:
    now = replace(merge(run.folder, NONE), collected_utc="2026-11-27T10:00:00+00:00", folder="x")
    path = run.folder.path / "cluster.json"
    path.write_bytes(data.draw(spoilt(to_json(now, compact=True).encode())))
    refused_or(lambda: shown(compare_with(now, read_reference(str(path)))))


RANK = to_json(rank("n2", [[1e-3, 1e-3]]), compact=True).encode()
STEP = b'{"step": "pairs", "count": 3, "at_s": 1.0}'
NAMES = b'["n1", "n2", "n3", "n4"]'


@fuzzed
@given(report=spoilt(RANK), steps=spoilt(STEP), nodes=spoilt(NAMES))
def test_damaged_file_of_a_rank_costs_figures_between_nodes_alone(
    run: Run, folder: NetworkFolder, report: bytes, steps: bytes, nodes: bytes
) -> None:
    put(folder, *[rank(node, [[1e-3, 1e-3]]) for node in NODES])
    tried = folder.path / "1"
    files = {tried / "n2-0.json": report, tried / "n2-0.jsonl": steps}
    for path, content in files.items():
        path.write_bytes(content)
    shown(replace(merge(run.folder, NONE), network=merge_network(folder, Jobs())))
    assert {path: path.read_bytes() for path in files} == files
    whole = (tried / "nodes.json").read_bytes()
    (tried / "nodes.json").write_bytes(nodes)
    merge_network(folder, Jobs())
    (tried / "nodes.json").write_bytes(whole)


@fuzzed
@given(content=spoilt_text(SITE.encode()))
def test_damaged_file_of_a_site_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cluster.toml"
    path.write_bytes(content)

    def read() -> None:
        assert isinstance(read_site({"LAB_CLUSTER": str(path)}), Site)
        assert isinstance(read_lab_site({"LAB_CLUSTER": str(path)}), LabSite)

    error = refused_or(read)
    assert error is None or str(path) in error.what
    assert path.read_bytes() == content


def test_folder_of_an_attempt_that_is_gone_is_a_node_without_a_result(run: Run) -> None:
    shutil.rmtree(run.folder.path / "nodes" / "n2")
    first, second, third = merge(run.folder, NONE).nodes
    assert (first.state, second.state, third.state) == ("ok", "never_started", "ok")
    assert second.reasons
    save(to_json(run.folder.submitted), run.folder.path / "nodes" / "n2")  # a file in its place
    assert merge(run.folder, NONE).nodes[1].state == "never_started"
