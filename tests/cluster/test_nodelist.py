"""Lists of nodes: as Slurm writes them, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.cluster.nodelist import compress, expand
from lab.errors import LabError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[1-3,8],login", ["n1", "n2", "n3", "n8", "login"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("n[8-11]", ["n8", "n9", "n10", "n11"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-2]-ib", ["n1-ib", "n2-ib"]),
        ("n2,n1,n2", ["n2", "n1"]),
        (" n[1] ", ["n1"]),
    ],
)
def test_list_is_expanded_as_slurm_does(text: str, names: list[str]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize(
    "text",
    ["", ",", "n1,", "n[", "n]", "n[]", "n[1-]", "n[-1]", "n[3-1]", "n[1,,2]", "n[a-b]", "n[1-2",
     "n 1", "n[1-2]]", "n;ls", "../n1", "-n1", "n[1-99999999]", "[1-400]x[1-400]", "ñ[1-2]x y"],
)  # fmt: skip
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(LabError) as refused:
        expand(text)
    assert repr(text) in refused.value.what


@given(st.text(max_size=30))
def test_anything_is_a_list_or_is_refused(text: str) -> None:
    try:
        names = expand(text)
    except LabError:
        return
    assert names
    assert all("/" not in name and name[0].isalnum() for name in names)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["n1"], "n1"),
        (["n3", "n1", "n2"], "n[1-3]"),
        (["n1", "n2", "n4", "login"], "n[1-2,4],login"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n8", "n9", "n10"], "n[8-10]"),
        (["n1", "n01"], "n[1,01]"),
        (["a1", "b1"], "a1,b1"),
        (["n", "n1", "n2"], "n,n[1-2]"),
    ],
)
def test_names_become_a_short_list(names: list[str], text: str) -> None:
    assert compress(names) == text


NAMES = st.lists(
    st.from_regex(r"[a-z][a-z0-9.-]{0,4}[0-9]{0,11}", fullmatch=True), max_size=30, unique=True
)
NUMBERED = st.lists(
    st.builds(
        lambda prefix, number, width: f"{prefix}{number:0{width}d}",
        st.sampled_from(["n", "r1n", "gpu-"]), st.integers(0, 130), st.integers(1, 4),
    ),
    max_size=60, unique=True,
)  # fmt: skip


@given(NAMES.filter(bool) | NUMBERED.filter(bool))
def test_a_list_has_the_very_names_that_it_was_made_from(names: list[str]) -> None:
    text = compress(names)
    assert sorted(expand(text)) == sorted(names)
    assert compress(expand(text)) == text


def test_a_thousand_nodes_are_one_term() -> None:
    names = [f"n{i:04d}" for i in range(1, 1001)]
    assert compress(reversed(names)) == "n[0001-1000]"
    assert expand("n[0001-1000]") == names
