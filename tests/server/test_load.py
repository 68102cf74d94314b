"""benchmarks/load.py: it runs, and what goes wrong under load is counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import load
from benchmarks.load_client import Address, packed, unpacked
from benchmarks.load_page import Page
from lab.server.port import free_ports
from tests.conftest import ROOT, CommandLine

_TEXTS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)


@given(header=_TEXTS, parent=_TEXTS, content=_TEXTS)
def test_message_is_read_as_it_was_written(
    header: dict[str, object], parent: dict[str, object], content: dict[str, object]
) -> None:
    assert unpacked(packed("shell", header, parent, {}, content)) == (header, parent, content)


def test_what_is_not_answered_is_counted_and_ends_nothing() -> None:
    page = Page(Address("127.0.0.1", free_ports()[-1], "token"), "a.ipynb", {}, seed=1)
    page.open()
    page.start_kernel()
    page.hurry(seconds=0.05)
    page.close()
    assert {call.kind for call in page.calls} >= {"page", "kernel"}
    assert all("Connection refused" in call.error for call in page.calls)


def test_kernels_are_started_only_while_memory_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = iter([load.RESERVE + 300, load.RESERVE + 200, load.RESERVE + 99])
    monkeypatch.setattr(load, "available_bytes", lambda device: next(free))
    assert len(load.each([lambda: None] * 20, most_bytes=100)) == 2
    assert "stopped after 2" in capsys.readouterr().err


@pytest.mark.host
def test_two_pages_and_one_kernel(state: Path) -> None:
    ready = CommandLine(state=state)("shell", "--engine", "host", "--command", "true")
    assert ready.code == 0, ready.err
    few = ("--pages", "1,2", "--kernels", "1", "--seconds", "3", "--engine", "host", "--json")
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "load.py"), *few], capture_output=True,
        text=True, env={**os.environ, "LAB_STATE": str(state)}, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {(row["pages"], row["what"]): row for row in found["pages"]}
    assert list(rows) == [(n, what) for n in (1, 2) for what in ("open", "kernel", "work", "hurry")]
    assert rows[2, "open"]["requests"] == 2 * rows[1, "open"]["requests"] > 200
    assert all(row["errors"] == {} for row in found["pages"])
    assert rows[2, "hurry"]["requests"] > 0
    assert rows[2, "open"]["server_ms_per_request"] > 0
    for row in found["kernels"].values():
        assert row["kernels"] == 1
        assert row["server"]["failed"] == 0
    bare, with_torch = (found["kernels"][key]["memory"] for key in ("bare", "with_torch"))
    assert 10 << 20 < bare["share_bytes"] < with_torch["share_bytes"]
