"""Lines with a hanging indent, for what is said after a label."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def hang(head: "Text", words: str, console: "Console") -> Iterator["Text"]:
    """Break words after a head; further lines begin under the first word.

    Args:
        head: the label, with its style.
        words: what is said.
        console: what it is for; its width counts.
    """
    from rich.text import Text

    for line in Text(words).wrap(console, max(console.width - len(head), 20)):
        line.rstrip()
        yield Text.assemble(head, line)
        head = Text(" " * len(head))
