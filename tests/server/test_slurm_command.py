"""`inv lab --slurm` with programs that stand in for Slurm's: what it asks them, and refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from invoke import Collection

from lab.errors import LabError
from lab.records.session import Session
from lab.server import running, slurm_folder, slurm_start, slurm_stop
from lab.server.slurm_folder import Last, OnNode, Order
from lab.server.slurm_start import Waiter
from tests.commands import Call, caller
from tests.fakes import Programs


@pytest.fixture
def inv(
    tasks: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Call:  # fmt: skip
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LAB_CLUSTER", str(tmp_path / "cluster.toml"))
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    (tmp_path / "cluster.toml").write_text("[cluster]\n")
    return caller(Collection.from_module(tasks), capsys)


@pytest.fixture
def slurm(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs.add_answer("squeue")
    programs.add_answer("sacct", err="Slurm accounting storage is disabled", code=1)
    programs.add_answer("sbatch", out="7\n")
    programs.add_answer("scancel")
    monkeypatch.setattr(slurm_start, "make_ready", lambda *_: None)
    return programs


def place(tmp_path: Path, *, job: str = "7", told: OnNode | None = None) -> Path:
    """A lab that was submitted before."""
    (tmp_path / "work" / ".lab").mkdir(parents=True)
    order = Order(
        name="lab-1", work=str(tmp_path / "work"), engine="host", device="cpu",
        submitted_utc="2026-11-27T10:00:00Z",
    )  # fmt: skip
    folder = slurm_folder.make_folder(order, "script")
    slurm_folder.write_last(Last(name="lab-1", job=job))
    slurm_folder.seen_mark(order).touch()
    if told is not None:
        slurm_folder.write(folder / "node.json", told)
    return folder


UP = OnNode(phase="running", node="n3", job="7", port=8890, token="t0k", page="/lab")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--slurm", "--time", "soon"], "--time cannot be 'soon'."),
        (["--slurm", "--partition", "a b"], "--partition cannot be 'a b'."),
        (["--slurm", "--gpus", "many"], "--gpus cannot be 'many'."),
        (["--slurm", "--cpus", "many"], "--cpus cannot be 'many'."),
        (["--slurm", "--memory", "little"], "There is no size 'little'."),
        (["--slurm", "--engine", "docker"], "The engine docker is not used on the nodes"),
        (["--slurm", "--engine", "podman"], "The engine podman is not used on the nodes"),
        (["--slurm", "--engine", "dokcer"], "There is no engine 'dokcer'."),
        (["--slurm", "--device", "mps"], "Slurm's nodes have no device mps."),
        (["--slurm", "--image", "x"], "--image is for Apptainer."),
        (["--slurm", "--port", "x"], "There is no port 'x'."),
        (["--gpus", "1"], "--gpus is for a lab on a node of a cluster."),
        (["--time", "30"], "--time is for a lab on a node of a cluster."),
    ],
)
def test_what_cannot_be_is_exit_2_and_nothing_is_submitted(
    inv: Call, slurm: Programs, words: list[str], what: str
) -> None:
    code, out, err = inv("lab", *words)
    assert (code, out) == (2, "")
    assert err.startswith(what)
    assert "\n  why:  " in err
    assert "\n  next: " in err
    assert slurm.calls == []


def test_dry_run_shows_the_script_with_the_sites_defaults_and_does_nothing(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    (tmp_path / "cluster.toml").write_text(
        '[cluster]\npartition = "main"\naccount = "physics"\ntime = "20"\noptions = ["--qos=x"]\n'
        '[lab]\naccount = "teaching"\ntime = "8:00:00"\ncpus = 4\nmemory = "8g"\ngpus = "1"\n'
    )
    code, out, _ = inv("lab", "--slurm", "--time", "30", "--dry-run", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["schema"] == "lab/cluster-plan/1"
    assert (
        "#SBATCH --partition=main\n#SBATCH --account=teaching\n#SBATCH --time=30\n"
        "#SBATCH --gpus-per-node=1\n#SBATCH --cpus-per-task=4\n#SBATCH --mem=8192M\nset -eu\n"
    ) in document["script"]
    assert document["submissions"][0][0] == "sbatch"
    assert slurm.calls == []
    assert not (tmp_path / "state" / "slurm").exists()


def test_damaged_sites_file_is_named(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("[lab]\ncpu = 4\n")
    code, _, err = inv("lab", "--slurm")
    assert code == 2
    assert "is not understood" in err
    assert "[lab] knows partition" in err


def test_without_slurm_that_is_said(inv: Call, slurm: Programs) -> None:
    (slurm.folder / "squeue").unlink()
    code, _, err = inv("lab", "--slurm")
    assert code == 2
    assert err.startswith("There is no Slurm on this machine.\n")


def test_refusal_of_slurm_leaves_nothing(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    slurm.add_answer("sbatch", err="sbatch: error: Invalid account\n", code=1)
    code, _, err = inv("lab", "--slurm", "--work", str(tmp_path / "work"))
    assert code == 2
    assert "Slurm did not take the lab's job.\n  why:  Invalid account\n" in err
    assert inv("status")[1].startswith("No lab is running.")
    assert list((tmp_path / "work" / ".lab").iterdir()) == []


def test_lab_is_noted_before_it_is_submitted_and_its_job_after(
    inv: Call, slurm: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiter, "wait", lambda _: Session(state="running"))
    lab = tmp_path / "state" / "slurm" / "lab.json"
    slurm.add("sbatch", f'/bin/cat "{lab}" >"{tmp_path}/before"; echo "7;cluster"')
    assert inv("lab", "--slurm", "--work", str(tmp_path / "work"), "--port", "9000")[0] == 0
    before, after = json.loads((tmp_path / "before").read_text()), json.loads(lab.read_text())
    assert (before["job"], after["job"]) == ("", "7")
    assert before["name"] == after["name"]
    order = json.loads((lab.parent / after["name"] / "order.json").read_text())
    assert (order["port"], order["work"]) == (9000, str(tmp_path / "work"))
    assert (tmp_path / "work" / ".lab" / f"{after['name']}.seen").exists()


def test_status_of_a_forgotten_job_asks_the_database(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    """As sacct of Slurm 22.05 prints it."""
    place(tmp_path, told=UP)
    slurm.add_answer("sacct", out="7|CANCELLED by 1000|n3\n")
    code, out, _ = inv("status", "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["state"], document["note"]) == ("ended", "its job was cancelled")


def test_slurm_that_does_not_answer_is_said_and_the_lab_not_taken_for_gone(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    place(tmp_path, told=UP)
    slurm.add_answer("squeue", err="slurm_load_jobs error: Unable to contact", code=1)
    for command in ("status", "stop"):
        code, out, err = inv(command)
        assert (code, out) == (2, "")
        assert err.startswith("A lab was started through Slurm, which does not answer now.")
    last = slurm_folder.read_last()
    assert last is not None
    assert not last.stopped


def test_no_other_machine_is_shown_the_token(
    inv: Call, slurm: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Port 8890 of this machine is another user's."""
    asked: list[object] = []
    monkeypatch.setattr("lab.server.address._get", lambda *words, **_: asked.append(words))
    place(tmp_path, told=UP)
    slurm.add("squeue", f'[ -e "{tmp_path}/over" ] || echo "7|RUNNING|n3|1|2|None"')
    slurm.add("scancel", f': >"{tmp_path}/over"')
    assert inv("status")[0] == 0
    code, _, err = inv("course", "--update", "--work", str(tmp_path / "work"))
    assert code == 2
    assert "JupyterLab's terminal" in err
    assert inv("lab", "--slurm")[0] == 0
    assert inv("stop")[0] == 0
    assert asked == []


def test_stop_cancels_the_job_and_waits_until_it_has_ended(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    """Also one whose number nobody heard: it is found by its name."""
    place(tmp_path, job="", told=UP)
    answers = tmp_path / "answers"
    answers.write_text("RUNNING\nRUNNING\nCOMPLETING\nCOMPLETING\nCANCELLED\n")
    one = rf'read -r state <"{answers}"; /bin/sed -i "1{{\$!d}}" "{answers}"'
    slurm.add("squeue", f'{one}; echo "7|$state|n3|1|2|None"')
    code, out, err = inv("stop")
    assert (code, answers.read_text()) == (0, "CANCELLED\n")
    assert out == f"The lab has stopped; its files are in {tmp_path / 'work'}.\n"
    assert "cancelled job 7" in err
    assert [call for call in slurm.calls if call.startswith("scancel")] == ["scancel 7"]
    assert list((tmp_path / "work" / ".lab").iterdir()) == []
    assert inv("status")[1].startswith("No lab is running.")


def test_stop_gives_up_on_a_node_that_does_not_let_go(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    place(tmp_path, told=UP)
    slurm.add_answer("squeue", out="7|COMPLETING|n3|1|2|None\n")
    moments = iter([0.0, 1.0, 1e9])
    with pytest.raises(LabError, match="has not ended yet"):
        slurm_stop.end(lambda _: None, sleep=lambda _: None, clock=lambda: next(moments))


def test_lab_elsewhere_is_not_passed_off_as_the_one_wished_for(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    place(tmp_path, told=UP)
    slurm.add_answer("squeue", out="7|RUNNING|n3|1|2|None\n")
    code, _, err = inv("lab", "--slurm", "--work", str(tmp_path / "other"))
    assert code == 2
    assert "A lab runs already, with work " in err
    code, _, err = inv("lab", "--slurm", "--device", "cuda")
    assert code == 2
    assert "with device cpu (asked for: cuda)" in err
    code, _, err = inv("lab")
    assert code == 2
    assert "on a node of the cluster" in err
    code, out, err = inv("lab", "--slurm", "--work", str(tmp_path / "work"), "--time", "30")
    assert code == 0
    assert "address  http://127.0.0.1:8890/lab?token=t0k" in out
    assert "--time: for a new start" in err
    assert not [call for call in slurm.calls if call.startswith("sbatch")]


def waiter(said: list[str], clock: Callable[[], float] = lambda: 0.0) -> Waiter:
    return Waiter(say=said.append, sleep=lambda _: None, clock=clock)


def test_waiting_says_what_changes_once(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    folder = place(tmp_path)
    answers = tmp_path / "answers"
    answers.write_text(
        "PENDING||N/A|N/A|Priority\nPENDING||1800000000|N/A|Priority\n"
        "PENDING||1800000000|N/A|Priority\nCONFIGURING|n3|1|2|None\nRUNNING|n3|1|2|None\n"
    )
    slurm_folder.write(tmp_path / "up", UP)
    up = f'[ "$state" != RUNNING ] || /bin/cp "{tmp_path}/up" "{folder}/node.json"'
    one = rf'read -r line <"{answers}"; /bin/sed -i "1{{\$!d}}" "{answers}"; state=${{line%%|*}}'
    slurm.add("squeue", f'{one}; {up}; echo "7|$line"')
    said: list[str] = []
    assert waiter(said).wait().state == "running"
    assert said == [
        "job 7 waits for a node: others are before it (Priority)",
        "job 7 waits for a node: others are before it (Priority); Slurm expects it to start at"
        " 2027-01-15T08:00:00Z",
        "job 7 runs on n3; waiting for its page ...",
    ]


def test_lab_that_failed_is_an_error_in_the_nodes_words(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    told = OnNode(phase="failed", node="n3", job="7", failed=("It is so.", "because", "do this"))
    place(tmp_path, told=told)
    slurm.add_answer("squeue", out="7|FAILED|n3|1|2|None\n")
    with pytest.raises(LabError) as failed:
        waiter([]).wait()
    assert str(failed.value) == (
        "It is so.\n  why:  on n3: because\n  next: do this; ./inv logs shows what it said"
    )


def test_job_that_never_began_is_an_error_with_the_end_of_its_log(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    """What the node wrote may be seen late, so that is waited for."""
    folder = place(tmp_path)
    slurm.add_answer("squeue", out="7|FAILED|n3|1|2|None\n")
    moments = iter(range(100))
    with pytest.raises(LabError) as failed:
        waiter([], clock=lambda: float(next(moments))).wait()
    assert "does it see" in failed.value.why
    (folder / "log.txt").write_text("exec: /opt/python: not found\n")
    with pytest.raises(LabError) as failed:
        waiter([], clock=lambda: float(next(moments))).wait()
    assert "not found" in failed.value.why


def test_lab_that_is_not_well_is_an_error_when_it_stays_so(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    place(tmp_path, told=UP)
    slurm.add_answer("squeue", out="7|SUSPENDED|n3|1|2|None\n")
    moments = iter(range(100))
    with pytest.raises(LabError, match="on n3, and not to be used: Slurm has suspended its job"):
        waiter([], clock=lambda: float(next(moments))).wait()


def test_logs_are_those_of_the_lab_on_the_node(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    folder = place(tmp_path, told=UP)
    (folder / "log.txt").write_text("x")
    assert running.logs_arguments(follow=True)[-2:] == ["-f", str(folder / "log.txt")]
    slurm_stop.forget()
    assert running.logs_arguments(follow=False)[-1] == str(folder / "log.txt")


def test_lab_in_apptainer_is_told_its_image_in_full(
    inv: Call, slurm: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's file may say so for everybody; the node makes no image."""
    (tmp_path / "cluster.toml").write_text('[cluster]\nengine = "apptainer"\nimage = "~/a.sif"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Waiter, "wait", lambda _: Session(state="running"))
    assert inv("lab", "--slurm", "--work", str(tmp_path / "work"))[0] == 0
    last = slurm_folder.read_last()
    assert last is not None
    order = slurm_folder.read(slurm_folder.folder_of(last.name) / "order.json", Order)
    assert order is not None
    assert (order.engine, order.image) == ("apptainer", str(tmp_path / "a.sif"))
