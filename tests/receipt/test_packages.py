"""Packages of an environment: each way in which a file can be another than was installed."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.receipt.packages import hash_record, plain_name, read_packages, read_record
from lab.records.receipt import Package

METADATA = "Metadata-Version: 2.1\nName: Some.Package\nVersion: 1.2\nLicense-Expression: MIT\n\nx\n"
FILES = {"some/__init__.py": "x = 1\n", "some/data.txt": "ñ\n", "../../../bin/some": "#!/a\n"}


def install(
    site: Path, files: dict[str, str] = FILES, metadata: str = METADATA, name: str = "some-1.2"
) -> Path:
    """Put a package there, as an installer does."""
    info = f"{name}.dist-info"
    lines = []
    for path, text in {**files, f"{info}/METADATA": metadata, f"{info}/INSTALLER": "uv"}.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f'"{path}",sha256={digest.decode()},{len(text)}\n')
    lines += [f"{info}/RECORD,,\n", "some/__pycache__/__init__.cpython-311.pyc,,\n"]
    (site / info / "RECORD").write_text("".join(lines), encoding="utf-8")
    return site / info


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    install(folder)
    return folder


def only(site: Path) -> Package:
    (found,), strangers = read_packages(site)
    assert strangers == []
    return found


def test_package_as_installed(site: Path) -> None:
    found = only(site)
    assert (found.name, found.version, found.licence) == ("some-package", "1.2", "MIT")
    assert found.changed == []
    assert found.files is not None
    assert len(found.files) == 64


def edit(site: Path) -> None:
    (site / "some" / "__init__.py").write_text("x = 2\n")


def delete(site: Path) -> None:
    (site / "some" / "__init__.py").unlink()


def put_a_folder(site: Path) -> None:
    delete(site)
    (site / "some" / "__init__.py").mkdir()


@pytest.mark.parametrize("change", [edit, delete, put_a_folder])
def test_file_that_is_not_as_listed_is_named(site: Path, change: Callable[[Path], None]) -> None:
    before = only(site)
    change(site)
    after = only(site)
    assert after.changed == ["some/__init__.py"]
    assert after.files == before.files


def test_package_put_in_the_place_of_another_has_another_list(site: Path) -> None:
    """All of its files are as its own list says: the receipt tells it."""
    before = only(site)
    install(site, {**FILES, "some/__init__.py": "x = 2\n"})
    after = only(site)
    assert after.changed == []
    assert after.files != before.files


def test_script_depends_on_its_place_and_is_in_no_hash(site: Path) -> None:
    before = only(site)
    install(site, {**FILES, "../../../bin/some": "#!/another/place\n"})
    assert only(site) == before


def test_files_of_no_package_are_named_and_bytecode_is_not(site: Path) -> None:
    (site / "sitecustomize.py").write_text("")
    (site / "some" / "added.py").write_text("")
    (site / "lab.pth").write_text("")
    (site / "some" / "__pycache__").mkdir()
    (site / "some" / "__pycache__" / "x.cpython-311.pyc").write_text("")
    _, strangers = read_packages(site)
    assert strangers == ["sitecustomize.py", "some/added.py"]


def test_two_versions_side_by_side_are_both_seen(site: Path) -> None:
    install(site, {"some/other.py": ""}, METADATA.replace("1.2", "1.3"), "some-1.3")
    packages, _ = read_packages(site)
    assert [p.version for p in packages] == ["1.2", "1.3"]


@pytest.mark.parametrize(
    "text", ["", "\0", "a\n", "some/x.py,sha256=!!!,1\n", '"open\n', "\0" * 200_000]
)
def test_damaged_list_is_no_traceback(site: Path, text: str) -> None:
    info = site / "some-1.2.dist-info"
    (info / "RECORD").write_text(text)
    assert list(read_record(info)) == []
    packages, strangers = read_packages(site)
    assert packages[0].files is None
    assert "some/__init__.py" in strangers


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ("License-Expression: BSD-3-Clause", "BSD-3-Clause"),
        ("License: MIT License", "MIT License"),
        ("License: Copyright (c) 2015 Somebody", None),
        ("License: ====\n text", None),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License", "BSD License"),
        ("Classifier: License :: OSI Approved", None),
        ("Summary: none", None),
    ],
)
def test_licence_is_what_the_package_says(site: Path, lines: str, licence: str | None) -> None:
    install(site, metadata=METADATA.replace("License-Expression: MIT", lines))
    assert only(site).licence == licence


def test_list_in_another_order_has_the_same_hash(site: Path) -> None:
    listed = list(read_record(site / "some-1.2.dist-info"))
    assert hash_record(listed) == hash_record(listed[::-1])
    assert hash_record(listed[1:]) != hash_record(listed)
    assert hash_record([]) is None


def test_name_is_plain() -> None:
    assert plain_name("Some._-Package") == "some-package"
