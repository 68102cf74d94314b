"""Files of one record a line, damaged at random."""

from pathlib import Path

from hypothesis import given

from lab.course.progress import FOLDER, progress_of
from lab.records.course import Attempt
from lab.records.lines import append_line, read_lines
from lab.records.save import to_json
from tests.damage import fuzzed, spoilt_text

ONE = Attempt(exercise="1.1", right=False, mistake="sign", at_utc="2026-11-27T10:00:00Z")
TWO = Attempt(exercise="1.2", right=True, at_utc="2026-11-27T10:00:01Z")
LINES = b"".join(b"\n" + to_json(a, compact=True).encode() + b"\n" for a in (ONE, ONE, TWO))


@fuzzed
@given(content=spoilt_text(LINES))
def test_damaged_lines_cost_themselves_alone_and_stay(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FOLDER).mkdir(exist_ok=True)
    path = tmp_path / FOLDER / "progress.jsonl"
    path.write_bytes(content)
    before = read_lines(path, Attempt)
    assert progress_of(tmp_path, ["1.1", "1.2"]).total == 2
    append_line(path, TWO)
    assert read_lines(path, Attempt) == [*before, TWO]
    assert path.read_bytes().startswith(content)
