"""The note of the GPUs at the lab's start, damaged at random."""

from pathlib import Path

import pytest
from hypothesis import given

from lab.gpu import presence
from tests.damage import fuzzed, spoilt
from tests.gpu.sample import several, snapshot


@fuzzed
@given(content=spoilt(b'{"uuids": ["GPU-0", "GPU-1"]}'))
def test_damaged_note_of_gpus_is_none_or_compared(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gpus.json"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence, "read_gpus", lambda deadline_s: snapshot(*several(2)))
        assert presence.main([str(path)]) in (0, 1)
    assert path.read_bytes() == content
