"""The repository's receipt and a class's, and that the committed one is current."""

import shutil
import sysconfig
from pathlib import Path

import pytest
from msgspec.structs import replace

from lab.paths import ROOT
from lab.receipt.identity import COMMITTED, read_receipt
from lab.receipt.make import describe, for_class, read_earlier, renew
from lab.receipt.packages import hash_record, read_metadata, read_record
from lab.receipt.worker import Look
from lab.records.receipt import PackageSet, Receipt
from lab.records.save import save, to_json
from tests.receipt.samples import IMAGE, OTHER_BITS, fingerprint, package


def look(**changes: object) -> Look:
    facts: dict[str, object] = {
        "python": "3.11.16", "platform": "Linux-x86_64", "processors": 2, "settings": {},
        "packages": [package()], "strangers": [], "code": {},
        "fingerprints": [fingerprint(), fingerprint("deterministic"), fingerprint(device="cuda")],
    }  # fmt: skip
    return Look(**(facts | changes))  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone of what receipts are made from."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "docker", folder / "docker")
    shutil.copytree(ROOT / "lab" / "receipt", folder / "lab" / "receipt")
    (folder / COMMITTED).unlink(missing_ok=True)
    return folder


def renewed(root: Path, seen: Look, lock: str = "cpu") -> Receipt:
    receipt = renew(root, seen, lock)
    save(to_json(receipt), root / COMMITTED)
    return receipt


def sets(receipt: Receipt) -> list[tuple[str, str]]:
    return [(e.lock, e.platform) for e in receipt.environments]


def test_receipt_is_renewed_to_the_same_text(root: Path) -> None:
    first = renewed(root, look())
    assert sets(first) == [("cpu", "Linux-x86_64"), ("cpu", "any"), ("cuda", "any")]
    assert [f.device for f in first.fingerprints] == ["cpu", "cpu"]
    assert renewed(root, look()) == first


def test_what_another_machine_computes_within_the_distance_changes_nothing(root: Path) -> None:
    first = renewed(root, look())
    near = fingerprint(sums=OTHER_BITS, values=(1.0, 2.0 + 1e-6))
    assert renewed(root, look(fingerprints=[near, fingerprint("deterministic")])) == first
    changed = [fingerprint(whole=OTHER_BITS), fingerprint("deterministic")]
    assert renewed(root, look(fingerprints=changed)).fingerprints == changed


def test_sets_of_other_platforms_stay_until_their_lock_changes(root: Path) -> None:
    renewed(root, look(platform="Linux-aarch64"))
    renewed(root, look(), "cuda")
    both = renewed(root, look())
    assert ("cpu", "Linux-aarch64") in sets(both)
    assert ("cuda", "Linux-x86_64") in sets(both)
    with (root / "docker" / "locks" / "cuda.txt").open("a") as file:
        file.write("# changed\n")
    again = renewed(root, look())
    assert ("cuda", "Linux-x86_64") not in sets(again)
    assert ("cpu", "Linux-aarch64") in sets(again)


def test_lock_that_is_gone_is_no_traceback(root: Path) -> None:
    (root / "docker" / "locks" / "cuda.txt").unlink()
    receipt = describe(root)
    assert "cuda" not in receipt.locks
    assert [each.lock for each in receipt.environments] == ["cpu"]


def test_damaged_receipt_is_replaced(root: Path) -> None:
    (root / COMMITTED).write_text("{")
    assert read_earlier(root / COMMITTED) is None
    assert sets(renewed(root, look()))[0] == ("cpu", "Linux-x86_64")


def test_class_has_one_receipt_for_both_images(root: Path) -> None:
    committed = renewed(root, look())
    cuda = replace(IMAGE, target="cuda", name="pytorch-lab:cuda-1")
    first = for_class(root, committed, cuda, None)
    both = for_class(root, committed, IMAGE, first)
    assert [image.target for image in both.images] == ["cpu", "cuda"]
    assert both.code["docker/locks/cpu.txt"]
    rebuilt = replace(IMAGE, inputs="j")
    assert [i.target for i in for_class(root, committed, rebuilt, both).images] == ["cpu"]


def committed() -> Receipt:
    return read_receipt(ROOT / COMMITTED)


def test_committed_receipt_is_of_these_locks() -> None:
    """./inv build --receipt renews it."""
    receipt, here = committed(), describe(ROOT)
    unseen = [e for e in receipt.environments if e.platform == "any"]
    assert (receipt.base, receipt.python, receipt.tools) == (here.base, here.python, here.tools)
    assert receipt.locks == here.locks
    assert unseen == here.environments
    assert (receipt.images, receipt.code, receipt.machine) == ([], {}, None)


def packages_of(lock: str) -> PackageSet:
    sets = {(e.lock, e.platform): e for e in committed().environments}
    return sets[lock, "Linux-x86_64"]


@pytest.mark.parametrize("lock", ["cpu", "cuda"])
def test_committed_receipt_knows_every_package_by_licence_and_files(lock: str) -> None:
    for found in packages_of(lock).packages:
        assert found.licence or found.name == "cuda-toolkit", found.name  # its wheel tells none
        assert found.files, found.name
        assert found.changed == [], found.name


def test_committed_receipt_is_of_the_packages_that_are_installed() -> None:
    """These tests run in an environment that holds the cpu lock's packages and more."""
    installed = {}
    for folder in Path(sysconfig.get_path("purelib")).glob("*.dist-info"):
        name, version, licence = read_metadata(folder)
        installed[name] = (version, licence, hash_record(list(read_record(folder))))
    for wanted in packages_of("cpu").packages:
        assert installed[wanted.name] == (wanted.version, wanted.licence, wanted.files)
