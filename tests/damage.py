"""Files damaged at random: their bytes, or the values in them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lab.errors import LabError

# Lists are new each time: damage goes into them too, and hypothesis would draw them damaged.
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False), st.builds(list), st.builds(dict),
    st.builds(lambda: [[]]),
)  # fmt: skip
# More than any reader of JSON goes into.
_DEEP = 20_000
# What no edit at random comes upon; by a name, which a failing test shows.
_ODD = {
    "nothing": b"", "no text": b"\xff\xfe\x00", "a mark": b"\xef\xbb\xbf{}", "null": b"null",
    "a list": b"[]", "an object": b"{}", "a number": b"7", "no number": b"NaN",
    "infinite": b"1e999", "lists without end": b"[" * _DEEP, "objects": b'{"a":' * _DEEP,
    "deep": b'{"odd": ' + b"[" * _DEEP + b"]" * _DEEP + b"}", "no text in it": b'{"odd": "\xff"}',
    "half a pair": b'{"odd": "\\ud800"}', "zeros": b"\0" * 64,
}  # fmt: skip
odd = st.sampled_from(sorted(_ODD)).map(lambda name: _ODD[name])
fuzzed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def spoilt_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file cut short, with a piece taken out, doubled, or written over."""
    begin, end = sorted(draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    piece = draw(st.one_of(st.just(b""), st.just(whole[begin:end] * 2), st.binary(max_size=12)))
    return draw(st.sampled_from([whole[:begin], whole[:begin] + piece + whole[end:]]))


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document something stands."""
    inside = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in inside:
        yield (*way, key)
        yield from places(value, (*way, key))


@st.composite
def spoilt_values(draw: st.DrawFn, whole: bytes) -> bytes:
    """Valid JSON in which some values are others, or gone."""
    document = json.loads(whole)
    for _ in range(draw(st.integers(1, 3))):
        there = sorted(places(document), key=str)
        if not there:  # all of it is gone
            break
        *way, last = draw(st.sampled_from(there))
        holder = document
        for key in way:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = draw(SCALARS)
        else:
            del holder[last]
    return json.dumps(document).encode()


def spoilt(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file of JSON, damaged in one way or the other."""
    return st.one_of(spoilt_bytes(whole), spoilt_values(whole), odd)


def spoilt_text(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file that is no JSON, damaged."""
    return st.one_of(spoilt_bytes(whole), odd)


def refused_or(action: Callable[[], object]) -> LabError | None:
    """Do something; the error that says why it cannot be done."""
    try:
        action()
    except LabError as error:
        found = error
    else:
        return None
    assert found.exit_code == 2
    assert found.why
    assert found.next_step
    return found
