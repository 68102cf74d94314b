"""HTML in which everything that is not markup by our own hand is escaped."""

import base64
import hashlib
import html
from collections.abc import Iterable

_EMPTY = {"meta", "link", "col", "br", "img", "source"}


class Html(str):
    """Markup. Any other text is escaped where it meets this."""

    __slots__ = ()


NOTHING = Html()


def tag(name: str, /, *inside: str, **attributes: str | None) -> Html:
    """An element.

    Args:
        name: of the element.
        inside: text, which is escaped, and Html, which is not.
        attributes: `class_` is class, `data_label` is data-label; those that are None are left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in _EMPTY else f"</{name}>"
    return Html(f"<{name}{given}>{join(inside)}{end}")


def join(parts: Iterable[str]) -> Html:
    """Texts and Html one after the other."""
    return Html(
        "".join(
            part if isinstance(part, Html) else html.escape(_seen(part), quote=False)
            for part in parts
        )
    )


def _seen(text: str) -> str:
    """Text without the characters that HTML does not know."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def table(
    headings: list[str], rows: Iterable[list[str]], *, caption: str, words: Iterable[int] = ()
) -> Html:
    """A table that a telephone shows row by row; the first two columns name the row.

    Args:
        headings: of the columns.
        rows: cells; a row of one cell is a heading of those that follow.
        caption: says what the table holds.
        words: the columns, from 0, that hold no numbers.
    """
    texts = {*words, 1}
    body = [
        tag("tr", tag("th", *row, scope="rowgroup", colspan=str(len(headings))), class_="group")
        if len(row) == 1
        else tag("tr", *_cells(headings, row, texts))
        for row in rows
    ]
    head = (
        tag("th", heading, scope="col", class_=None if index in texts else "number")
        for index, heading in enumerate(headings)
    )
    parts = (tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", tag("table", *parts), class_="wide")


def _cells(headings: list[str], row: list[str], texts: set[int]) -> list[Html]:
    cells = []
    for index, (heading, cell) in enumerate(zip(headings, row, strict=True)):
        name = "th" if index == 1 else "td"
        kind = None if index in texts else "number"
        scope = "row" if index == 1 else None
        cells.append(tag(name, cell, data_label=heading, class_=kind, scope=scope))
    return cells


def pairs(entries: Iterable[tuple[str, str]]) -> Html:
    """Words and what is said of each."""
    return tag("dl", *(join((tag("dt", word), tag("dd", said))) for word, said in entries))


def head(title: str, css: str, script: str) -> Html:
    """A page's head. The browser itself sees to it that nothing is loaded, and that no script but
    this one is run, whatever stands in a record."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        f" form-action 'none'; script-src 'sha256-{digest}'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(css)),
    )


def document(head: Html, body: Iterable[str]) -> str:
    """A whole document, in English."""
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
