"""Figures as SVG inside a page: text stays text, nothing is fetched, and the same figure has the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from annotune.reporting.page import UNPRINTABLE, Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

STYLE = {
    "svg.fonttype": "none",  # text that can be read aloud, searched and copied
    "svg.hashsalt": "annotune",
    "text.parse_math": False,  # a label may contain two dollar signs
    "font.size": 10.0,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the second is as wide as the first, where that is not
}
UNDATED = {"Date": None, "Creator": None, "Format": None, "Type": None}
URL = re.compile(r"url\(#([^)]+)\)")


def svg_figure(key: str, draw: Callable[[], Drawn], alt: str, caption: str) -> Figure:
    """Draw a figure for a page.

    Parameters
    ----------
    key
        A name that is unique on the page, with which the identifiers within the SVG begin.
    draw
        A function that makes the figure.
    alt
        A description for readers who cannot see the figure.
    """
    from matplotlib import style

    out = io.StringIO()
    with warnings.catch_warnings(), style.context(["default", STYLE]):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts have it
        draw().savefig(out, format="svg", metadata=UNDATED, bbox_inches="tight", pad_inches=0.08)
    return Figure(inlined(out.getvalue(), key, alt), alt, caption)


def inlined(svg: str, key: str, alt: str) -> str:
    """The content of an SVG file for the inside of a page: with unique identifiers, no addresses, and a description.

    >>> print(inlined('<svg height="9"><path id="a"/><use href="#a"/></svg>', "one", 'a "b"'))
    <svg preserveAspectRatio="xMinYMin" role="img" aria-label="a &quot;b&quot;"><path id="one-a" /><use
    href="#one-a" /></svg>
    """
    root = ElementTree.fromstring(UNPRINTABLE.sub("", svg))
    for above in list(root.iter()):
        for node in list(above):
            if _local_name(node.tag) in ("metadata", "style"):  # a style within a page would be the whole page's
                above.remove(node)
    named = {name for node in root.iter() for value in node.attrib.values() for name in _referred(value)}
    for node in root.iter():
        node.tag = _local_name(node.tag)
        node.attrib = {_local_name(name): _renamed(name, value, key) for name, value in node.attrib.items() if
                       name != "id" or value in named}  # fmt: skip
    for name in ("height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"preserveAspectRatio": "xMinYMin", "role": "img", "aria-label": UNPRINTABLE.sub("", alt)}
    return ElementTree.tostring(root, encoding="unicode")


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]


def _referred(value: str) -> list[str]:
    return [value[1:]] if value.startswith("#") else URL.findall(value)


def _renamed(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if _local_name(name) == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    return URL.sub(rf"url(#{key}-\1)", value)
