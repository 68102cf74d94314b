"""Words that several checks share."""


def size(number_bytes: float) -> str:
    """Bytes for people, in powers of ten as disks are sold: `2.9 GB`, `64 MB`."""
    if number_bytes >= 1e9:
        return f"{number_bytes / 1e9:.1f} GB"
    return f"{number_bytes / 1e6:.0f} MB"


def few(names: list[str], most: int = 3) -> str:
    """Some names and how many more there are: `a, b, c and 2 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
