"""Image files for Apptainer, with programs that stand in for it and for Docker."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.engines.choose import Choice
from lab.errors import LabError
from lab.image import sif
from lab.image.inputs import hash_inputs
from lab.image.provide import own_image, provide_image, provide_sif
from lab.paths import ROOT
from lab.process import Finished
from tests.fakes import Programs

LABELS = {"pytorch-lab.device": "cpu", "pytorch-lab.inputs": "a" * 64, "pytorch-lab.lock": "b" * 64}
IN_APPTAINER = Choice(engine="apptainer", device="cpu", gpu="none", why="")

# Builds a file that holds its definition, and reads labels from that.
APPTAINER = """\
case "$1" in
build) shift 4; /bin/cat "$2" >"$1" ;;
inspect) printf '{"data": {"attributes": {"labels": {"pytorch-lab.digest": "%s"}}}}' \\
  "$(/bin/sed -n 's/ *pytorch-lab.digest //p' "$4")" ;;
version) echo 1.4.5 ;;
--quiet) for word; do case $word in *.sif) [ -e "$word" ] || exit 255 ;; esac; done ;;
*) exit 9 ;;
esac
"""


def archive(path: Path, labels: dict[str, str] | None) -> Path:
    """An OCI archive as `docker save` writes one, of an image without layers."""
    blobs: dict[str, bytes] = {}

    def blob(content: object) -> dict[str, object]:
        data = json.dumps(content).encode()
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": "x+json"}

    manifest = blob({"config": blob({"config": {"Labels": labels}}), "layers": []})
    blobs["index.json"] = json.dumps({"manifests": [manifest]}).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in blobs.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def apptainer(programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "the state"))
    monkeypatch.delenv("APPTAINER_TMPDIR", raising=False)
    programs.add("apptainer", APPTAINER)
    return programs


def docker_with(programs: Programs, tmp_path: Path, labels: dict[str, str]) -> None:
    saved = archive(tmp_path / "saved.tar", labels)
    digest = sif.labels_to_keep(saved)["pytorch-lab.digest"]
    script = f"""\
case "$1 $2" in
"save --output") /bin/cp "{saved}" "$3" ;;
"image inspect") echo {digest} ;;
*) echo "{{}}" ;;
esac"""
    programs.add("docker", script)


def builds(programs: Programs) -> int:
    return sum(call.startswith("apptainer build") for call in programs.calls)


def test_image_file_keeps_the_digest_and_is_made_once(apptainer: Programs, tmp_path: Path) -> None:
    brought = archive(tmp_path / "lab of ana.tar", LABELS)
    made = sif.sif_of_archive(brought, print)
    assert made == tmp_path / "the state" / "images" / f"pytorch-lab-cpu-{'a' * 12}.sif"
    digest = sif.labels_to_keep(brought)["pytorch-lab.digest"]
    assert sif.read_labels(made)["pytorch-lab.digest"] == digest
    assert [path.name for path in made.parent.iterdir() if path.name.startswith("new-")] == []
    assert sif.sif_of_archive(brought, print) == made
    assert builds(apptainer) == 1


def test_image_file_of_another_image_is_made_anew(apptainer: Programs, tmp_path: Path) -> None:
    """Of the same files on another base: the same name, another image."""
    made = sif.sif_of_archive(archive(tmp_path / "a.tar", LABELS), print)
    other = archive(tmp_path / "b.tar", {**LABELS, "base": "another"})
    before = sif.read_labels(made)
    assert sif.sif_of_archive(other, print) == made
    assert sif.read_labels(made) != before


def test_only_the_newest_two_states_keep_their_image_file(
    apptainer: Programs, tmp_path: Path
) -> None:
    """Of each device; a file of another name is somebody's own."""
    said: list[str] = []
    folder = tmp_path / "the state" / "images"
    folder.mkdir(parents=True)
    own = {"pytorch-lab-cuda-0123456789ab.sif", "mine.sif"}
    for name in own:
        (folder / name).touch()
    made = []
    for number, letter in enumerate("cbad"):
        labels = {**LABELS, "pytorch-lab.inputs": letter * 64}
        path = sif.sif_of_archive(archive(tmp_path / f"{letter}.tar", labels), said.append)
        os.utime(path, (number, number))
        made.append(path.name)
    assert {path.name for path in folder.glob("*.sif")} == {*own, *made[2:]}
    told = [line.split()[1].rstrip(",") for line in said if line.startswith("removed")]
    assert told == made[:2]


def test_build_that_fails_leaves_the_old_file_and_nothing_else(
    apptainer: Programs, tmp_path: Path
) -> None:
    made = sif.sif_of_archive(archive(tmp_path / "a.tar", LABELS), print)
    kept = made.read_bytes()
    apptainer.add(
        "apptainer", "echo 'FATAL:   While performing build: no space left on device'\nexit 255"
    )
    with pytest.raises(LabError) as caught:
        sif.sif_of_archive(archive(tmp_path / "b.tar", {**LABELS, "base": "x"}), print)
    assert caught.value.why == "the disk is full: no space left on device"
    assert "free 3 GB" in caught.value.next_step
    assert made.read_bytes() == kept
    assert {path.name for path in made.parent.iterdir()} == {made.name, "lock"}


def test_remains_of_a_killed_build_go_with_the_next(apptainer: Programs, tmp_path: Path) -> None:
    remains = tmp_path / "the state" / "images" / "new-killed" / "rootfs"
    remains.mkdir(parents=True)
    sif.sif_of_archive(archive(tmp_path / "a.tar", LABELS), print)
    assert not remains.parent.exists()


@pytest.mark.parametrize(
    "labels",
    [
        None, {}, {"pytorch-lab.device": "cpu"},
        {**LABELS, "pytorch-lab.device": "../../cpu"}, {**LABELS, "pytorch-lab.inputs": "/a"},
        {**LABELS, "pytorch-lab.lock": "b\n%post\n    touch /tmp/here"},
    ],
)  # fmt: skip
def test_archive_of_another_image_is_refused(
    apptainer: Programs, tmp_path: Path, labels: dict[str, str] | None
) -> None:
    with pytest.raises(LabError, match="no archive of the lab's image") as caught:
        sif.sif_of_archive(archive(tmp_path / "a.tar", labels), print)
    assert "./inv build --archive lab.tar" in caught.value.next_step
    assert builds(apptainer) == 0


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(data=st.data())
def test_damaged_archive_is_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    """Cut short or with bytes changed: it says the same, or it is an error."""
    path = archive(tmp_path / "a.tar", LABELS)
    content, whole = bytearray(path.read_bytes()), sif.labels_to_keep(path)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = sif.labels_to_keep(path)
    except LabError:
        return
    assert found == whole


@pytest.mark.parametrize("index", ["{", "[]", "null", '{"manifests": [{}]}', '{"manifests": 1}'])
def test_archive_whose_index_is_damaged_is_refused(tmp_path: Path, index: str) -> None:
    path = tmp_path / "a.tar"
    (tmp_path / "index.json").write_text(index)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tmp_path / "index.json", "index.json")
    with pytest.raises(LabError, match="no archive of the lab's image"):
        sif.labels_to_keep(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LabError, match="no archive of the lab's image"):
        sif.labels_to_keep(path)


def test_archive_that_is_missing_is_an_error(apptainer: Programs, tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        sif.sif_of_archive(tmp_path / "none.tar", print)
    assert "No such file" in caught.value.why


def test_without_apptainer_the_archive_is_the_way(programs: Programs) -> None:
    with pytest.raises(LabError, match="no Apptainer here") as caught:
        sif.sif_of_image("pytorch-lab:cpu", print)
    assert "./inv build --from-archive lab.tar" in caught.value.next_step
    assert programs.calls == []


@pytest.mark.parametrize(
    ("said", "why", "remedy"),
    [
        (
            "squashfuse_ll exited: fuse: failed to open /dev/fuse: Permission denied",
            "which this user may not open", "apptainer build --sandbox FOLDER lab.sif",
        ),
        ("failed to create user namespace: not allowed", "make a user namespace", "sysctl"),
        ("image format not recognized", "image format not recognized", "try it by hand"),
    ],
)  # fmt: skip
def test_container_that_does_not_start_is_told_by_its_cause(
    said: str, why: str, remedy: str
) -> None:
    done = Finished(argv=("apptainer",), code=255, stdout="", stderr=f"FATAL:   {said}\n")
    error = sif.not_started(done, "lab.sif")
    assert why in error.why
    assert "FATAL" not in error.why
    assert remedy in error.next_step


def test_own_image_file_is_made_of_the_image_that_docker_has(
    apptainer: Programs, tmp_path: Path
) -> None:
    own = own_image("cpu", "apptainer")
    docker_with(apptainer, tmp_path, {**LABELS, "pytorch-lab.inputs": hash_inputs(ROOT)})
    assert provide_image(IN_APPTAINER, None, "", print) == own
    assert Path(own).exists()
    assert provide_image(IN_APPTAINER, None, "", print) == own
    assert builds(apptainer) == 1
    assert str(sif.sif_of_image(own_image("cpu"), print)) == own
    assert sum(call.startswith("docker save") for call in apptainer.calls) == 1


def test_own_image_file_without_docker_is_brought_here(apptainer: Programs) -> None:
    with pytest.raises(LabError, match="image file is not there") as caught:
        provide_sif("cpu", None, "", print)
    assert "./inv build --from-archive lab.tar" in caught.value.next_step


def test_named_image_file_is_taken_as_it_is(apptainer: Programs, tmp_path: Path) -> None:
    named = tmp_path / "mine.sif"
    with pytest.raises(LabError, match="There is no image file"):
        provide_image(IN_APPTAINER, str(named), "", print)
    named.touch()
    assert provide_image(IN_APPTAINER, str(named), "", print) == str(named)
    assert builds(apptainer) == 0


@pytest.mark.parametrize("answer", ["", "null", "[]", '{"data": {"attributes": {}}}', "{"])
def test_labels_that_cannot_be_read_are_none(apptainer: Programs, answer: str) -> None:
    apptainer.add_answer("apptainer", out=answer)
    assert sif.read_labels(Path("x.sif")) == {}
