"""Names and notes come from anyone: they neither steer a terminal nor break a line."""


def clean(text: str) -> str:
    """A text in one line, without what is not to be printed."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
