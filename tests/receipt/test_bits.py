"""Distances between fingerprints, and what is said of them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lab.receipt.bits import compare_fingerprints, distance
from lab.records.receipt import Finding, Fingerprint
from tests.receipt.samples import BITS, OTHER_BITS, fingerprint

NUMBERS = st.floats(-1e30, 1e30)


def sums(wanted: list[Fingerprint], seen: list[Fingerprint]) -> Finding:
    return next(f for f in compare_fingerprints(wanted, seen) if f.name.endswith("sums"))


def both(deterministic: str = BITS, ordinary: str = OTHER_BITS) -> list[Fingerprint]:
    near = (1.0, 2.0 + 1e-6)
    return [
        fingerprint(sums=ordinary, values=near),
        fingerprint("deterministic", sums=deterministic, values=near),
    ]


def test_says_which_of_the_two_it_is() -> None:
    wanted = [fingerprint(), fingerprint("deterministic")]
    assert sums(wanted, wanted).seen == "bit for bit, in both modes"
    near = sums(wanted, both())
    assert near.status == "same"
    assert (
        near.seen
        == "within 5e-07 in 2 of its numbers, of 1e-05; bit for bit in the deterministic mode"
    )
    assert "not bit for bit in the det" in sums(wanted, both(deterministic=OTHER_BITS)).seen


def test_deterministic_mode_that_is_far_off_differs() -> None:
    wanted = [fingerprint(), fingerprint("deterministic")]
    far = [fingerprint(), fingerprint("deterministic", sums=OTHER_BITS, values=(1.0, 3.0))]
    assert sums(wanted, far).status == "differs"


def test_gpu_is_held_beside_the_cpu() -> None:
    wanted = [fingerprint(), fingerprint("deterministic")]
    seen = [*wanted, fingerprint(device="cuda", whole=OTHER_BITS, sums=OTHER_BITS)]
    found = {f.name: f for f in compare_fingerprints(wanted, seen)}
    assert found["cuda: whole"].status == "differs"
    assert (found["cuda: sums"].status, found["cpu: sums"].status) == ("same", "same")


def on_gpu(*runs: Fingerprint) -> Finding:
    wanted = [fingerprint(), fingerprint("deterministic")]
    found = {f.name: f for f in compare_fingerprints(wanted, [*wanted, *runs])}
    return found["cuda: deterministic mode"]


def test_deterministic_mode_of_a_gpu_is_held_against_itself() -> None:
    near, far = (
        fingerprint("deterministic", "cuda", sums=OTHER_BITS, values=(1.0, value))
        for value in (2.0 + 1e-6, 3.0)
    )
    assert on_gpu(near, near).seen == "2 results, bit for bit in two runs"
    unsteady = on_gpu(near, fingerprint("deterministic", "cuda"))
    assert (unsteady.status, unsteady.seen) == ("differs", "a second run gave other bits: sums")
    assert on_gpu(far, far).seen == "too far from the receipt's: sums"
    half = replace(near, results=near.results[:1])
    assert on_gpu(near, half).seen == "a second run gave other bits: sums"


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_distance_of_a_thing_from_itself_is_none(values: list[float]) -> None:
    assert distance(values, values) == 0


@settings(deadline=None)
@given(st.lists(st.floats(1, 100), min_size=1, max_size=5), st.floats(-0.5, 0.5))
def test_distance_is_a_share_of_the_largest(values: list[float], share: float) -> None:
    moved = [value + share * max(values) for value in values]
    assert distance(values, moved) == pytest.approx(abs(share), abs=1e-12)


@pytest.mark.parametrize(
    ("wanted", "seen"), [([1.0], [math.nan]), ([1.0], []), ([], []), ([0.0], [1e-9])]
)
def test_distance_that_there_is_none_of_is_infinite(wanted: list[float], seen: list[float]) -> None:
    assert distance(wanted, seen) == math.inf


def test_distance_between_zeros_is_none() -> None:
    assert distance([0.0, 0.0], [0.0, -0.0]) == 0
