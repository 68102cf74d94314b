"""Where the inputs of a person's function come from."""

from typing import Annotated, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.autograd import check_inputs
from lab.autograd.declared import inputs_of, parse_shapes
from lab.errors import LabError

shapes = st.lists(st.lists(st.integers(0, 9999), max_size=4).map(tuple), min_size=1, max_size=5)


@given(shapes)
def test_shapes_are_read_as_they_are_written(wanted: list[tuple[int, ...]]) -> None:
    text = ",".join("x".join(map(str, shape)) or "scalar" for shape in wanted)
    assert parse_shapes(text) == tuple(wanted)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_shapes(text)
    except LabError:
        return
    assert all(k >= 0 for shape in found for k in shape)


@pytest.mark.parametrize("text", ["", "4x", "x3", "4x-3", "a", "4x3,", "4.5", "3;4"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="There is no shape"):
        parse_shapes(text)


def plain(x: Any, w: Any) -> Any:
    return x @ w


def test_shapes_that_are_named_come_first() -> None:
    decorated = check_inputs((9,), (9,))(lambda x, w: x * w)
    x, w = inputs_of(decorated, [(4, 3), (3,)], seed=0)
    assert x.shape == (4, 3)
    assert w.shape == (3,)
    assert x.dtype == torch.float64


def test_decorator_takes_shapes_and_tensors() -> None:
    labels = torch.arange(4)
    decorated = check_inputs((4, 3), labels)(lambda x, i: x[i])
    x, own = inputs_of(decorated, [], seed=0)
    assert x.shape == (4, 3)
    assert own is labels


def test_decorator_takes_a_function_that_makes_all_inputs() -> None:
    decorated = check_inputs(lambda: (torch.ones(2), 3))(lambda x, k: x**k)
    assert [type(v) for v in inputs_of(decorated, [], seed=0)] == [torch.Tensor, int]


def test_annotations_name_shapes() -> None:
    def in_words(x: "Tensor (4, 3)", w: "Tensor (3,)", scale: float = 2.0) -> Any:  # type: ignore[name-defined] # noqa: F821
        return x @ w * scale

    def annotated(x: Annotated[torch.Tensor, (4, 3)], w: Annotated[torch.Tensor, (3,)]) -> Any:
        return x @ w

    for function in (in_words, annotated):
        assert [v.shape for v in inputs_of(function, [], seed=0)] == [(4, 3), (3,)]


def test_same_seed_gives_the_same_inputs() -> None:
    one, other = (inputs_of(plain, [(4, 3), (3,)], seed=5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_function_that_says_nothing_is_asked_about() -> None:
    with pytest.raises(LabError, match="not known with which inputs") as caught:
        inputs_of(plain, [], seed=0)
    assert "--shapes" in caught.value.next_step
    assert "@check_inputs" in caught.value.next_step
