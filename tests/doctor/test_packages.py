"""A private CA and a wheelhouse, with real files and their faults."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.doctor.packages import check_ca, check_wheelhouse, read_certificates
from lab.locks.sources import read_sources
from lab.records.doctor import Finding
from tests.fakes import AsNobody

# Each is signed by itself; their names say from when to when they hold.
FOLDER = Path(__file__).with_name("certificates")
OLD = FOLDER / "authority-2010-2020.pem"
NEW = FOLDER / "authority-2020-2120.pem"
SERVER = FOLDER / "server-2020-2120.pem"
IN_2000 = 946_684_800.0
WHEEL = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"


def examine(path: Path, now_s: float | None = None) -> Finding:
    found = read_certificates(path, time.time() if now_s is None else now_s)
    return check_ca("SSL_CERT_FILE", str(path), found)


def joined(folder: Path, *files: Path) -> Path:
    path = folder / "bundle.pem"
    path.write_text("# certificates\n" + "\n".join(file.read_text() for file in files))
    return path


@pytest.mark.parametrize("file", [NEW, SERVER])
def test_ca_that_holds_is_fine(file: Path) -> None:
    found = examine(file)
    assert (found.name, found.status) == ("ca", "ok")
    assert found.seen.endswith(": 1 certificate")


def test_ca_that_is_missing_or_a_folder_is_said(tmp_path: Path) -> None:
    missing = examine(tmp_path / "gone.pem")
    assert (missing.status, "No such file" in missing.seen) == ("fail", True)
    folder = examine(tmp_path)
    assert (folder.status, "Is a directory" in folder.seen) == ("fail", True)


@pytest.mark.root
def test_ca_that_may_not_be_read_is_said(entered_by_all: Path, as_nobody: AsNobody) -> None:
    file = entered_by_all / "ca.pem"
    file.write_text(NEW.read_text())
    file.chmod(0o600)
    with as_nobody():
        found = examine(file)
    assert (found.status, "Permission denied" in found.seen) == ("fail", True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no certificate in PEM form"),
        (b"<html>log in first</html>", "no certificate in PEM form"),
        (b"\x30\x82\x01\x58\x30\x81", "no certificate in PEM form"),  # DER
        (b"-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n", "damaged"),
        (NEW.read_bytes()[:300], "damaged"),
        (NEW.read_bytes() + OLD.read_bytes().replace(b"MII", b"AAA", 1), "damaged"),
    ],
)
def test_ca_that_is_no_pem_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)
    found = examine(file)
    assert found.status == "fail"
    assert words in found.seen


def test_ca_past_its_date_is_said() -> None:
    found = examine(OLD)
    assert found.status == "fail"
    assert "past its date: Old University CA" in found.seen


def test_ca_before_its_date_points_to_the_clock() -> None:
    found = examine(NEW, IN_2000)
    assert found.status == "fail"
    assert "not valid yet: University CA" in found.seen
    assert "clock" in found.next


@pytest.mark.parametrize("other", [NEW, SERVER])
def test_ca_past_its_date_among_others_is_a_warning(tmp_path: Path, other: Path) -> None:
    found = examine(joined(tmp_path, OLD, other))
    assert (found.status, "Old University CA" in found.seen) == ("warn", True)


def test_ca_past_its_date_in_a_large_bundle_is_no_trouble(tmp_path: Path) -> None:
    held = read_certificates(joined(tmp_path, OLD, NEW), time.time())
    assert held.expired == ("Old University CA",)
    many = replace(held, total=140)
    assert check_ca("SSL_CERT_FILE", "/etc/ssl/ca.pem", many).status == "ok"


def wheelhouse(links: str, **changes: object) -> Finding | None:
    words = {"system": "Linux", "machine": "x86_64", "device": "cpu", "offline": False, **changes}
    return check_wheelhouse(read_sources({"PIP_FIND_LINKS": links}), **words)  # type: ignore[arg-type]


def test_wheelhouse_is_not_looked_for_where_none_is_named() -> None:
    assert wheelhouse("") is None


def test_wheelhouse_that_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / WHEEL).touch()
    found = wheelhouse(f"{tmp_path} {tmp_path}/gone")
    assert found is not None
    assert (found.status, f"{tmp_path}/gone" in found.seen) == ("fail", True)


@pytest.mark.parametrize(
    ("wheel", "changes", "status"),
    [
        (WHEEL, {}, "ok"),
        (None, {}, "warn"),
        (None, {"offline": True}, "fail"),
        (WHEEL, {"machine": "aarch64"}, "warn"),
        (None, {"device": "cuda"}, "ok"),  # an ordinary index has that build
        (None, {"system": "Darwin", "machine": "arm64"}, "ok"),
        ("torch-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", {}, "warn"),
    ],
)
def test_wheelhouse_has_torch_for_this_machine(
    tmp_path: Path, wheel: str | None, changes: dict[str, object], status: str
) -> None:
    if wheel:
        (tmp_path / wheel).touch()
    found = wheelhouse(f"file://{tmp_path}", **changes)
    assert found is not None
    assert found.status == status


def test_wheelhouse_on_a_page_cannot_be_looked_into() -> None:
    found = wheelhouse("https://wheels.university.example/torch")
    assert found is not None
    assert found.status == "ok"
