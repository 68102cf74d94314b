"""What an index says of wheels is what is there once they are installed."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.errors import LabError
from lab.locks.install import uv_program
from lab.locks.sources import PackageSources
from lab.receipt.packages import read_packages
from lab.receipt.published import Wheel, complete, find_wheels, publish_set, read_wheel
from lab.records.receipt import Package, PackageSet
from tests.damage import fuzzed, odd, spoilt_bytes
from tests.receipt.samples import COMMITTED
from tests.wheels import Server, make_wheel, pin, serving

HERE = "Linux-x86_64"
CONTEXT = ssl.create_default_context()
FILES = {
    "some_package/big.txt": "x" * 3_000_000,
    "some_package-1.2.data/scripts/some": "#!python\nprint()\n",
    "some_package-1.2.data/data/share/some/notes.txt": "ñ\n",
    "some_package-1.2.data/purelib/beside.py": "x = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "index"
    made.mkdir()
    return made


@pytest.fixture
def index(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


def sources(index: Server) -> PackageSources:
    return PackageSources(variables=(("UV_DEFAULT_INDEX", f"{index.url}/simple"),))


def lock(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "cuda.txt"
    path.write_text("".join(lines))
    return path


def test_package_is_as_an_installer_leaves_it(folder: Path, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(folder, "some-package", "1.2", FILES)
    (found,) = publish_set(lock(tmp_path, pin(wheel)), HERE, [], sources(index)).packages
    assert index.sent < 500_000, "what is in the wheel is not fetched"
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    subprocess.run([uv_program(), "venv", "--quiet", tmp_path / "env"], check=True)
    subprocess.run(
        [uv_program(), "pip", "install", "--quiet", "--python", tmp_path / "env", "--no-index",
         wheel], check=True,
    )  # fmt: skip
    (installed,), _ = read_packages(next(site.parents[1].glob("*/site-packages")))
    assert found == installed
    assert found.licence == "MIT"


def test_file_is_one_that_the_lock_allows(folder: Path, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(folder, "some", "1")
    wanted = lock(tmp_path, pin(wheel))
    make_wheel(folder, "some", "1", {"some/more.py": ""})
    with pytest.raises(LabError) as caught:
        find_wheels(wanted, HERE, sources(index))
    assert "some" in caught.value.what


def test_of_several_wheels_none_is_guessed(folder: Path, index: Server, tmp_path: Path) -> None:
    one = make_wheel(folder, "some", "1")
    two = make_wheel(folder, "some", "1", tag="cp311-cp311-manylinux_2_17_x86_64")
    both = pin(one).rstrip("\n") + " \\\n" + pin(two).splitlines()[1] + "\n"
    (found,) = publish_set(lock(tmp_path, both), HERE, [], sources(index)).packages
    assert found == Package(name="some", version="1")


def test_what_is_for_another_platform_is_left_out(
    folder: Path, index: Server, tmp_path: Path
) -> None:
    one, two = make_wheel(folder, "here", "1"), make_wheel(folder, "there", "1")
    wanted = lock(tmp_path, pin(one), pin(two, "sys_platform == 'darwin'"))
    assert [w.name for w in find_wheels(wanted, HERE, sources(index))] == ["here"]


def test_licence_that_is_not_told_is_none(folder: Path, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(folder, "some", "1", more="")
    (found,) = publish_set(lock(tmp_path, pin(wheel)), HERE, [], sources(index)).packages
    assert (found.licence, bool(found.files)) == (None, True)


def test_known_packages_are_not_asked_for(folder: Path, index: Server, tmp_path: Path) -> None:
    wheel = make_wheel(folder, "some", "1")
    wanted = lock(tmp_path, pin(wheel))
    index.in_parts = False
    known = Package(name="some", version="1", licence="BSD", files="x")
    assert publish_set(wanted, HERE, [known], sources(index)).packages == [known]


def test_server_that_sends_whole_files_alone_is_said(
    folder: Path, index: Server, tmp_path: Path
) -> None:
    wheel = make_wheel(folder, "some", "1")
    index.in_parts = False
    with pytest.raises(LabError) as caught:
        publish_set(lock(tmp_path, pin(wheel)), HERE, [], sources(index))
    assert "sends no parts of files" in caught.value.why


def test_receipt_is_completed_or_says_why_not(folder: Path, index: Server, tmp_path: Path) -> None:
    lock(tmp_path, pin(make_wheel(folder, "some", "1")))
    pinned = PackageSet(lock="cuda", platform="any", packages=[Package(name="some", version="1")])
    receipt = replace(COMMITTED, environments=[*COMMITTED.environments, pinned])
    said: list[str] = []
    whole = complete(receipt, tmp_path, HERE, sources(index), said.append)
    assert [(e.lock, e.platform) for e in whole.environments] == [
        ("cpu", HERE), ("cuda", HERE), ("cuda", "any"),
    ]  # fmt: skip
    assert complete(whole, tmp_path, HERE, PackageSources(), said.append) == whole
    assert len(said) == 1
    index.in_parts = False
    assert complete(receipt, tmp_path, HERE, sources(index), said.append) == receipt
    assert "without licences and files" in said[-1]
    assert complete(receipt, tmp_path, "Darwin-arm64", sources(index), said.append) == receipt


@fuzzed
@given(data=st.data())
def test_damaged_wheel_says_nothing_or_the_truth(data: st.DataObject, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "some-package", "1.2", {"some_package/a.py": "x = 1\n"})
    entry = Wheel(name="some-package", version="1.2", url=wheel.as_uri(), sha256="x")
    whole = read_wheel(entry, CONTEXT)
    wheel.write_bytes(data.draw(st.one_of(spoilt_bytes(wheel.read_bytes()), odd)))
    try:
        found = read_wheel(entry, CONTEXT)
    except LabError:
        return
    assert found in (whole, Package(name="some-package", version="1.2"))
