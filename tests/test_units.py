"""Sizes and numbers as people type them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.units import parse_bytes, parse_number, parse_whole_number, parse_words

EXPONENTS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512m", 536870912),
        ("8g", 8589934592),
        ("8G", 8589934592),
        ("8gb", 8589934592),
        ("8 GiB", 8589934592),
        (" 8g ", 8589934592),
        ("1.5k", 1536),
        ("0.5t", 549755813888),
        ("1", 1),
        ("100b", 100),
        ("999999999999999", 999999999999999),
    ],
)
def test_parse_bytes_reads_a_size(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@given(
    eighths=st.integers(1, 10**9),
    unit=st.sampled_from("kmgt"),
    end=st.sampled_from(["", "b", "ib", "B", "iB"]),
    space=st.sampled_from(["", " "]),
)
def test_parse_bytes_is_exact(eighths: int, unit: str, end: str, space: str) -> None:
    """Eighths of a unit from 1024 on are whole bytes, and have a short decimal form."""
    number = f"{eighths // 8}.{eighths % 8 * 125:03d}"
    expected = eighths << EXPONENTS[unit] >> 3
    assert parse_bytes(f"{number}{space}{unit}{end}") == expected


@given(st.integers(1, 10**15 - 1))
def test_parse_bytes_reads_plain_bytes(size: int) -> None:
    assert parse_bytes(str(size)) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "g", "-1g", "+1g", "0", "0g", "0.0001", "1.g", ".5g", "1e3", "8x", "8gg", "8 g b",
     "1,5g", "inf", "nan", "0x10", "9" * 400 + "g", "9" * 5000, "\N{ARABIC-INDIC DIGIT THREE}g"],
)  # fmt: skip
def test_parse_bytes_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(LabError) as caught:
        parse_bytes(text)
    assert caught.value.what == f"There is no size {text!r}."
    assert caught.value.next_step == "pass one such as 512m or 8g"


@given(st.text(max_size=30))
def test_parse_bytes_of_any_text_is_a_size_or_an_error(text: str) -> None:
    with contextlib.suppress(LabError):
        assert parse_bytes(text) > 0


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-1", "100.5", "1e9"])
def test_number_outside_of_what_makes_sense_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="--budget cannot be"):
        parse_number(text, "--budget", least=5, most=100)
    assert parse_number("7.5", "--budget", least=5, most=100) == 7.5


@pytest.mark.parametrize("text", ["", "x", "1.5", "0", "-3", "17", "9" * 30])
def test_whole_number_outside_of_what_makes_sense_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="--threads cannot be") as refused:
        parse_whole_number(text, "--threads", least=1, most=16)
    assert "from 1 to 16" in refused.value.why
    assert parse_whole_number(" 8 ", "--threads", least=1, most=16) == 8


def test_words_are_separated_by_commas() -> None:
    assert parse_words(" a, b,,c ") == ("a", "b", "c")
    assert parse_words("") == ()
