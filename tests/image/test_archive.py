"""Two image archives compared, down to the file; the archives are made here, byte by byte."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lab.image.archive import differences, read_manifest

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def entry(name: str, content: bytes = b"", **about: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in {"mode": 0o644, "mtime": 1_700_000_000, **about}.items():
        setattr(info, key, value)
    return info, content


Entries = list[tuple[tarfile.TarInfo, bytes]]


def usual() -> Entries:
    return [
        entry("opt", type=tarfile.DIRTYPE, mode=0o755),
        entry("opt/a.py", b"x = 1\n"),
        entry("opt/link", type=tarfile.SYMTYPE, linkname="a.py"),
        entry("opt/z.bin", bytes(range(256)) * 50),
    ]


def layer_tar(entries: Entries) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return plain.getvalue()


def packed(plain: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(plain, mtime=0)
    return zstandard.compress(plain) if how == "zstd" else plain


@dataclass
class Image:
    """An OCI archive as the builder exports it."""

    layers: list[Entries]
    packing: str = "gzip"
    config: dict[str, Any] = field(default_factory=lambda: {"architecture": "amd64", "os": "linux"})
    attested: bool = False
    nested: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)

    def blob(self, content: bytes) -> tuple[str, int]:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return digest, len(content)

    def descriptor(self, content: bytes, kind: str, **more: Any) -> dict[str, Any]:
        digest, size = self.blob(content)
        return {"mediaType": kind, "digest": digest, "size": size, **more}

    def write(self, path: Path) -> Path:
        layers = [self.descriptor(packed(layer_tar(e), self.packing), GZIP) for e in self.layers]
        config = self.descriptor(json.dumps(self.config).encode(), "config")
        content = json.dumps({"config": config, "layers": layers}).encode()
        platform = {"architecture": "amd64", "os": "linux"}
        found = [self.descriptor(content, MANIFEST, platform=platform)]
        if self.attested:
            unknown = {"architecture": "unknown", "os": "unknown"}
            provenance = json.dumps({"config": config, "layers": [], "of": str(path)}).encode()
            found.insert(0, self.descriptor(provenance, MANIFEST, platform=unknown))
        if self.nested:
            inner = json.dumps({"manifests": found}).encode()
            found = [self.descriptor(inner, INDEX)]
        with tarfile.open(path, "w") as tar:
            self._add(tar, "index.json", json.dumps({"manifests": found}).encode())
            for digest, blob in self.blobs.items():
                self._add(tar, "blobs/" + digest.replace(":", "/"), blob)
        return path

    @staticmethod
    def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


def compared(tmp_path: Path, one: Image, two: Image) -> list[str]:
    return differences(one.write(tmp_path / "1.tar"), two.write(tmp_path / "2.tar"))


packings = pytest.mark.parametrize("packing", ["gzip", "zstd", "plain"])


@packings
def test_same_archives_show_no_difference(tmp_path: Path, packing: str) -> None:
    one, two = (Image(layers=[usual(), usual()[:1]], packing=packing) for _ in range(2))
    assert compared(tmp_path, one, two) == []


def test_manifest_gives_digest_and_compressed_size(tmp_path: Path) -> None:
    image = Image(layers=[usual(), usual()[1:2]])
    manifest = read_manifest(image.write(tmp_path / "i.tar"))
    layers = [packed(layer_tar(e), "gzip") for e in image.layers]
    assert manifest.compressed_bytes == sum(map(len, layers))
    assert [d for d, _ in manifest.layers] == [
        "sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers
    ]
    content = image.blobs[manifest.digest]
    assert json.loads(content)["config"]["digest"] == manifest.config
    assert json.loads(image.blobs[manifest.config]) == image.config


@pytest.mark.parametrize("nested", [False, True])
def test_attestations_are_passed_over(tmp_path: Path, nested: bool) -> None:
    plain = read_manifest(Image(layers=[usual()]).write(tmp_path / "0.tar"))
    one, two = (Image(layers=[usual()], attested=True, nested=nested) for _ in range(2))
    assert compared(tmp_path, one, two) == []
    assert read_manifest(tmp_path / "1.tar") == read_manifest(tmp_path / "2.tar") == plain


def test_archive_of_attestations_alone_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "empty.tar"
    with tarfile.open(path, "w") as tar:
        Image._add(tar, "index.json", b'{"manifests": []}')
    with pytest.raises(ValueError, match="holds no image"):
        read_manifest(path)


X1, X2 = (hashlib.sha256(b"x = %d\n" % number).hexdigest()[:12] for number in (1, 2))
OTHER = {
    "content": (entry("opt/a.py", b"x = 2\n"), f"opt/a.py: content {X1} and {X2}"),
    "size": (entry("opt/a.py", b"x = 10\n"), "opt/a.py: size 6 and 7, content "),
    "mode": (entry("opt/a.py", b"x = 1\n", mode=0o755), "opt/a.py: mode 0o644 and 0o755"),
    "owner": (entry("opt/a.py", b"x = 1\n", uid=1, gid=2), "opt/a.py: owner 0:0 and 1:2"),
    "time": (
        entry("opt/a.py", b"x = 1\n", mtime=1_700_000_001),
        "opt/a.py: time 1700000000 and 1700000001",
    ),
}  # fmt: skip


@packings
@pytest.mark.parametrize("what", OTHER)
def test_differing_file_is_named_with_what_differs(tmp_path: Path, what: str, packing: str) -> None:
    other, expected = OTHER[what]
    changed = [other if info.name == "opt/a.py" else (info, c) for info, c in usual()]
    one = Image(layers=[usual()[:1], usual()], packing=packing)
    two = Image(layers=[usual()[:1], changed], packing=packing)
    (found,) = compared(tmp_path, one, two)
    assert found.startswith(f"layer 1: {expected}")


def test_differing_link_is_named(tmp_path: Path) -> None:
    changed = usual()
    changed[2] = entry("opt/link", type=tarfile.SYMTYPE, linkname="z.bin")
    assert compared(tmp_path, Image(layers=[usual()]), Image(layers=[changed])) == [
        "layer 0: opt/link: link a.py and z.bin"
    ]


def test_differing_kind_is_named(tmp_path: Path) -> None:
    changed = usual()
    changed[2] = entry("opt/link", b"")
    (found,) = compared(tmp_path, Image(layers=[usual()]), Image(layers=[changed]))
    assert found.startswith("layer 0: opt/link: kind ")


def test_differing_extended_attribute_is_named(tmp_path: Path) -> None:
    changed = usual()
    changed[1][0].pax_headers = {"SCHILY.xattr.user.note": "x"}
    (found,) = compared(tmp_path, Image(layers=[usual()]), Image(layers=[changed]))
    assert found.startswith("layer 0: opt/a.py: extended attributes [] and [")


def test_added_and_missing_files_are_named(tmp_path: Path) -> None:
    more = [*usual(), entry("opt/cache.pyc", b"1")]
    one, two = Image(layers=[usual()]), Image(layers=[more])
    assert compared(tmp_path, one, two) == ["layer 0: opt/cache.pyc: only in the second"]
    assert compared(tmp_path, two, one) == ["layer 0: opt/cache.pyc: only in the first"]


def test_other_order_is_named(tmp_path: Path) -> None:
    turned = Image(layers=[usual()[::-1]])
    assert compared(tmp_path, Image(layers=[usual()]), turned) == [
        "layer 0: the same files in another order, or compressed otherwise"
    ]


def test_other_compression_is_named(tmp_path: Path) -> None:
    one, two = Image(layers=[usual()]), Image(layers=[usual()], packing="zstd")
    assert compared(tmp_path, one, two) == [
        "layer 0: the same files in another order, or compressed otherwise"
    ]


def test_other_number_of_layers_is_named(tmp_path: Path) -> None:
    one, two = Image(layers=[usual()]), Image(layers=[usual(), usual()])
    assert compared(tmp_path, one, two) == ["1 layers, and 2"]


def test_differing_settings_are_named_by_key(tmp_path: Path) -> None:
    one = Image(layers=[usual()], config={"os": "linux", "created": "1", "config": {"Env": []}})
    two = Image(layers=[usual()], config={"os": "linux", "created": "2", "history": []})
    assert compared(tmp_path, one, two) == [
        "configuration: config",
        "configuration: created",
        "configuration: history",
    ]


def test_all_differences_are_named_layer_by_layer(tmp_path: Path) -> None:
    one = Image(layers=[[entry("a", b"1"), entry("b", b"1")], [entry("c")]])
    two = Image(layers=[[entry("a", b"2"), entry("b", b"2")], [entry("c", mode=0o600)]])
    found = compared(tmp_path, one, two)
    assert [line.rsplit(": ", 1)[0] for line in found] == ["layer 0: a", "layer 0: b", "layer 1: c"]
