"""The image on the nodes of a real Slurm, in a real Apptainer, for root and for a user."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine, copy_checkout

pytestmark = [
    pytest.mark.cluster, pytest.mark.container, pytest.mark.apptainer, pytest.mark.root,
]  # fmt: skip

USER = "pytorch-lab-test"
WORDS = (
    "bench", "--nodes", "2", "--engine", "apptainer", "--device", "cpu", "--only", "matmul",
    "--size", "256", "--dtype", "float32", "--threads", "1", "--quick", "--budget", "14",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who submits, with a folder of runs of their own."""

    command: CommandLine
    results: Path
    uid: int


@pytest.fixture
def root(state: Path, tmp_path: Path) -> Person:
    results = tmp_path / "results"
    return Person(command=_command(state, results), results=results, uid=0)


@pytest.fixture
def ana(state: Path, entered_by_all: Path) -> Iterator[Person]:
    """A real user of this machine and of Slurm, with a clone that she may only read."""
    subprocess.run(["userdel", USER], capture_output=True, check=False)
    home = entered_by_all / "ana"
    made = ["useradd", "--no-create-home", "--home-dir", str(home), USER]
    subprocess.run(made, check=True, capture_output=True)
    try:
        clone = copy_checkout(entered_by_all / "clone")
        # Without root's Python she has another one, and then makes the runner's environment anew.
        for runner in state.glob("runner-*"):
            if runner.is_dir():
                shutil.copytree(runner, home / "state" / runner.name, symlinks=True)
        subprocess.run(["chown", "--recursive", f"{USER}:", str(home)], check=True)
        become = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups")
        command = _command(home / "state", home / "results", root=clone, prefix=become, HOME=home)
        yield Person(command=command, results=home / "results", uid=home.stat().st_uid)
    finally:
        subprocess.run(["scancel", f"--user={USER}"], capture_output=True, check=False)
        subprocess.run(["userdel", USER], capture_output=True, check=True)


def _command(
    state: Path, results: Path, root: Path | None = None, prefix: tuple[str, ...] = (), **env: Path
) -> CommandLine:
    site = results.parent / "cluster.toml"
    site.parent.mkdir(parents=True, exist_ok=True)
    site.write_text('[cluster]\npartition = "main"\nfloor_percent = 900\n')
    variables = {"LAB_RESULTS": str(results), "LAB_CLUSTER": str(site)}
    variables |= {name: str(value) for name, value in env.items()}
    where = {} if root is None else {"root": root}
    return CommandLine(state=state, env=variables, prefix=prefix, **where)


def test_both_measure_in_the_image_on_two_nodes(
    root: Person, ana: Person, built: dict[str, Any], entered_by_all: Path
) -> None:
    """Both at once: what is fast does not matter here."""
    image = entered_by_all / "lab.sif"
    os.link(built["sif"], image)
    runs = {}
    for person in (root, ana):
        # Root's own image file lies in the state; another one is named.
        named = () if person is root else ("--image", str(image))
        done = person.command(*WORDS, *named, "--no-wait")
        assert done.code == 0, done.err
        runs[person.uid] = done.out.strip()
    for person in (root, ana):
        done = person.command("bench", "--collect", runs[person.uid], "--json")
        document = json.loads(done.out)
        log = _log(person.results / runs[person.uid])
        assert [node["state"] for node in document["nodes"]] == ["ok", "ok"], log
        assert document["odd_ones_out"] == []
        for node in document["nodes"]:
            file = Path(document["folder"]) / node["file"]
            assert file.stat().st_uid == person.uid
            own = json.loads(file.read_text())
            seen = own["environment"]
            assert (seen["engine"], seen["host"]) == ("apptainer", node["name"])
            assert seen["image_digest"] == built["digest"]
            assert seen["lock_sha256"] == built["lock"]
            assert own["cases"][0]["samples_s"]


def test_node_whose_apptainer_refuses_says_why(root: Person, tmp_path: Path) -> None:
    """Where one submits that is no more than a warning: the nodes may have what is lacking."""
    image = tmp_path / "lab.sif"
    image.touch()
    done = root.command(*WORDS, "--image", str(image), "--no-wait")
    assert done.code == 0, done.err
    assert "image format not recognized" in done.err
    run = done.out.strip()
    done = root.command("bench", "--collect", run, "--json")
    assert done.code == 3
    for node in json.loads(done.out)["nodes"]:
        assert node["state"] == "failed"
        assert "Apptainer cannot start a container of the image." in node["reasons"][0]


def test_lab_runs_in_the_image_on_a_node(
    root: Person, built: dict[str, Any], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    words = ("--slurm", "--engine", "apptainer", "--device", "cpu", "--work", str(work))
    try:
        done = root.command("lab", *words, "--json")
        assert done.code == 0, done.err
        session = done.json()
        assert (session["engine"], session["image"]) == ("apptainer", built["sif"])
        with urllib.request.urlopen(str(session["url"]), timeout=60) as page:
            assert b"JupyterLab" in page.read()
    finally:
        stopped = root.command("stop")
    assert stopped.code == 0, stopped.err


def _log(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.glob("nodes/*/*/log.txt"))
