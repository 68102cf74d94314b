"""Receipts that are made up."""

from typing import Any

from msgspec.structs import replace

from lab.records.receipt import (
    BuiltImage,
    Computed,
    Fingerprint,
    Machine,
    Package,
    PackageSet,
    Receipt,
)

BITS, OTHER_BITS = "a" * 64, "b" * 64


def results(
    whole: str = BITS, sums: str = BITS, values: tuple[float | None, ...] = (1.0, 2.0)
) -> list[Computed]:
    return [
        Computed(name="whole", bound=True, sha256=whole, values=[8.0]),
        Computed(name="sums", bound=False, tolerance=1e-5, sha256=sums, values=list(values)),
    ]


def fingerprint(mode: Any = "ordinary", device: str = "cpu", **changes: Any) -> Fingerprint:
    return Fingerprint(
        device=device, mode=mode, processor="A CPU", capability="avx2", threads=2,
        results=results(**changes),
    )  # fmt: skip


def package(name: str = "torch", version: str = "2.0", **changes: Any) -> Package:
    facts: dict[str, Any] = {"licence": "MIT", "files": f"hash of {name}"} | changes
    return Package(name=name, version=version, **facts)


def machine(**changes: Any) -> Machine:
    facts: dict[str, Any] = {
        "engine": "host", "device": "cpu", "python": "3.11.7", "platform": "Linux-x86_64",
        "threads": 2, "processors": 2,
    }  # fmt: skip
    return Machine(**(facts | changes))


CODE = {"lab/a.py": "1", "tasks.py": "2", "inv": "3", "docker/make.sh": "4"}
PACKAGES = PackageSet(
    lock="cpu", platform="Linux-x86_64", packages=[package("numpy", "1.0"), package()]
)
COMMITTED = Receipt(
    base="python:3.11@sha256:1", python="3.11", tools={"uv": "1"}, locks={"cpu": "c", "cuda": "d"},
    environments=[PACKAGES], fingerprints=[fingerprint(), fingerprint("deterministic")],
)  # fmt: skip
IMAGE = BuiltImage(
    target="cpu", platform="Linux-x86_64", name="pytorch-lab:cpu-1", digest="sha256:9",
    base="python:3.11@sha256:1", base_digest="sha256:1", inputs="i", python="3.11.16",
    builder="docker 28",
)  # fmt: skip
TEACHERS = replace(COMMITTED, images=[IMAGE], code=CODE)


def seen(**changes: Any) -> Receipt:
    """A machine on which all is as in the receipt.

    Changes are to the machine, but for these of the receipt; `clone` are the clone's files."""
    names = ("locks", "base", "environments", "fingerprints", "clone")
    own = {name: changes.pop(name) for name in names if name in changes}
    own["code"] = own.pop("clone", CODE)
    return replace(COMMITTED, machine=machine(**changes), **own)


def in_container(**changes: Any) -> Receipt:
    inside = {path: value for path, value in CODE.items() if path in ("lab/a.py", "tasks.py")}
    facts: dict[str, Any] = {
        "engine": "docker", "image": "pytorch-lab:cpu-1", "image_digest": "sha256:9",
        "image_inputs": "i", "python": "3.11.16", "code": inside,
    }  # fmt: skip
    return seen(**(facts | changes))
