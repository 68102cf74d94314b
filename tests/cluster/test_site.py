"""The site's file: what its users need not type."""

from pathlib import Path

import pytest

from lab.cluster.site import Site, read_site
from lab.errors import LabError


def site(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {"LAB_CLUSTER": str(path)}


def test_file_that_is_named_gives_the_defaults(tmp_path: Path) -> None:
    found = read_site(
        site(
            tmp_path / "c.toml",
            '[cluster]\npartition = "main"\nexclusive = true\nparallel = 8\nfloor_percent = 7.5\n'
            'chunk = 64\nmax_submit = 100\ngpus_per_node = "all"\n'
            'options = ["--qos=debug"]\n[other]\nx = 1\n',
        )
    )
    assert found == Site(
        partition="main",
        exclusive=True,
        parallel=8,
        floor_percent=7.5,
        options=["--qos=debug"],
        chunk=64,
        max_submit=100,
        gpus_per_node="all",
    )


def test_without_a_file_there_are_no_defaults() -> None:
    assert read_site({}) == Site()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[cluster", "]"),
        ("[cluster]\npartitoin = 'x'", "partitoin"),
        ("[cluster]\nparallel = 'two'", "parallel"),
        ("[cluster]\nparallel = 0", "parallel"),
        ("[cluster]\nchunk = 0", "chunk"),
        ("[cluster]\nmax_submit = 'all'", "max_submit"),
        ("[cluster]\ngpus_per_node = 'some'", "gpus_per_node"),
        ("[cluster]\nfloor_percent = 0", "floor_percent"),
    ],
)
def test_file_that_is_not_understood_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(LabError) as refused:
        read_site(site(tmp_path / "c.toml", text))
    assert "is not understood" in refused.value.what
    assert why in refused.value.why


def test_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        read_site({"LAB_CLUSTER": str(tmp_path / "none.toml")})
