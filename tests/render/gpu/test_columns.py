from hypothesis import given
from hypothesis import strategies as st

from lab.render.gpu.columns import fit

COLUMNS = {"GPU": ["0", "1"], "name": ["H100 80GB HBM3", "H100 80GB HBM3"], "use": ["98 %", "0 %"]}


def test_columns_that_fit_are_left_as_they_are() -> None:
    assert fit(COLUMNS, 80, flexible="name", expendable=("use",)) == COLUMNS


def test_flexible_column_gives_way_first() -> None:
    found = fit(COLUMNS, 25, flexible="name", expendable=("use",))
    assert found == {**COLUMNS, "name": ["H100 80GB H…", "H100 80GB H…"]}
    assert list(found) == ["GPU", "name", "use"]


def test_expendable_columns_go_in_their_order() -> None:
    assert list(fit(COLUMNS, 20, flexible="name", expendable=("use", "name"))) == ["GPU", "name"]
    assert list(fit(COLUMNS, 4, flexible="name", expendable=("use", "name"))) == ["GPU"]


@given(
    st.lists(st.lists(st.text("ab", max_size=30), min_size=3, max_size=3), min_size=1, max_size=4),
    st.integers(10, 120),
)
def test_what_is_left_fits(rows: list[list[str]], width: int) -> None:
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("id", "what", "more"))}
    found = fit(columns, width, flexible="what", expendable=("more", "id"))
    taken = sum(max(map(len, (name, *cells))) + 2 for name, cells in found.items())
    assert taken <= max(width, len("what") + 2)
