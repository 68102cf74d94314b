"""`inv build --receipt`, and `inv verify` of the image that it made."""

import json
from pathlib import Path

import pytest

from lab.paths import ROOT
from tests.conftest import CommandLine, Result

pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def command(state: Path, folder: Path) -> CommandLine:
    return CommandLine(state=state, env={"LAB_RESULTS": str(folder)})


@pytest.fixture(scope="module")
def built(command: CommandLine) -> Result:
    """The repository's receipt stays as it is: the tests on it would fail otherwise."""
    before = (ROOT / "docker" / "receipt.json").read_bytes()
    done = command("build", "--receipt", "--json", timeout=1500)
    assert (ROOT / "docker" / "receipt.json").read_bytes() == before
    assert done.code == 0, done.err
    return done


def test_receipt_names_the_image_and_every_file(built: Result, folder: Path) -> None:
    report = built.json()
    assert report["receipt"] == str(folder / "receipt.json")
    receipt = json.loads((folder / "receipt.json").read_text())
    (image,) = receipt["images"]
    assert (image["digest"], image["inputs"]) == (report["digest"], report["inputs"])
    assert image["base_digest"].startswith("sha256:")
    assert "lab/units.py" in receipt["code"]


def test_bill_lists_what_is_in_the_image(built: Result, folder: Path) -> None:
    bill = json.loads((folder / "sbom-cpu.cdx.json").read_text())
    receipt = json.loads((folder / "receipt.json").read_text())
    packages = next(e for e in receipt["environments"] if e["platform"] != "any")["packages"]
    named = {(c["name"], c["version"]) for c in bill["components"]}
    assert named == {(p["name"], p["version"]) for p in packages}
    assert all(c["licenses"] and c["hashes"] for c in bill["components"])


def test_container_is_as_the_teachers_receipt_says(
    built: Result, command: CommandLine, folder: Path
) -> None:
    """The host's settings do not reach into it; the host's bits are those of the container."""
    done = command(
        "verify", "--engine", "docker", "--device", "cpu", "--json",
        "--receipt", str(folder / "receipt.json"), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert done.code == 0, done.err + done.out
    verification = done.json()["verification"]
    assert isinstance(verification, dict)
    assert {f["status"] for f in verification["findings"]} == {"same"}
    (wanted, _) = json.loads((ROOT / "docker" / "receipt.json").read_text())["fingerprints"]
    bound = {r["name"]: r["sha256"] for r in wanted["results"] if r["bound"]}
    (seen, *_) = done.json()["fingerprints"]  # type: ignore[misc]
    assert {r["name"]: r["sha256"] for r in seen["results"] if r["bound"]} == bound


def test_inside_the_image_a_receipt_has_to_be_named(
    built: Result, command: CommandLine, tmp_path: Path
) -> None:
    done = command(
        "shell", "--engine", "docker", "--work", str(tmp_path), "--command", "inv verify"
    )
    assert done.code == 2
    assert "--receipt FILE" in done.err + done.out
