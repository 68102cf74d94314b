"""Known holes of locked packages, as a database on loopback tells them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab.errors import LabError
from lab.locks import report
from lab.locks.audit import AUDITED, audit, requirements
from lab.locks.install import uv_program
from lab.locks.sources import PackageSources
from lab.paths import LOCKS
from lab.records.lock import KnownHole, LockReport
from tests.commands import caller
from tests.wheels import make_wheel, pin

HOLE = {
    "id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "Too open",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "some"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}],
        }
    ],
}  # fmt: skip


class Database(BaseHTTPRequestHandler):
    """As https://google.github.io/osv.dev/api/ says, with one hole in one package."""

    asked: list[tuple[str, str]]

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        names = [query["package"]["name"] for query in queries]
        self.asked += [(query["package"]["name"], query["version"]) for query in queries]
        known = {"vulns": [{"id": HOLE["id"], "modified": HOLE["modified"]}]}
        self._answer({"results": [known if name == "some" else {} for name in names]})

    def do_GET(self) -> None:
        self._answer(HOLE)

    def _answer(self, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def database() -> Iterator[str]:
    Database.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of two small packages, which uv finds in a folder."""
    folder = tmp_path / "locks"
    folder.mkdir()
    some, other = (make_wheel(tmp_path, n, v) for n, v in (("some", "1.2"), ("other", "3")))
    for lock in AUDITED:
        (folder / f"{lock}.txt").write_text(pin(some) if lock in ("cpu", "dev") else pin(other))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder


def test_hole_is_told_once_with_every_lock_that_has_it(locks: Path, database: str) -> None:
    environ = {"LAB_ADVISORIES": database}
    (hole,) = audit(locks, uv_program(), PackageSources(), say=print, environ=environ)
    assert hole == KnownHole(
        locks=["cpu", "dev"], package="some", version="1.2", id="PYSEC-2026-1", summary="Too open",
        link="https://osv.dev/vulnerability/PYSEC-2026-1", mended_in=["9.9"],
    )  # fmt: skip
    assert set(Database.asked) == {("some", "1.2"), ("other", "3")}


def test_database_that_does_not_answer_is_no_clean_bill(locks: Path) -> None:
    environ = {"LAB_ADVISORIES": "http://127.0.0.1:9"}
    with pytest.raises(LabError) as caught:
        audit(locks, uv_program(), PackageSources(), say=print, environ=environ)
    assert "could not be looked up" in caught.value.what
    assert "127.0.0.1:9" in caught.value.why


def test_every_pin_of_the_locks_is_asked_for() -> None:
    """Under its version without a local build: advisories know no other."""
    for lock in AUDITED:
        text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
        asked = requirements(text)
        assert len(asked) == sum(
            "==" in line[:60] and line[0].isalnum() for line in text.splitlines() if line
        )
        assert not [line for line in asked if "+" in line or "\\" in line or "--hash" in line]
    assert requirements("torch===2.1+cpu ; sys_platform == 'linux' \\\n    --hash=x\n# a\n") == [
        "torch==2.1 ; sys_platform == 'linux'"
    ]


def test_holes_end_with_3(
    tasks: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from invoke import Collection

    hole = KnownHole(
        locks=["cpu"], package="some", version="1.2", id="X-1", summary="", link="l", mended_in=[]
    )
    holes: list[KnownHole] = []
    monkeypatch.setattr(report, "audit", lambda *_, **__: holes)
    call = caller(Collection.from_module(tasks), capsys)
    code, out, _ = call("lock", "--audit")
    assert (code, out) == (0, "no known hole in the packages of cpu, cuda, runner, dev\n")
    holes.append(hole)
    code, out, _ = call("lock", "--audit")
    assert code == 3
    assert "some 1.2 (cpu): X-1, no summary; not mended yet" in out
    code, out, _ = call("lock", "--audit", "--json")
    assert (code, json.loads(out)["holes"][0]["id"]) == (3, "X-1")
    code, _, err = call("lock", "--audit", "--check")
    assert code == 2
    assert "neither --only nor --check" in err
    assert LockReport(changes=[], platforms=[]).holes == []
