"""The bill of materials in CycloneDX's form."""

import json

from lab.receipt.sbom import make_sbom
from lab.records.receipt import PackageSet
from tests.receipt.samples import package

PACKAGES = PackageSet(
    lock="cpu", platform="Linux-x86_64",
    packages=[
        package("one", licence="MIT"),
        package("two", licence="MIT OR Apache-2.0"),
        package("three", licence="Some Licence of Ours"),
        package("four", licence=None, files=None),
    ],
)  # fmt: skip
HASHES = {"one": ("sha256:" + "a" * 64, "sha256:" + "b" * 64)}


def test_every_package_is_there_with_version_licence_and_hashes() -> None:
    bill = json.loads(make_sbom(PACKAGES, HASHES, 1_700_000_000))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    found = {c["name"]: c for c in bill["components"]}
    assert found.keys() == {"one", "two", "three", "four"}
    assert found["one"]["purl"] == "pkg:pypi/one@2.0"
    assert found["one"]["licenses"][0]["license"]["id"] == "MIT"
    assert found["two"]["licenses"][0]["expression"] == "MIT OR Apache-2.0"
    assert found["three"]["licenses"][0]["license"]["name"] == "Some Licence of Ours"
    assert "licenses" not in found["four"]
    assert {h["content"] for h in found["one"]["hashes"]} == {"a" * 64, "b" * 64}


def test_same_packages_give_the_same_text() -> None:
    first = make_sbom(PACKAGES, HASHES, 1_700_000_000)
    assert make_sbom(PACKAGES, HASHES, 1_700_000_000) == first
    assert make_sbom(PACKAGES, {}, 1_700_000_000) != first
