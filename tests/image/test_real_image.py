"""The image that this clone builds, looked into."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from lab.image.archive import read_manifest
from tests.conftest import ROOT, CommandLine, copy_checkout

pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def built(state: Path) -> dict[str, object]:
    result = CommandLine(state=state)("build", "--json", timeout=1500)
    assert result.code == 0, result.err
    return result.json()


@pytest.fixture(scope="module")
def image(built: dict[str, object]) -> str:
    return str(built["image"])


def inside(image: str, script: str, *options: str) -> str:
    return subprocess.run(
        ["docker", "run", "--rm", *options, image, "bash", "-c", script],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def config(image: str) -> dict[str, object]:
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config}}", image],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_digest_and_size_are_those_of_an_export(
    built: dict[str, object], image: str, tmp_path: Path
) -> None:
    """`build` asks the engine; an export, which reads all layers, must say the same."""
    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), image], check=True)
    manifest = read_manifest(archive)
    assert built["digest"] == manifest.digest
    size = built["compressed_bytes"]
    assert isinstance(size, int)
    assert (
        abs(size - manifest.compressed_bytes) < 20_000
    )  # configuration and manifest beside the layers
    assert size < 400e6


@pytest.mark.builds
@pytest.mark.timeout(2400)
def test_two_builds_from_nothing_give_one_digest(state: Path) -> None:
    checked = CommandLine(state=state)("build", "--check", "--json", timeout=2400)
    assert checked.code == 0, checked.err
    report = checked.json()
    assert report["identical"] is True
    assert re.fullmatch("sha256:[0-9a-f]{64}", str(report["digest"]))


def test_second_build_installs_nothing_again(state: Path) -> None:
    command = CommandLine(state=state)
    first = command("build", "--json").json()
    again = command("build", "--verbose", "--json")
    assert again.json()["digest"] == first["digest"]
    ran = [line for line in again.err.splitlines() if " + torch==" in line]
    assert ran == []


def test_change_in_lab_installs_nothing_and_makes_one_small_layer(
    built: dict[str, object], image: str, state: Path, tmp_path: Path
) -> None:
    clone = copy_checkout(tmp_path / "clone")
    with (clone / "lab" / "units.py").open("a") as file:
        file.write("\n# a change\n")
    changed = CommandLine(state=state, root=clone)("build", "--verbose", "--json")
    assert changed.code == 0, changed.err
    assert " + torch==" not in changed.err
    layers = [_layers(name) for name in (image, str(changed.json()["image"]))]
    assert layers[0] != layers[1]
    assert layers[0][:-1] == layers[1][:-1], "only the last layer differs"


def _layers(image: str) -> list[str]:
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[str] = json.loads(done.stdout)
    return found


def test_user_is_not_root(image: str) -> None:
    assert inside(image, "id -u; id -un").split() == ["1000", "student"]


def test_any_user_id_finds_a_home_and_a_name(image: str) -> None:
    script = (
        "cd && touch here && echo $HOME $USER"
        " && python -c 'import getpass; print(getpass.getuser())'"
    )
    told = inside(image, script, "--user", "31337:31337")
    assert told.split() == ["/home/student", "student", "student"]


def test_labels_name_inputs_and_lock(built: dict[str, object], image: str) -> None:
    labels = config(image)["Labels"]
    assert isinstance(labels, dict)
    assert labels["pytorch-lab.inputs"] == built["inputs"]
    assert labels["pytorch-lab.lock"] == built["lock"]
    assert labels["org.opencontainers.image.source"]


def test_nothing_from_outside_is_baked_in(image: str) -> None:
    """No CA, mirror, wheelhouse or proxy of the machine that built it."""
    history = subprocess.run(
        ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", image],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    environment = " ".join(str(value) for value in config(image)["Env"])  # type: ignore[attr-defined]
    for text in (history, environment):
        assert not re.search(r"find-links=|http://|https://|SSL_CERT|PIP_", text)
    assert (
        inside(image, "ls -A /dev/ca /dev/sources /dev/wheelhouse /run/secrets 2>/dev/null || true")
        == ""
    )


def test_no_time_of_the_wheelhouse_is_in_it(image: str) -> None:
    """uv's note of a wheel's time is that of the builder's copy, which is another one each time."""
    lists = "/opt/venv/lib/python*/site-packages/*.dist-info"
    assert inside(image, f"ls {lists}/uv_cache.json 2>/dev/null; true") == ""
    assert inside(image, f"grep -l uv_cache.json {lists}/RECORD; true") == ""
    assert inside(image, f"ls {lists}/RECORD | wc -l") != "0\n"


def test_packages_are_those_of_the_lock(image: str) -> None:
    script = (
        "python - <<'E'\nfrom importlib.metadata import distributions\n"
        "for d in distributions():\n"
        "    print(d.name.lower().replace('_', '-').replace('.', '-'), d.version)\nE"
    )
    listed = inside(image, script)
    installed = dict(line.split() for line in listed.splitlines())
    locked = dict(
        re.findall(
            r"^([a-z0-9._-]+)={2,3}([^ ;\\]+)", (ROOT / "docker/locks/cpu.txt").read_text(), re.M
        )
    )
    assert installed["torch"] == "2.13.0+cpu"
    assert set(installed) <= {name.replace("_", "-").replace(".", "-") for name in locked}
    for name in (
        "torch",
        "jupyterlab",
        "matplotlib",
        "pytest",
        "nvidia-ml-py",
        "invoke",
        "ipywidgets",
    ):
        assert name in installed


def test_every_promised_package_imports(image: str) -> None:
    inside(
        image,
        "python -W error::ImportWarning -c 'import torch, jupyterlab, matplotlib, pytest, pynvml,"
        " ipywidgets, invoke, lab'",
    )


def test_bytecode_is_there_and_needs_no_writing(image: str) -> None:
    script = (
        "python - <<'E'\nimport importlib.util, pathlib\n"
        "for name in ('torch', 'jupyterlab.labapp', 'lab.server.start'):\n"
        "    origin = importlib.util.find_spec(name).origin\n"
        "    print(pathlib.Path(importlib.util.cache_from_source(origin)).exists())\nE"
    )
    assert inside(image, script).split() == ["True", "True", "True"]


def test_git_and_a_compiler_are_there(image: str) -> None:
    inside(
        image,
        "git --version && echo 'int main(){return 0;}' >/tmp/a.cpp && g++ /tmp/a.cpp -o /tmp/a &&"
        " /tmp/a",
    )


def test_start_says_what_is_wrong_with_the_folder(image: str, tmp_path: Path) -> None:
    """Plain `docker run` with a folder of another user: one clear message instead of a broken
    lab."""
    tmp_path.chmod(0o755)
    refused = subprocess.run(
        ["docker", "run", "--rm", "--user", "4242:4242",
         "--mount", f"type=bind,source={tmp_path},target=/work", image],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "The folder /work cannot be written by user 4242" in refused.stderr
    assert "Traceback" not in refused.stderr
