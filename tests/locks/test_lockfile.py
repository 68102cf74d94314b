"""Hash locks as text: what is read, left out, added, and what counts as a difference."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.locks.lockfile import (
    Change,
    Pin,
    add_hashes,
    compare,
    pin_exactly,
    published_hashes,
    read_pins,
    without,
)

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
LOCK = f"""\
# made by hand
numpy==2.3.1 \\
    --hash={A} \\
    --hash={B}
    # via
    #   -r cpu.in
    #   matplotlib
torch===2.13.0 ; sys_platform == 'darwin' \\
    --hash={A}
    # via -r cpu.in
torch==2.13.0+cpu ; sys_platform == 'linux' \\
    --hash={B}
    # via -r cpu.in
typing-extensions==4.15.0 \\
    --hash={C}
"""

# Drawn from few values: a text of 64 hexadecimal digits by a pattern takes most of the time.
names = st.sampled_from(["a", "ab", "a-b", "torch", "torchvision", "my-torch", "3d"])
versions = st.sampled_from(["1", "1.0", "1.0.1", "2.13.0", "2.13.0+cpu", "11.0", "1.0rc1"])
hashes = st.integers(0, 15).map(lambda number: f"sha256:{number:064x}")
pins = st.builds(
    Pin,
    name=names,
    version=versions,
    hashes=st.lists(hashes, max_size=3, unique=True).map(tuple),
)
pin_lists = st.lists(pins, max_size=6, unique_by=lambda pin: (pin.name, pin.version))
styles = st.tuples(
    st.sampled_from(["==", "==="]),
    st.sampled_from(["", " ; sys_platform == 'linux'", " ; python_full_version < '3.13'"]),
    st.sampled_from(["", "    # via rich\n", "    # via\n    #   a\n    #   b\n"]),
)


def written(pin: Pin, style: tuple[str, str, str] = ("==", "", "")) -> str:
    """A pin as `uv pip compile` writes it."""
    equals, marker, comment = style
    lines = [
        f"{pin.name}{equals}{pin.version}{marker}",
        *(f"    --hash={h}" for h in pin.hashes),
    ]
    return " \\\n".join(lines) + "\n" + comment


def lock_of(found: Sequence[Pin]) -> str:
    return "".join(written(pin) for pin in found)


@st.composite
def locks(draw: st.DrawFn) -> tuple[list[Pin], str]:
    found = draw(pin_lists)
    header = draw(st.sampled_from(["", "# a header\n", "# two\n# lines\n\n"]))
    return found, header + "".join(written(pin, draw(styles)) for pin in found)


def test_read_pins_reads_every_kind_of_line() -> None:
    assert read_pins(LOCK) == [
        Pin(name="numpy", version="2.3.1", hashes=(A, B)),
        Pin(name="torch", version="2.13.0", hashes=(A,)),
        Pin(name="torch", version="2.13.0+cpu", hashes=(B,)),
        Pin(name="typing-extensions", version="4.15.0", hashes=(C,)),
    ]


def test_read_pins_of_nothing_is_nothing() -> None:
    assert read_pins("") == []
    assert read_pins("# only a comment\n\n") == []


@given(locks())
def test_read_pins_loses_nothing(lock: tuple[list[Pin], str]) -> None:
    expected, text = lock
    assert read_pins(text) == expected


@given(locks())
def test_without_leaves_the_others_as_they_were(lock: tuple[list[Pin], str]) -> None:
    found, text = lock
    for name in {pin.name for pin in found} | {"not-there"}:
        rest = without(text, name)
        assert read_pins(rest) == [pin for pin in found if pin.name != name]
        assert without(rest, name) == rest


@given(locks())
def test_without_a_package_that_is_not_there_changes_nothing(lock: tuple[list[Pin], str]) -> None:
    _, text = lock
    assert without(text, "Not_There").rstrip("\n") == text.rstrip("\n")


def test_without_takes_all_builds_and_their_comments() -> None:
    assert (
        without(LOCK, "torch")
        == f"# made by hand\nnumpy==2.3.1 \\\n    --hash={A} \\\n    --hash={B}\n"
        "    # via\n    #   -r cpu.in\n    #   matplotlib\n"
        f"typing-extensions==4.15.0 \\\n    --hash={C}\n"
    )


def test_without_takes_no_name_for_its_beginning() -> None:
    text = "torch-extra==1.0\ntorch==2.0\n"
    assert without(text, "torch") == "torch-extra==1.0\n"


def test_add_hashes_sorts_and_keeps_the_comments() -> None:
    assert add_hashes(LOCK, "torch", "2.13.0+cpu", [C, A, B]) == LOCK.replace(
        f"linux' \\\n    --hash={B}\n",
        f"linux' \\\n    --hash={A} \\\n    --hash={B} \\\n    --hash={C}\n",
    )


@given(locks(), st.lists(hashes, max_size=3), st.data())
def test_add_hashes_adds_to_one_pin_alone(
    lock: tuple[list[Pin], str], more: list[str], data: st.DataObject
) -> None:
    found, text = lock
    position = data.draw(st.integers(0, max(len(found) - 1, 0)))
    name, version = (found[position].name, found[position].version) if found else ("not-there", "1")
    new = add_hashes(text, name, version, more)
    after = read_pins(new)
    assert [(p.name, p.version) for p in after] == [(p.name, p.version) for p in found]
    for index, (before, now) in enumerate(zip(found, after, strict=True)):
        if index == position:
            assert now.hashes == tuple(sorted({*before.hashes, *more}))
        else:
            assert now == before
    assert add_hashes(new, name, version, more) == new
    comments = [line for line in text.splitlines() if line.strip().startswith("#")]
    assert [line for line in new.splitlines() if line.strip().startswith("#")] == comments


def test_pin_exactly_marks_one_version_of_one_package() -> None:
    text = "torch==2.13.0 \\\ntorch==2.13.0+cpu \\\ntorch==2.13.0 ; x\nmy-torch==2.13.0 \\\n"
    assert (
        pin_exactly(text, "torch", "2.13.0")
        == "torch===2.13.0 \\\ntorch==2.13.0+cpu \\\ntorch===2.13.0 ; x\nmy-torch==2.13.0 \\\n"
    )


def test_pin_exactly_takes_a_dot_for_a_dot() -> None:
    assert pin_exactly("torch==2x13.0 ;\n", "torch", "2.13.0") == "torch==2x13.0 ;\n"


@given(locks(), st.data())
def test_pin_exactly_changes_no_pin_and_nothing_twice(
    lock: tuple[list[Pin], str], data: st.DataObject
) -> None:
    found, text = lock
    pin = data.draw(st.sampled_from(found)) if found else Pin(name="a", version="1", hashes=())
    exact = pin_exactly(text, pin.name, pin.version)
    assert read_pins(exact) == found
    assert pin_exactly(exact, pin.name, pin.version) == exact


@given(locks())
def test_compare_finds_no_change_in_one_text(lock: tuple[list[Pin], str]) -> None:
    _, text = lock
    assert compare("cpu", text, text) == []


@given(
    st.lists(pins, max_size=5, unique_by=lambda pin: pin.name),
    st.lists(pins, max_size=5, unique_by=lambda pin: pin.name),
)
def test_compare_names_exactly_what_differs(before: list[Pin], after: list[Pin]) -> None:
    old = {p.name: (p.version, frozenset(p.hashes)) for p in before}
    new = {p.name: (p.version, frozenset(p.hashes)) for p in after}
    differing = sorted(n for n in old.keys() | new.keys() if old.get(n) != new.get(n))
    changes = compare("dev", lock_of(before), lock_of(after))
    assert [change.name for change in changes] == differing
    back = compare("dev", lock_of(after), lock_of(before))
    assert [change.name for change in back] == differing


def test_compare_says_what_changed() -> None:
    before = lock_of(
        [
            Pin(name="gone", version="1", hashes=(A,)),
            Pin(name="newer", version="1.0", hashes=(A,)),
            Pin(name="rebuilt", version="3", hashes=(A,)),
            Pin(name="same", version="4", hashes=(A, B)),
        ]
    )
    after = lock_of(
        [
            Pin(name="came", version="9", hashes=(A,)),
            Pin(name="newer", version="1.1", hashes=(B,)),
            Pin(name="rebuilt", version="3", hashes=(A, C)),
            Pin(name="same", version="4", hashes=(B, A)),
        ]
    )
    assert compare("cpu", before, after) == [
        Change(lock="cpu", name="came", before="", after="9"),
        Change(lock="cpu", name="gone", before="1", after=""),
        Change(lock="cpu", name="newer", before="1.0", after="1.1"),
        Change(lock="cpu", name="rebuilt", before="3", after="3 (other files)"),
    ]


def test_compare_shows_all_builds_of_a_package() -> None:
    newer = LOCK.replace("2.13.0", "2.14.0")
    assert compare("cpu", LOCK, newer) == [
        Change(lock="cpu", name="torch", before="2.13.0, 2.13.0+cpu", after="2.14.0, 2.14.0+cpu")
    ]


def test_published_hashes_read_sha256sums_form(tmp_path: Path) -> None:
    path = tmp_path / "sums"
    path.write_text(f"# a comment\n\n{'a' * 64}  one.whl\n{'b' * 64}  two.whl\n")
    assert published_hashes(path) == [A, B]


def test_published_hashes_of_a_missing_file_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        published_hashes(tmp_path / "none")
