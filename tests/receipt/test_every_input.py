"""One byte of one input changed: verify's answer changes, and it names that input."""

import random
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.paths import ROOT
from lab.receipt.code import edited_files, hash_code
from lab.receipt.compare import verify
from lab.receipt.identity import COMMITTED, hash_receipt, read_receipt
from lab.receipt.make import describe, for_class
from lab.receipt.packages import read_packages, read_record
from lab.records.receipt import Finding, PackageSet, Receipt
from tests.conftest import copy_checkout
from tests.damage import fuzzed, refused_or
from tests.receipt.samples import IMAGE, machine

SITE = Path(sysconfig.get_path("purelib"))
# Of a package with more or larger files, some: hashing all of torch takes its time.
MOST_FILES, MOST_BYTES = 40, 1 << 18


@contextmanager
def flipped(path: Path) -> Iterator[None]:
    """One bit of a file is another for a while; an empty file has a byte more."""
    before = path.read_bytes()
    chance = random.Random(path.name)
    after = bytearray(before or b"\0")
    if before:
        after[chance.randrange(len(after))] ^= 1 << chance.randrange(8)
    path.write_bytes(after)
    try:
        yield
    finally:
        path.write_bytes(before)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, as committed."""
    folder = copy_checkout(tmp_path_factory.mktemp("clone"))
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def teachers(root: Path) -> Receipt:
    return for_class(root, read_receipt(root / COMMITTED), IMAGE, None)


@pytest.fixture(scope="module")
def same(root: Path, teachers: Receipt) -> Receipt:
    return student(root, teachers)


def student(root: Path, teachers: Receipt) -> Receipt:
    """A machine that has what the teacher has, but for the clone, which is looked at."""
    packages = next(e for e in teachers.environments if e.platform == "Linux-x86_64")
    return replace(
        describe(root), environments=[packages], fingerprints=teachers.fingerprints,
        code=hash_code(root), machine=machine(),
    )  # fmt: skip


def differences(reference: Receipt, seen: Receipt) -> dict[str, Finding]:
    return {f.name: f for f in verify(reference, seen).findings if f.status == "differs"}


def committed(root: Path) -> set[str]:
    """What git has of that which an image or an environment is made from, or which starts it."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "docker", "lab", "inv", "tasks.py",
         "compose.yaml", "pyproject.toml"], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return {name for name in listed.split("\0") if name}


def inputs(root: Path) -> list[str]:
    """The same without what the locks and the receipt are made from, and the receipt."""
    apart = {COMMITTED, "docker/locks/torch-cpu.sha256"}
    return sorted(n for n in committed(root) - apart if not n.endswith(".in"))


def test_nothing_changed_is_no_difference(root: Path, teachers: Receipt) -> None:
    assert differences(teachers, student(root, teachers)) == {}
    assert edited_files(root) == ([], "")
    assert {"lab/units.py", "docker/Dockerfile", "docker/locks/epoch.txt"} <= {*inputs(root)}


def test_every_file_of_the_lab_is_named(root: Path, teachers: Receipt, same: Receipt) -> None:
    names = inputs(root)
    unnoticed = []
    for name in names:
        with flipped(root / name):
            found = differences(teachers, replace(same, code=hash_code(root)))
            if "lab" not in found or found["lab"].seen != f"{name} (edited)":
                unnoticed.append(name)
    assert unnoticed == []
    assert len(names) > 300


def test_lock_and_base_are_named_as_such(root: Path, teachers: Receipt) -> None:
    for lock in teachers.locks:
        with flipped(root / "docker" / "locks" / f"{lock}.txt"):
            found = differences(teachers, student(root, teachers))
        assert found["locks"].seen == f"{lock} (edited)"
    path = root / "docker" / "Dockerfile"
    text = path.read_text()
    path.write_text(text.replace("@sha256:0", "@sha256:1", 1))
    try:
        assert "base" in differences(teachers, student(root, teachers))
    finally:
        path.write_text(text)


def test_without_a_teachers_receipt_git_names_every_file(root: Path) -> None:
    """Also the repository's own receipt, and the rest of docker/."""
    names = committed(root)
    for name in names:
        (root / name).write_bytes((root / name).read_bytes() + b"\n")
    try:
        found, why = edited_files(root)
    finally:
        subprocess.run(["git", "-C", str(root), "checkout", "--quiet", "."], check=True)
    assert why == ""
    assert set(found) == {f"{name} (edited)" for name in names}


def linked(folder: Path, site: Path) -> None:
    """Put a package there: its own RECORD, and links to the files that it lists."""
    info = folder.name
    lines = []
    for line in (folder / "RECORD").read_text(encoding="utf-8").splitlines():
        name = line.rpartition(",")[0].rpartition(",")[0].strip('"')
        source = SITE / name
        if "," in name or not source.is_file() or source.stat().st_size > MOST_BYTES:
            continue
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).symlink_to(source.resolve())
        lines.append(line)
        if len(lines) == MOST_FILES:
            break
    for name in ("METADATA", "RECORD"):
        (site / info).mkdir(parents=True, exist_ok=True)
        (site / info / name).unlink(missing_ok=True)
        shutil.copy(folder / name, site / info / name)
    (site / info / "RECORD").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_one_file_of_each_package_is_named(
    tmp_path: Path, teachers: Receipt, same: Receipt
) -> None:
    """Whichever it is: one is chosen at random for each package that is installed here."""
    unnoticed = []
    folders = sorted(SITE.glob("*.dist-info"))
    for folder in folders:
        site = tmp_path / folder.name / "lib" / "python3.11" / "site-packages"
        linked(folder, site)
        names = [entry.path for entry in read_record(site / folder.name)]
        name = random.Random(folder.name).choice(names)
        path = site / name
        content = path.read_bytes()
        path.unlink()  # a link: the file itself stays as it is
        path.write_bytes(content)
        (before,), _ = read_packages(site)
        with flipped(path):
            (package,), _ = read_packages(site)
        seen = PackageSet(lock="cpu", platform="Linux-x86_64", packages=[package])
        found = differences(teachers, replace(same, environments=[seen]))
        text = f"{name.removeprefix('../../../')} of {package.name} (edited or missing)"
        if before.changed or package.changed != [name] or found["files"].seen != text:
            unnoticed.append(name)
    assert unnoticed == []
    assert len(folders) > 100


@fuzzed
@given(place=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_changed_receipt_is_another_or_none(place: int, bit: int, tmp_path: Path) -> None:
    """What results carry, and `--compare` looks at: what reads otherwise has another identity."""
    path = tmp_path / "receipt.json"
    data = bytearray((ROOT / COMMITTED).read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    kept = read_receipt(ROOT / COMMITTED)
    found: list[Receipt] = []
    if refused_or(lambda: found.append(read_receipt(path))) is None:
        assert (found[0] == kept) == (hash_receipt(found[0]) == hash_receipt(kept))
