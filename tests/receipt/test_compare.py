"""Every item of a verification, in each of the three ways that it can end."""

from typing import Any

import pytest
from msgspec.structs import replace

from lab.receipt.compare import compare, verify
from lab.receipt.finding import differing
from lab.records.receipt import Finding, PackageSet, Receipt
from tests.receipt.samples import (
    COMMITTED,
    IMAGE,
    OTHER_BITS,
    PACKAGES,
    TEACHERS,
    fingerprint,
    in_container,
    machine,
    package,
    seen,
)


def findings(reference: Receipt, receipt: Receipt) -> dict[str, Finding]:
    return {finding.name: finding for finding in compare(reference, receipt)}


def differences(reference: Receipt, receipt: Receipt) -> dict[str, Finding]:
    return {n: f for n, f in findings(reference, receipt).items() if f.status == "differs"}


def with_packages(*packages: Any) -> Receipt:
    return seen(environments=[replace(PACKAGES, packages=list(packages))])


@pytest.mark.parametrize("receipt", [seen(), in_container()])
@pytest.mark.parametrize("reference", [COMMITTED, TEACHERS])
def test_machine_as_in_the_receipt_differs_in_nothing(reference: Receipt, receipt: Receipt) -> None:
    assert differences(reference, receipt) == {}
    assert verify(reference, receipt).verdict == "same"


def test_teachers_receipt_leaves_nothing_untold_in_a_container() -> None:
    assert {f.status for f in findings(TEACHERS, in_container()).values()} == {"same"}


@pytest.mark.parametrize(
    ("receipt", "name", "words"),
    [
        (seen(locks={"cpu": "x", "cuda": "d"}), "locks", "cpu (edited)"),
        (seen(base="python:3.12"), "base", "python:3.12"),
        (seen(edited=["lab/a.py (edited)"]), "lab", "lab/a.py (edited)"),
        (seen(python="3.12.1"), "python", "3.12.1; the receipt has 3.11"),
        (seen(python="3.110.1"), "python", "3.110.1"),
        (with_packages(package()), "packages", "numpy is missing"),
        (
            with_packages(package("numpy", "1.0"), package(version="2.1")),
            "packages",
            "torch 2.1 in place of 2.0",
        ),
        (
            with_packages(package("numpy", "1.0"), package(), package("extra")),
            "packages",
            "extra 2.0 was added",
        ),
        (
            with_packages(package("numpy", "1.0"), package(), package(version="1.9")),
            "packages",
            "torch 1.9 and 2.0 in place of 2.0",
        ),
        (
            with_packages(package("numpy", "1.0"), package(files="another")),
            "wheels",
            "another build: torch",
        ),
        (
            with_packages(package("numpy", "1.0"), package(changed=["torch/x.py"])),
            "files",
            "torch/x.py of torch (edited or missing)",
        ),
        (seen(strangers=["sitecustomize.py"]), "files", "sitecustomize.py (of no package)"),
        (
            seen(settings={"OMP_NUM_THREADS": "1"}, threads=1),
            "threads",
            "1 on 2 processors; OMP_NUM_THREADS is '1', in the receipt not set",
        ),
        (
            seen(settings={"ATEN_CPU_CAPABILITY": "default"}),
            "settings",
            "ATEN_CPU_CAPABILITY is 'default'",
        ),
        (seen(fingerprints=[fingerprint(whole=OTHER_BITS)]), "cpu: whole", "the same bits"),
        (
            seen(fingerprints=[fingerprint(sums=OTHER_BITS, values=(1.0, 2.1))]),
            "cpu: sums",
            "by 5e-02 of the largest value; 1e-05 is expected",
        ),
    ],
)
def test_one_difference_is_named_alone(receipt: Receipt, name: str, words: str) -> None:
    found = differences(COMMITTED, receipt)
    assert list(found) == [name]
    assert words in found[name].seen
    assert found[name].next


@pytest.mark.parametrize(
    ("receipt", "name", "words"),
    [
        (seen(clone={"lab/a.py": "1", "lab/b.py": "1"}), "lab", "docker/make.sh (missing)"),
        (in_container(image_digest="sha256:0", image_inputs="j"), "image", "has sha256:9"),
        (in_container(code={"lab/a.py": "0", "tasks.py": "2"}), "lab in image", "lab/a.py (edi"),
        (in_container(python="3.11.2"), "python", "3.11.2; the receipt has 3.11.16"),
    ],
)
def test_teachers_receipt_names_more(receipt: Receipt, name: str, words: str) -> None:
    found = differences(TEACHERS, receipt)
    assert list(found) == [name]
    assert words in found[name].seen


@pytest.mark.parametrize(
    ("reference", "receipt", "name"),
    [
        (COMMITTED, in_container(), "image"),
        (TEACHERS, in_container(image_digest="sha256:0"), "image"),
        (TEACHERS, in_container(image_digest=None), "image"),
        (TEACHERS, in_container(image_digest=None, image_inputs=None), "image"),
        (COMMITTED, seen(edited_unknown="git is not installed"), "lab"),
        (COMMITTED, seen(base=""), "base"),
        (replace(COMMITTED, environments=[]), seen(), "packages"),
        (replace(COMMITTED, fingerprints=[]), seen(), "cpu: sums"),
    ],
)
def test_what_cannot_be_told_says_what_would_tell_it(
    reference: Receipt, receipt: Receipt, name: str
) -> None:
    found = findings(reference, receipt)
    assert found[name].status == "cannot tell"
    assert found[name].next
    assert verify(reference, receipt).verdict == "same"


def test_lock_alone_tells_versions_and_not_contents() -> None:
    """A lock names what other platforms need too: what is missing here may be no difference."""
    pinned = [package(n, v, files=None) for n, v in (("numpy", "1.0"), ("torch", "2.0"))]
    lock = PackageSet(lock="cpu", platform="any", packages=[*pinned, package("for-macos")])
    found = findings(replace(COMMITTED, environments=[lock]), seen())
    assert (found["packages"].status, found["wheels"].status) == ("cannot tell", "cannot tell")
    assert "for-macos is missing" in found["packages"].seen
    other = with_packages(package("numpy", "1.1"), package())
    assert "packages" in differences(replace(COMMITTED, environments=[lock]), other)


def test_lock_may_pin_one_package_for_two_platforms() -> None:
    pinned = [package(version=version, files=None) for version in ("2.0", "2.0+cpu")]
    lock = PackageSet(lock="cpu", platform="any", packages=[package("numpy", "1.0"), *pinned])
    reference = replace(COMMITTED, environments=[lock])
    assert findings(reference, seen())["packages"].status == "same"


def test_image_sees_only_the_files_that_are_in_it() -> None:
    inside = {"lab/a.py": "1", "tasks.py": "2"}
    assert findings(TEACHERS, seen(engine="image", clone=inside))["lab"].status == "same"
    assert findings(TEACHERS, seen(clone=inside))["lab"].status == "differs"


def test_settings_are_those_of_the_machine_that_the_receipt_was_taken_on() -> None:
    reference = replace(COMMITTED, machine=machine(settings={"OMP_NUM_THREADS": "4"}))
    found = differences(reference, seen(settings={"MKL_NUM_THREADS": "1"}))
    assert list(found) == ["threads"]
    words = "set it as in the receipt: export OMP_NUM_THREADS=4; unset MKL_NUM_THREADS"
    assert found["threads"].next == words
    alike = findings(reference, seen(settings={"OMP_NUM_THREADS": "4"}))
    assert {finding.status for finding in alike.values()} >= {"same"}
    assert "as in the receipt" in alike["threads"].seen
    assert differences(reference, seen(settings={"OMP_NUM_THREADS": "4"})) == {}


def test_computation_that_is_not_there_is_no_sameness() -> None:
    assert {"cpu: whole", "cpu: sums"} <= differences(COMMITTED, seen(fingerprints=[])).keys()
    half = replace(fingerprint(), results=fingerprint().results[:1])
    assert "cpu: sums" in differences(COMMITTED, seen(fingerprints=[half]))


def test_computation_that_failed_is_named_and_the_packages_all_the_same() -> None:
    broken = seen(fingerprints=[], not_computed={"cpu, ordinary": "torch does not load"})
    found = findings(COMMITTED, broken)
    assert found["cpu, ordinary"].status == "differs"
    assert "torch does not load" in found["cpu, ordinary"].seen
    assert found["packages"].status == "same"


def test_number_that_json_has_not_is_a_difference() -> None:
    none = fingerprint(sums=OTHER_BITS, values=(1.0, None))
    assert "cpu: sums" in differences(COMMITTED, seen(fingerprints=[none]))


def test_many_names_are_counted() -> None:
    receipt = seen(strangers=[f"x{number}.py" for number in range(9)])
    assert differences(COMMITTED, receipt)["files"].seen.endswith("and 5 more")


def test_differing_names_what_became_of_each() -> None:
    assert differing({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == [
        "a (missing)", "b (edited)", "c (added)",
    ]  # fmt: skip


def test_image_of_another_target_is_not_compared() -> None:
    reference = replace(TEACHERS, images=[replace(IMAGE, target="cuda", digest="sha256:7")])
    assert findings(reference, in_container())["image"].status == "cannot tell"
