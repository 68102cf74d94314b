"""What is said of a lab on a node: from what Slurm knows, and from what the node says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cluster.placed import PlacedJob, parse_placed_jobs
from lab.errors import LabError
from lab.server import slurm_folder
from lab.server.slurm_folder import Last, OnNode, Order
from lab.server.slurm_lab import describe, way_from_outside

ORDER = Order(
    name="lab-1", work="/shared/work", engine="host", device="cpu",
    submitted_utc="2026-11-27T10:00:00Z", ssh="-J ana@login",
)  # fmt: skip
LAST = Last(name="lab-1", job="7")
RUNS = PlacedJob(id="7", state="RUNNING", node="n3", starts=1.8e9, ends=1.8e9 + 3600)
UP = OnNode(phase="running", node="n3", job="7", port=8890, token="t0k", page="/lab")
ENDED = OnNode(phase="ended", node="n3", job="7", note="the time of its job was up")
FAILED = OnNode(phase="failed", node="n3", job="7", failed=("It is so.", "because", "do this"))


def job(state: str, **more: object) -> PlacedJob:
    return PlacedJob(id="7", state=state, node="n3", **more)  # type: ignore[arg-type]


def test_lab_that_runs_has_address_node_time_and_a_line_for_ssh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USER", "ana")
    session = describe(ORDER, LAST, RUNS, UP)
    assert session.state == "running"
    assert session.url == "http://127.0.0.1:8890/lab?token=t0k"
    assert (session.job, session.node, session.port) == ("7", "n3", 8890)
    assert session.ends_utc == "2027-01-15T09:00:00Z"
    assert session.ssh == "ssh -N -J ana@login -L 8890:127.0.0.1:8890 ana@n3"
    assert (session.work, session.engine, session.device) == ("/shared/work", "host", "cpu")


@pytest.mark.parametrize(
    ("known", "told", "state", "note"),
    [
        (job("PENDING", reason="Priority"), None, "waiting", "others are before it (Priority)"),
        (job("PENDING", reason="MaxJobs"), None, "waiting", "Slurm's reason is MaxJobs"),
        (job("PENDING", reason="ReqNodeNotAvail, UnavailableNodes:n3"), None, "waiting",
         "the nodes that it could have are down, drained or reserved (ReqNodeNotAvail)"),
        (job("PENDING"), None, "waiting", ""),
        (job("CONFIGURING"), None, "starting", None),
        (RUNS, None, "starting", None),
        (RUNS, OnNode(phase="starting", node="n3", job="7"), "starting", None),
        (RUNS, OnNode(phase="unhealthy", node="n3", job="7", port=1, note="silent"), "unhealthy",
         "silent"),
        (RUNS, ENDED, "ended", "the time of its job was up"),
        (RUNS, FAILED, "ended", "It is so: because"),
        (job("COMPLETING"), ENDED, "ended", "the time of its job was up"),
        (job("COMPLETING"), UP, "ended", "its job is ending"),
        (job("SUSPENDED"), UP, "unhealthy", "Slurm has suspended its job"),
        (job("COMPLETED"), ENDED, "ended", "the time of its job was up"),
        (job("FAILED"), FAILED, "ended", "It is so: because"),
        (job("FAILED"), UP, "ended", "its job ended (failed)"),
        (job("FAILED"), None, "ended", "its job ended (failed) before the lab began"),
        (job("CANCELLED"), ENDED, "ended", "its job was cancelled"),
        (job("TIMEOUT"), UP, "ended", "the time of its job was up"),
        (job("NODE_FAIL"), UP, "ended", "the node failed"),
        (job("OUT_OF_MEMORY"), UP, "ended", "its memory was used up"),
        (None, ENDED, "ended", "the time of its job was up"),
        (None, UP, "ended", "its job is gone, and Slurm does not say how it ended"),
        (None, None, "ended", "its job is gone, and Slurm does not say how it ended"),
    ],
)  # fmt: skip
def test_state_is_told_by_slurm_and_by_the_node(
    known: PlacedJob | None, told: OnNode | None, state: str, note: str | None
) -> None:
    session = describe(ORDER, LAST, known, told)
    assert (session.state, session.note) == (state, note)
    assert session.job == "7"
    if state != "running":
        assert session.ssh is None or session.url is not None
    if state == "ended":
        assert session.url is None


def test_lab_whose_number_nobody_heard_is_there_once_slurm_or_the_node_knows_it() -> None:
    """The client was killed between the submission and its note."""
    unheard = Last(name="lab-1")
    assert describe(ORDER, unheard, None, None).state == "stopped"
    assert describe(ORDER, unheard, RUNS, UP).job == "7"
    assert describe(ORDER, unheard, None, ENDED).job == "7"


def test_way_to_the_node_is_the_sites_or_over_the_machine_that_one_came_to_by_ssh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USER", "ana")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 22")
    assert way_from_outside("-J jump") == "-J jump"
    assert way_from_outside("") == ""
    assert way_from_outside(None) == "-J ana@192.0.2.1"
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8::7 50000 2001:db8::1 22")
    assert way_from_outside(None) == "-J ana@[2001:db8::1]"
    monkeypatch.delenv("SSH_CONNECTION")
    assert way_from_outside(None) == ""


def test_jobs_of_squeue_have_their_times() -> None:
    """As squeue of Slurm 22.05 prints them, with times as seconds."""
    text = "7|RUNNING|n3|1795750577|1795750877|None\n8|PENDING||N/A|N/A|Dependency\n"
    runs, waits = parse_placed_jobs(text)
    assert runs == PlacedJob(id="7", state="RUNNING", node="n3", starts=1795750577, ends=1795750877)
    assert waits == PlacedJob(id="8", state="PENDING", reason="Dependency")


@given(st.text())
def test_whatever_squeue_says_is_read(text: str) -> None:
    for found in parse_placed_jobs(text):
        describe(ORDER, LAST, found, None)


def test_folder_is_the_users_alone_and_an_earlier_ones_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    first = slurm_folder.make_folder(ORDER, "script")
    (first / "log.txt").write_text("x")
    second = slurm_folder.make_folder(Order(**{**_values(ORDER), "name": "lab-2"}), "script")
    assert not first.exists()
    assert [p.stat().st_mode & 0o077 for p in (second.parent, second, *second.iterdir())] == [0] * 4


def _values(order: Order) -> dict[str, str]:
    return {name: getattr(order, name) for name in Order.__struct_fields__}


@given(st.binary())
def test_damaged_note_of_the_last_lab_is_an_error_that_says_where(content: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            patch.setenv("LAB_STATE", folder)
            assert slurm_folder.read_last() is None
            slurm_folder.root().mkdir()
            (slurm_folder.root() / "lab.json").write_bytes(content)
            with pytest.raises(LabError, match="cannot be read"):
                slurm_folder.read_last()
            assert (slurm_folder.root() / "lab.json").read_bytes() == content
