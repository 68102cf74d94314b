from hypothesis import given
from hypothesis import strategies as st

from lab.render.clean import clean


@given(st.text())
def test_clean_text_can_be_printed(text: str) -> None:
    assert len(clean(text)) == len(text)
    assert clean(text).isprintable()
