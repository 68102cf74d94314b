"""Runs that were kept, damaged at random: shown or refused, and left as they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench import results
from lab.bench.compare import beside
from lab.records.save import to_json
from lab.render.bench.page import page
from lab.render.bench.text import bench_text
from tests.cluster.samples import case, report
from tests.damage import fuzzed, refused_or, spoilt
from tests.render.bench.sample import cpu_cases, cpu_report

RUN = report(case(), case(2e-3, name="memory"))
KEPT = to_json(RUN, compact=True).encode()
FULL = to_json(cpu_report(cases=cpu_cases()[-2:]), compact=True).encode()
FLOORS = b'{"cpu": {"schema": "lab/floor/1", "floor_percent": 1.8, "measured_utc": "2026"}}'


@fuzzed
@given(content=st.one_of(spoilt(KEPT), spoilt(FULL)), force=st.booleans())
def test_damaged_run_is_shown_and_compared_or_refused(
    tmp_path: Path, content: bytes, force: bool
) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(content)

    def show() -> None:
        read = results.load(path)
        bench_text(read)
        page(read)
        for new, old in ((read, RUN), (RUN, read)):
            refused_or(lambda: bench_text(beside(new, old, force=force)))  # noqa: B023

    error = refused_or(show)
    assert error is None or str(path) in error.what
    assert path.read_bytes() == content


@fuzzed
@given(content=spoilt(FLOORS))
def test_damaged_floors_are_none_until_they_are_measured_anew(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_RESULTS", str(tmp_path))
        path = tmp_path / "repeatability-floor.json"
        path.write_bytes(content)
        found = results.floor_of("cpu")
        assert found is None or isinstance(found, float)
        assert path.read_bytes() == content
        results.keep_floor(2.0, "cpu", "2026-11-27T10:00:00Z")
        assert results.floor_of("cpu") == 2.0


def test_folder_in_the_place_of_a_run_is_refused(tmp_path: Path) -> None:
    error = refused_or(lambda: results.load(tmp_path))
    assert error is not None
    assert "directory" in error.why
