"""The site's file: what its users need not type."""

from pathlib import Path

import pytest

from lab.cluster.site import LabSite, Site, read_lab_site, read_site
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


def test_labs_have_defaults_of_their_own_and_are_charged_as_the_rest(tmp_path: Path) -> None:
    found = read_lab_site(
        site(
            tmp_path / "c.toml",
            '[cluster]\npartition = "main"\naccount = "physics"\nconstraint = "a100"\ntime = "20"\n'
            'options = ["--qos=x"]\n[lab]\naccount = "teaching"\nconstraint = ""\ncpus = 4\n'
            'memory = "16g"\ngpus = "1"\ntime = "8:00:00"\nssh = "-J login"\n',
        )
    )
    assert found == LabSite(
        partition="main", account="teaching", constraint="", time="8:00:00", gpus="1", cpus=4,
        memory="16g", ssh="-J login",
    )  # fmt: skip


def test_without_a_file_there_are_no_defaults() -> None:
    assert read_site({}) == Site()
    assert read_lab_site({}).ssh is None


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
        ("[lab]\npartitoin = 'x'", "partitoin"),
        ("[lab]\ncpus = 0", "cpus"),
        ('[lab]\nssh = "a\\tb"', "ssh"),
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
