"""Makes drawings of matplotlib fit to stand in a page: small, named, without clashes."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from msgspec import Struct

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_PT = 432
"""Narrow, so that a telephone shows the letters in a size that can be read."""
FONT_PT = 10.5
# Okabe and Ito's colours, which colour-blind readers tell apart: https://jfly.uni-koeln.de/color/
BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, BLACK, GREY = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000", "#767676",
)  # fmt: skip
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font: ([^ ;]*(?:bold|[0-9]{3}) )?([0-9.]+px)[^;]*")


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing, and in words what it shows."""

    title: str
    description: str
    svg: str
    remarks: list[str] = []
    """Sentences beneath: what was left out, what a line stands for."""
    key: list[tuple[int, str]] = []
    """What the numbers in it stand for."""


@contextmanager
def drawing_style() -> Iterator[None]:
    """What every drawing has in common; a person's own matplotlib settings do not matter."""
    from matplotlib import style

    settings: dict[str, object] = {
        "svg.fonttype": "none",  # letters stay letters: small, sharp, and the browser finds them
        "svg.hashsalt": "lab",  # the same report gives the same page
        "text.parse_math": False,  # a $ in a name is a $
        "font.family": ["DejaVu Sans"],  # it comes with matplotlib
        "font.size": FONT_PT,
        "axes.labelsize": FONT_PT,
        "xtick.labelsize": FONT_PT - 0.5,
        "ytick.labelsize": FONT_PT - 0.5,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "path.simplify": False,
    }
    with warnings.catch_warnings(), style.context(["default", settings]):
        # A letter that DejaVu lacks is measured as a box; the browser has it all the same.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def new_figure(height_pt: float) -> "Figure":
    """An empty drawing of the common width, without a background."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_PT / 72, height_pt / 72), dpi=72)  # a pixel is a point
    figure.patch.set_visible(False)
    return figure


def add_axes(figure: "Figure", *, left: float, right: float, bottom: float, top: float) -> "Axes":
    """Axes with margins in points, so that positions can be computed before anything is drawn."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width,
         (height - bottom - top) / height)
    )  # fmt: skip
    axes.patch.set_visible(False)
    return axes


def svg_text(
    figure: "Figure", name: str, title: str, description: str, tips: dict[str, str] | None = None
) -> str:
    """A drawing as one SVG element that stands in a page beside others.

    Args:
        figure: what matplotlib drew.
        name: begins every id in it; unique in the page.
        title, description: for those who do not see it.
        tips: by the gid of an artist, what is shown when the pointer rests on it.
    """
    drawn = io.StringIO()
    # No date, no version: the same report gives the same bytes.
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(drawn, format="svg", metadata=nothing)
    root = ElementTree.fromstring(drawn.getvalue())
    for artist, tip in (tips or {}).items():
        for element in root.iterfind(f".//*[@id='{artist}']"):
            _titled(element, "title", tip, 0)
    _strip(root)
    _share_styles(root)
    _rename(root, name)
    _describe(root, name, title, description)
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _titled(parent: ElementTree.Element, tag: str, text: str, index: int) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{_SVG}}}{tag}")
    element.text = text
    parent.insert(index, element)
    return element


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    _titled(root, "title", title, 0).set("id", f"{name}-title")
    _titled(root, "desc", description, 1).set("id", f"{name}-desc")
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {
        "role": "img", "aria-labelledby": f"{name}-title {name}-desc",
        "font-family": "system-ui, sans-serif", "stroke-linejoin": "round",
    }  # fmt: skip


def _strip(root: ElementTree.Element) -> None:
    """Take out what a page has no use for, and most decimals: a hundredth of a point is enough."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
            child.tail = None
        if parent.tag != f"{{{_SVG}}}text" and not (parent.text or "").strip():
            parent.text = None
        for key in ("d", "x", "y"):
            if key in parent.attrib:
                shorter = _LONG_NUMBER.sub(lambda m: f"{float(m[0]):.2f}", parent.attrib[key])
                parent.set(key, " ".join(shorter.split()))
        if "style" in parent.attrib:
            parent.set("style", _FONT.sub(r"font-size: \2", parent.attrib["style"]))


def _share_styles(root: ElementTree.Element) -> None:
    """The style of a thousand equal markers is written once, around them."""
    for group in root.iter(f"{{{_SVG}}}g"):
        styles = {child.get("style") for child in group}
        if len(group) > 1 and {child.tag for child in group} == {f"{{{_SVG}}}use"}:
            shared = styles.pop() if len(styles) == 1 else None
            if shared and "style" not in group.attrib:
                group.set("style", shared)
                for child in group:
                    del child.attrib["style"]


def _rename(root: ElementTree.Element, name: str) -> None:
    """Ids that nothing refers to go; the others begin with the drawing's name."""
    link = f"{{{_XLINK}}}href"
    used: dict[str, str] = {}
    for element in root.iter():
        named = [element.attrib[link][1:]] if link in element.attrib else []
        for value in element.attrib.values():
            named += _REFERENCE.findall(value)
        for old in named:
            used.setdefault(old, f"{name}-{len(used)}")
    for element in root.iter():
        if element.get("id") in used:
            element.set("id", used[element.attrib["id"]])
        else:
            element.attrib.pop("id", None)
        if link in element.attrib:
            element.set("href", f"#{used[element.attrib.pop(link)[1:]]}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, _REFERENCE.sub(lambda m: f"url(#{used[m[1]]})", value))
