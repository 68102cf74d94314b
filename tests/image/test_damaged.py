"""An image's archive damaged at random: refused with what to do, or read as what it says."""

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.image import sif
from lab.image.archive import read_manifest
from tests.damage import fuzzed, odd, refused_or, spoilt_bytes, spoilt_values
from tests.image.test_archive import Image, usual
from tests.image.test_sif import LABELS


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    image = Image(layers=[usual()], config={"os": "linux", "config": {"Labels": LABELS}})
    return image.write(tmp_path_factory.mktemp("whole") / "lab.tar").read_bytes()


def looked_at(path: Path, damaged: bytes) -> dict[str, str] | None:
    """The labels of a damaged archive; None where it was refused. It stays as it was."""
    path.write_bytes(damaged)
    found: list[dict[str, str]] = []
    error = refused_or(lambda: found.append(sif.labels_to_keep(path)))
    assert path.read_bytes() == damaged
    if error is not None:
        assert str(path) in error.what
        assert "./inv build --archive" in error.next_step
    return found[0] if found else None


@fuzzed
@given(data=st.data())
def test_archive_with_spoilt_bytes(data: st.DataObject, whole: bytes, tmp_path: Path) -> None:
    """What is read is what a digest vouches for: a label is never another."""
    path = tmp_path / "lab.tar"
    path.write_bytes(whole)
    digest = read_manifest(path).digest
    found = looked_at(path, data.draw(st.one_of(spoilt_bytes(whole), odd)))
    assert found is None or found == {**LABELS, sif.DIGEST: digest}


@fuzzed
@given(data=st.data())
@pytest.mark.parametrize("which", ["index", "manifest", "config"])
def test_archive_with_other_values(data: st.DataObject, which: str, tmp_path: Path) -> None:
    """Whole by its digests, and made by somebody who had other things in mind."""

    class Odd(Image):
        def blob(self, content: bytes) -> tuple[str, int]:
            kind = {b'"layers"': "manifest", b'"os"': "config"}
            found = next((name for word, name in kind.items() if word in content), "")
            return super().blob(data.draw(spoilt_values(content)) if found == which else content)

    image = Odd(layers=[usual()], config={"os": "linux", "config": {"Labels": LABELS}})
    path = image.write(tmp_path / "lab.tar")
    if which == "index":
        path = with_index(path, data.draw(spoilt_values(read(path, "index.json"))))
    found = looked_at(path, path.read_bytes())
    assert found is None or found.keys() == LABELS.keys() | {sif.DIGEST}


def read(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def with_index(path: Path, index: bytes) -> Path:
    """An archive beside another one, with its blobs."""
    with tarfile.open(path) as tar:
        names = tar.getnames()
    blobs = {name: read(path, name) for name in names} | {"index.json": index}
    other = path.with_name("other.tar")
    with tarfile.open(other, "w") as tar:
        for name, content in blobs.items():
            Image._add(tar, name, content)
    return other


def test_manifest_without_end_is_refused(tmp_path: Path) -> None:
    """The file is sparse: reading it whole would take more memory than there is."""
    path = tmp_path / "lab.tar"
    info = tarfile.TarInfo("index.json")
    info.size = 1 << 36
    with path.open("wb") as file:
        file.write(info.tobuf())
        file.truncate((1 << 36) + 10_240)
    error = refused_or(lambda: sif.labels_to_keep(path))
    assert error is not None
    assert "no OCI image" in error.why
