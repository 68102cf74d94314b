"""`inv bench --nodes` with programs that stand in for Slurm's: what it asks them, and refuses."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from invoke import Collection

from tests.cluster.samples import Run, case, report
from tests.commands import Call, caller
from tests.fakes import Programs

SINFO = "n1|idle|main*|(null)|none\nn2|idle|main*|(null)|none\nn3|drained|main*|(null)|disk\n"
BENCH = ("bench", "--only", "matmul", "--device", "cpu", "--quick")


@pytest.fixture
def inv(
    tasks: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Call:  # fmt: skip
    monkeypatch.setenv("LAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LAB_CLUSTER", str(tmp_path / "cluster.toml"))
    (tmp_path / "cluster.toml").write_text("[cluster]\n")
    return caller(Collection.from_module(tasks), capsys)


@pytest.fixture
def slurm(programs: Programs) -> Programs:
    programs.add_answer("sinfo", out=SINFO)
    programs.add_answer("sbatch", err="sbatch: error: not today", code=1)
    return programs


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--nodes", "n9"], "There is no node n9."),
        (["--nodes", "n[1-2],g7"], "There is no node g7."),
        (["--nodes", "n["], "There is no list of nodes 'n['."),
        (["--nodes", "3"], "There are not 3 nodes to choose from."),
        (["--nodes", ""], "--nodes is given nothing."),
        (["--nodes", "2", "--parallel", "many"], "--parallel cannot be 'many'."),
        (["--nodes", "2", "--time", "soon"], "--time cannot be 'soon'."),
        (["--nodes", "2", "--partition", "a b"], "There is no node to choose from."),
        (["--nodes", "n1", "--partition", "a b"], "--partition cannot be 'a b'."),
        (["--nodes", "2", "--engine", "docker"], "The engine docker is not used on the nodes"),
        (["--nodes", "2", "--engine", "dokcer"], "There is no engine 'dokcer'."),
        (["--nodes", "2", "--device", "mps"], "Slurm's nodes have no device mps."),
        (["--nodes", "2", "--only", "nope"], "There is no speed test 'nope'."),
        (["--nodes", "2", "--compare", "x.json"], "--nodes and --compare exclude each other."),
        (["--nodes", "2", "--cases"], "--cases and --nodes exclude each other."),
        (["--nodes", "2", "--collect", "x"], "--nodes and --collect exclude each other."),
        (["--collect", "x", "--partition", "y"], "--collect and --partition exclude each other."),
        (["--collect", "x", "--dry-run"], "--collect and --dry-run exclude each other."),
        (["--collect", "nope"], "There is no run 'nope'."),
        (["--reference", "x"], "--reference is for the nodes of a cluster."),
        (["--nodes", "2", "--reference", "nope"], "--dry-run and --reference exclude each other."),
        (["--nodes", "2", "--report", "x.html"], "--dry-run and --report exclude each other."),
        (["--collect", "x", "--reference", "nope"], "The reference 'nope' cannot be read."),
        (["--retry", "nope"], "There is no run 'nope'."),
        (["--parallel", "2"], "--parallel is for the nodes of a cluster."),
        (["--no-network"], "--no-network is for the nodes of a cluster."),
        (["--no-wait"], "--no-wait is for the nodes of a cluster."),
        (["--chunk", "4"], "--chunk is for the nodes of a cluster."),
        (["--nodes", "2", "--chunk", "0"], "--chunk cannot be '0'."),
        (["--nodes", "2", "--max-submit", "few"], "--max-submit cannot be 'few'."),
        (["--nodes", "2", "--gpus-per-node", "some"], "--gpus-per-node cannot be 'some'."),
        (["--collect", "x", "--chunk", "4"], "--collect and --chunk exclude each other."),
        (["--retry", "x", "--gpus-per-node", "4"], "--retry and --gpus-per-node exclude"),
    ],
)
def test_what_cannot_be_is_exit_2_and_nothing_is_submitted(
    inv: Call, slurm: Programs, words: list[str], what: str
) -> None:
    code, out, err = (
        inv("bench", "--dry-run", *words) if "--nodes" in words else inv("bench", *words)
    )
    assert (code, out) == (2, "")
    assert err.startswith(what)
    assert "\n  why:  " in err
    assert "\n  next: " in err
    assert not [call for call in slurm.calls if call.startswith("sbatch")]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["gpu", "--nodes", "2", "--watch"], "--watch and --nodes exclude each other."),
        (["gpu", "--nodes", "2", "--details"], "--nodes and --details exclude each other."),
        (["gpu", "--nodes", "2", "--engine", "docker"], "--nodes and --engine exclude each other."),
        (["gpu", "--nodes", "n9"], "There is no node n9."),
        (["gpu", "--chunk", "2"], "--chunk is for the nodes of a cluster."),
        (["gpu", "--retry", "nope"], "There is no run 'nope'."),
        (["autograd", "--nodes", "2", "--cases"], "--cases and --nodes exclude each other."),
        (["autograd", "--nodes", "2", "--only", "nope"], "There is no gradient check 'nope'."),
        (["autograd", "--nodes", "2", "--target", "module:f"], "The target module:f cannot be"),
        (["autograd", "--nodes", "2", "--engine", "docker"], "The engine docker is not used on"),
        (["autograd", "--collect", "x", "--only", "softmax"], "--collect and --only exclude"),
    ],
)
def test_what_other_tasks_cannot_do_on_nodes_is_exit_2(
    inv: Call, slurm: Programs, words: list[str], what: str
) -> None:
    code, out, err = inv(*words, *(["--dry-run"] if "--nodes" in words else []))
    assert (code, out) == (2, "")
    assert err.startswith(what)
    assert "\n  why:  " in err
    assert "\n  next: " in err


def planned(inv: Call, *words: str) -> dict[str, Any]:
    code, out, err = inv(*words, "--dry-run", "--json")
    assert code == 0, err
    document: dict[str, Any] = json.loads(out)
    assert document["schema"] == "lab/cluster-plan/1"
    return document


def test_gpus_are_read_by_a_job_that_asks_for_all_of_them(inv: Call, slurm: Programs) -> None:
    slurm.add(
        "sinfo",
        'case "$*" in *%G*) printf "n1|gpu:h100:4(S:0-1)\\nn2|(null)\\n";;'
        f' *) printf "{SINFO.encode("unicode_escape").decode()}";; esac',
    )
    plan = planned(inv, "gpu", "--nodes", "all", "--only", "0,1", "--chunk", "8")
    assert './inv gpu --only 0,1 --deadline 5 --output "$1/result.json"' in plan["script"]
    with_gpus, without = sorted(plan["submissions"], key=lambda a: "--nodelist=n2" in a)
    assert {"--nodelist=n1", "--gpus-per-node=4"} <= set(with_gpus)
    assert not [word for word in without if word.startswith("--gpus")]
    for argv in planned(inv, "autograd", "--nodes", "2")["submissions"]:
        assert not [word for word in argv if word.startswith("--gpus")]


def test_checks_are_told_what_was_typed(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    (tmp_path / "loss.py").write_text("def loss(x): ...\n")
    target = f"{tmp_path}/loss.py:loss"
    plan = planned(
        inv, "autograd", "--nodes", "n1", "--device", "cpu", "--target", target, "--shapes",
        "4x3,3", "--order", "2", "--budget", "9", "--seed", "3", "--language", "en",
    )  # fmt: skip
    assert (
        f"./inv autograd --engine host --device cpu --target {target} --shapes 4x3,3 --order 2"
        " --budget 9 --seed 3 --language en --output" in plan["script"]
    )


def test_each_gpu_has_its_turn_and_the_job_its_time(inv: Call, slurm: Programs) -> None:
    words = ("--nodes", "2", "--only", "matmul", "--device", "cuda", "--budget", "600")
    plan = planned(inv, "bench", *words, "--gpus-per-node", "8")
    assert "for gpu; do" in plan["script"]
    assert "#SBATCH --time=95\n" in plan["script"]  # eight times 10 minutes, and 15
    assert all("--gpus-per-node=8" in argv for argv in plan["submissions"])
    assert "#SBATCH --time=25\n" in planned(inv, "bench", *words)["script"]


def test_what_is_submitted_in_chunks_is_shown_so(inv: Call, slurm: Programs) -> None:
    argv = planned(inv, *BENCH, "--nodes", "2", "--chunk", "64")["submissions"]
    assert len(argv) == 1
    assert {"--nodes=2", "--nodelist=n[1-2]", "--no-kill"} <= set(argv[0])
    assert argv[0][-5:] == ["--each", "n1", "1", "n2", "1"]


def test_forgotten_job_is_asked_for_in_the_database(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    """As sacct of Slurm 22.05 prints it; squeue knows a job for minutes only."""
    run = Run(tmp_path / "run", "n1", "n2")
    run.begun("n1")
    run.submitted("n2")
    slurm.add_answer("squeue")
    slurm.add_answer("sacct", out="1|CANCELLED by 1000|n1\n2|DEADLINE|None assigned\n")
    code, out, err = inv("bench", "--collect", str(run.folder.path), "--no-wait", "--json")
    assert code == 3, err
    first, second = json.loads(out)["nodes"]
    assert (first["state"], second["state"]) == ("lost", "never_started")
    assert "its job was cancelled" in first["reasons"][0]
    assert "its deadline came" in second["reasons"][0]
    assert next(call for call in slurm.calls if call.startswith("sacct")).endswith("--jobs=1,2")


def test_filters_that_a_person_set_hide_no_job(
    inv: Call, slurm: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "mine")
    run = Run(tmp_path / "run", "n1")
    run.begun("n1")
    slurm.add("squeue", '[ -z "$SQUEUE_PARTITION" ] && echo "1|RUNNING|n1/1|n1|None"')
    code, out, _ = inv("bench", "--collect", str(run.folder.path), "--no-wait", "--json")
    assert code == 3
    document = json.loads(out)
    assert document["complete"] is False
    assert document["nodes"][0]["reasons"] == ["it is still running, without a result so far"]


def test_without_a_database_the_job_is_gone(inv: Call, slurm: Programs, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", "n1")
    run.begun("n1")
    slurm.add_answer("squeue")
    slurm.add_answer("sacct", err="Slurm accounting storage is disabled", code=1)
    code, out, _ = inv("bench", "--collect", str(run.folder.path), "--no-wait", "--json")
    assert code == 3
    (node,) = json.loads(out)["nodes"]
    assert node["state"] == "lost"
    assert "Slurm does not say how it ended" in node["reasons"][0]


def test_slurm_that_does_not_answer_makes_no_record(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run", "n1")
    run.begun("n1")
    slurm.add_answer("squeue", err="slurm_load_jobs error: Unable to contact", code=1)
    code, out, err = inv("bench", "--collect", str(run.folder.path), "--no-wait")
    assert (code, out) == (2, "")
    assert err.startswith("Slurm does not answer.\n")


def test_node_that_became_slower_than_the_reference_is_exit_3(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    """Also where no node is slow beside the others."""
    nodes = ["n1", "n2", "n3", "n4"]
    for name, time_s in (("old", 1e-3), ("new", 1.2e-3)):
        run = Run(tmp_path / name, *nodes)
        for node in nodes:
            run.done(node, report(case(time_s)))
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert inv("bench", "--collect", old, "--json")[0] == 0
    assert inv("bench", "--collect", new)[0] == 0
    code, out, _ = inv("bench", "--collect", new, "--reference", old, "--json")
    assert code == 3
    document = json.loads(out)
    assert document["reference"]["slower"] == nodes
    assert [node["verdict"] for node in document["nodes"]] == ["ok"] * 4
    assert inv("bench", "--collect", old, "--reference", new)[0] == 0  # faster is no failure


def test_without_slurm_that_is_said(inv: Call, programs: Programs) -> None:
    code, _, err = inv(*BENCH, "--nodes", "all")
    assert code == 2
    assert err.startswith("There is no Slurm on this machine.\n")


def test_slurm_that_does_not_answer_is_said(inv: Call, programs: Programs) -> None:
    programs.add_answer("sinfo", err="slurm_load_partitions: Unable to contact slurm", code=1)
    code, _, err = inv(*BENCH, "--nodes", "all")
    assert code == 2
    assert err.startswith("Slurm does not answer.\n  why:  slurm_load_partitions: Unable")


def test_dry_run_shows_the_script_and_does_nothing(
    inv: Call, slurm: Programs, tmp_path: Path
) -> None:
    (tmp_path / "cluster.toml").write_text('[cluster]\naccount = "physics"\nexclusive = true\n')
    code, out, _ = inv(
        *BENCH, "--nodes", "all", "--parallel", "1", "--seed", "7", "--threads", "2",
        "--size", "256,512", "--time", "30", "--dry-run", "--json",
    )  # fmt: skip
    assert code == 0
    document = json.loads(out)
    assert document["schema"] == "lab/cluster-plan/1"
    assert document["nodes"] == ["n1", "n2", "n3"]
    assert (
        "#SBATCH --account=physics\n#SBATCH --time=30\n#SBATCH --exclusive\n" in document["script"]
    )
    assert (
        " ./inv bench --engine host --device cpu --quick --only matmul --size 256,512"
        " --precision 5 --threads 2 --seed 7 --output" in document["script"]
    )
    first, second = document["submissions"]  # none for the node that is drained
    assert "--nodelist=n1" in first
    assert not [word for word in first if "dependency" in word]
    assert "--nodelist=n2" in second
    assert "--dependency=afterany:JOB_OF_n1" in second
    assert "#SBATCH --time=30\n" in document["network_script"]
    assert "--device cpu --work" in document["network_script"]
    assert "--nodelist=n[1-2]" in document["network_submission"]
    assert not (tmp_path / "results").exists()
    assert [call.partition(" ")[0] for call in slurm.calls] == ["sinfo"]


def test_dry_run_for_people_is_a_script_that_a_shell_takes(inv: Call, slurm: Programs) -> None:
    code, out, _ = inv(*BENCH, "--nodes", "2", "--dry-run")
    assert code == 0
    assert out.startswith("#!/bin/sh\n#SBATCH --ntasks-per-node=1\n")
    assert out.rstrip().splitlines()[-1].startswith("# sbatch --parsable ")
    assert "#SBATCH --time=16\n" in out  # 40 s and what the start may take
    assert "lab.network.rank" in out
    assert "lab.network.rank" not in inv(*BENCH, "--nodes", "2", "--no-network", "--dry-run")[1]
    assert "--comment=network/1" in out
    assert "--comment=network/1" not in inv(*BENCH, "--nodes", "1", "--dry-run")[1]
