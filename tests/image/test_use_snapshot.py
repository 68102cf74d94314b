"""Which archive of Debian the image's packages come from."""

import subprocess
from pathlib import Path

from tests.conftest import ROOT

# As the official image has it: a comment names the snapshot, an address the archive of today.
OFFICIAL = """\
Types: deb
# http://snapshot.example/archive/debian/20260824T000000Z
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
# http://snapshot.example/archive/debian-security/20260824T000000Z
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
"""


def _run(folder: Path) -> int:
    script = ROOT / "docker" / "use-snapshot.sh"
    return subprocess.run(["sh", str(script), str(folder)], check=False).returncode


def test_named_snapshots_are_used_each_for_its_archive(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text(OFFICIAL)
    assert _run(tmp_path) == 0
    addresses = [line for line in sources.read_text().splitlines() if line.startswith("URIs")]
    assert addresses == [
        "URIs: http://snapshot.example/archive/debian/20260824T000000Z",
        "URIs: http://snapshot.example/archive/debian-security/20260824T000000Z",
    ]


def test_sources_without_a_snapshot_stay_as_they_are(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text("".join(line + "\n" for line in OFFICIAL.splitlines() if line[0:1] != "#"))
    before = sources.read_text()
    assert _run(tmp_path) == 1
    assert sources.read_text() == before


def test_folder_without_sources_is_no_error(tmp_path: Path) -> None:
    assert _run(tmp_path) == 1
