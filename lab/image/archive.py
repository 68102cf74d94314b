"""Reads OCI image archives: the digest, the compressed size, and which file differs between two."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# An index, a manifest or a configuration: some kilobytes.
_MOST_BYTES = 16 << 20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


@dataclass(frozen=True, kw_only=True)
class ImageManifest:
    """One platform's manifest of an archive.

    Args:
        digest: of the manifest, `sha256:…`: what two identical images share.
        config: digest of the configuration (command, environment, labels, history).
        layers: digest and compressed size in bytes, from the bottom layer up.
    """

    digest: str
    config: str
    layers: tuple[tuple[str, int], ...]

    @property
    def compressed_bytes(self) -> int:
        """What a registry stores and a student downloads."""
        return sum(size for _, size in self.layers)


def read_manifest(archive: Path) -> ImageManifest:
    """Read the manifest of the first real platform in an OCI archive; attestations are passed
    over."""
    with tarfile.open(archive) as tar:
        index = _json(tar, "index.json")
        descriptor = _platform(tar, index)
        manifest = _blob_json(tar, descriptor["digest"])
    layers = tuple((layer["digest"], layer["size"]) for layer in manifest["layers"])
    return ImageManifest(
        digest=descriptor["digest"], config=manifest["config"]["digest"], layers=layers
    )


def read_labels(archive: Path) -> dict[str, str]:
    """The labels of the image that `read_manifest` finds in an archive."""
    config = read_manifest(archive).config
    with tarfile.open(archive) as tar:
        labels: dict[str, str] = _blob_json(tar, config)["config"]["Labels"]
    return labels


def _platform(tar: tarfile.TarFile, index: dict[str, Any]) -> dict[str, Any]:
    for descriptor in index["manifests"]:
        if descriptor.get("platform", {}).get("os") == "unknown":
            continue  # provenance: it differs from build to build
        if descriptor["mediaType"].endswith("index.v1+json"):
            return _platform(tar, _blob_json(tar, descriptor["digest"]))
        found: dict[str, Any] = descriptor
        return found
    raise ValueError("the archive holds no image")


def _json(tar: tarfile.TarFile, name: str, digest: str = "") -> dict[str, Any]:
    member = tar.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is no file")
    data = member.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{name} has more than {_MOST_BYTES >> 20} MB")
    if digest and digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
        raise ValueError(f"{name} is not what its digest says")
    content: dict[str, Any] = json.loads(data)
    return content


def _blob_json(tar: tarfile.TarFile, digest: str) -> dict[str, Any]:
    return _json(tar, "blobs/" + digest.replace(":", "/"), digest)


def differences(left: Path, right: Path) -> list[str]:
    """Name what differs between two archives: file by file in each layer, key by key in the
    configuration."""
    a, b = read_manifest(left), read_manifest(right)
    found = []
    for number, ((layer_a, _), (layer_b, _)) in enumerate(zip(a.layers, b.layers, strict=False)):
        if layer_a != layer_b:
            found += _differing_files(left, layer_a, right, layer_b, number)
    if len(a.layers) != len(b.layers):
        found.append(f"{len(a.layers)} layers, and {len(b.layers)}")
    if a.config != b.config:
        found += _differing_settings(left, a.config, right, b.config)
    return found


def _differing_files(left: Path, a: str, right: Path, b: str, layer: int) -> list[str]:
    one, two = _entries(left, a), _entries(right, b)
    names = [name for name in sorted(one.keys() | two.keys()) if one.get(name) != two.get(name)]
    if not names:
        return [f"layer {layer}: the same files in another order, or compressed otherwise"]
    return [f"layer {layer}: {name}: {_how(one.get(name), two.get(name))}" for name in names]


def _how(one: dict[str, object] | None, two: dict[str, object] | None) -> str:
    if one is None or two is None:
        return "only in the first" if two is None else "only in the second"
    keys = [key for key in one if one[key] != two[key]]
    return ", ".join(f"{key} {one[key]} and {two[key]}" for key in keys)


def _entries(archive: Path, digest: str) -> dict[str, dict[str, object]]:
    """What can differ of each file of a layer; the content as its hash."""
    with tarfile.open(archive) as tar:
        blob = tar.extractfile("blobs/" + digest.replace(":", "/"))
        assert blob is not None
        return dict(_read_layer(blob))


def _read_layer(blob: IO[bytes]) -> Iterator[tuple[str, dict[str, object]]]:
    import zstandard

    magic = blob.read(4)
    blob.seek(0)
    plain: Any = blob
    if magic == _ZSTD:
        plain = zstandard.ZstdDecompressor().stream_reader(blob)
    elif magic[:2] == _GZIP:
        plain = gzip.GzipFile(fileobj=blob)
    with tarfile.open(fileobj=plain, mode="r|") as layer:
        for member in layer:
            yield member.name, _entry(layer, member)


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, object]:
    content = layer.extractfile(member) if member.isfile() else None
    digest = hashlib.sha256(content.read()).hexdigest()[:12] if content else ""
    return {
        "kind": member.type, "mode": oct(member.mode), "owner": f"{member.uid}:{member.gid}",
        "time": member.mtime, "link": member.linkname, "size": member.size, "content": digest,
        "extended attributes": sorted(member.pax_headers.items()),
    }  # fmt: skip


def _differing_settings(left: Path, a: str, right: Path, b: str) -> list[str]:
    with tarfile.open(left) as one, tarfile.open(right) as two:
        first, second = _blob_json(one, a), _blob_json(two, b)
    keys = sorted(first.keys() | second.keys())
    return [f"configuration: {key}" for key in keys if first.get(key) != second.get(key)]
