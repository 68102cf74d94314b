"""Many nodes at a glance: a point for each node and case, as a PNG made of nothing but zlib."""

import base64
import struct
import zlib
from collections.abc import Sequence

from lab.render.bench.html import Html, tag
from lab.render.cluster_page.heat import Heat, colour_of

# The colours c0 to c8 of the page's style, then that of a figure that is lacking.
LIGHT = (
    "#2166ac", "#67a9cf", "#b5d5e8", "#e0edf5", "#ffffff", "#fdebd3", "#fdcf96", "#f1953f",
    "#b35806", "#8c959f",
)  # fmt: skip
DARK = (
    "#63b3ec", "#255f88", "#1f4560", "#1a2c3b", "#171c23", "#3a2a17", "#64411a", "#8f5214",
    "#ff9d3d", "#6e7781",
)  # fmt: skip


def picture(heat: Heat, order: Sequence[int]) -> Html:
    """All nodes from left to right, all cases from top to bottom, in light and in dark.

    Args:
        heat: the ratios.
        order: the places of the rows in it, as the picture is to have them.
    """
    points = _points(heat, order)
    sources = {name: _data(points, colours) for name, colours in (("l", LIGHT), ("d", DARK))}
    alt = f"{len(order)} nodes, {len(heat.columns)} cases; the table below has the same numbers"
    return tag(
        "picture",
        tag("source", media="(prefers-color-scheme: dark)", srcset=sources["d"]),
        tag(
            "img", src=sources["l"], alt=alt, class_="glance", data_heat=heat.id,
            data_order=",".join(map(str, order)), width=str(len(order)),
            height=str(len(heat.columns)),
            style=f"--tall: {min(max(len(heat.columns) * 6, 48), 480)}px",
        ),
    )  # fmt: skip


def _points(heat: Heat, order: Sequence[int]) -> list[bytes]:
    """A line of colours' numbers for each case."""
    lacking = len(LIGHT) - 1
    rows = [
        [lacking if (c := colour_of(cell.ratio)) is None else c for cell in heat.rows[i].cells]
        or [lacking] * len(heat.columns)
        for i in order
    ]
    return [bytes(column) for column in zip(*rows, strict=True)]


def _data(lines: list[bytes], colours: Sequence[str]) -> str:
    return f"data:image/png;base64,{base64.b64encode(_png(lines, colours)).decode()}"


def _png(lines: list[bytes], colours: Sequence[str]) -> bytes:
    """An image with a palette. Source: Portable Network Graphics, third edition, W3C (2025)."""
    header = struct.pack(">IIBBBBB", len(lines[0]), len(lines), 8, 3, 0, 0, 0)
    palette = b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    data = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
