"""Draws plain Vega specifications, as SVG that stands in a page and takes its colours from it.

Vega writes for an SVG file of its own: every element with its font, its role and all its digits.
What a page needs of that is kept, and the rest left out.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]

WIDTH = 400  # of every drawing, in its own units; a page of 360 pixels shows it 328 wide
FONT = 13  # in the same units: 10.7 pixels there
LETTER = 7  # how wide a letter is, about
BELOW = 46  # room for the axis below the drawing

# The page's own colours, in light and dark; its style sheet may set those that start with bp.
TEXT = "var(--md-default-fg-color, currentColor)"
FAINT = "var(--md-default-fg-color--light, currentColor)"
GRID = "var(--md-default-fg-color--lightest, gainsboro)"
RUN = "var(--bp-run, royalblue)"
WAIT = "var(--bp-wait, gray)"
QUEUE = "var(--bp-queue, royalblue)"
PIPE = "var(--bp-pipe, chocolate)"

LOOK = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "text-anchor")
PLACE = ("d", "x2", "y2", "transform")


def at(scale: str, field: str = "") -> Spec:
    """A field of the data through a scale; by default the field has the scale's name."""
    return {"scale": scale, "field": field or scale}


def own(field: str) -> Spec:
    """A field of the data as it is."""
    return {"field": field}


def scale(name: str, kind: str, domain: Sequence[Any], first: float, last: float) -> Spec:
    """A scale from values to the units of the drawing."""
    return {"name": name, "type": kind, "domain": domain, "range": [first, last]}


def axis(scale: str, title: str, orient: str = "bottom", **options: object) -> Spec:
    """The axis of a scale."""
    look = {"domain": False, "gridColor": GRID, "tickColor": GRID, "labelPadding": 4}
    for part in ("label", "title"):
        look |= {f"{part}Color": FAINT, f"{part}FontSize": FONT}
    return {"scale": scale, "orient": orient, "title": title, "translate": 0} | look | options


def mark(kind: str, name: str, rows: Sequence[Spec], **channels: object) -> Spec:
    """A mark for each row. A channel is an entry of `at` or `own`, or the same for all rows."""
    enter = {
        channel: entry if isinstance(entry, dict) else {"value": entry}
        for channel, entry in channels.items()
    }
    return {"type": kind, "name": name, "rows": rows, "encode": {"enter": enter}}


def words(name: str, rows: Sequence[Spec], align: str = "left", **channels: object) -> Spec:
    """The field `text` of each row."""
    look = {"fill": TEXT, "fontSize": FONT, "align": align, "baseline": "middle"}
    return mark("text", name, rows, text=own("text"), **look | channels)


def legend(*keys: tuple[str, str, str]) -> list[Spec]:
    """What the shapes mean, in a row at the top: (a letter like the shape, colour, words)."""
    rows: list[Spec] = []
    x = 0
    for sign, colour, text in keys:
        rows.append({"x": x, "sign": sign, "fill": colour, "text": text})
        x += LETTER * len(text) + 40
    place = {"x": own("x"), "y": 8}
    return [
        words("sign", rows, text=own("sign"), fill=own("fill"), **place),
        words("key", rows, dx=18, **place),
    ]


def svg(spec: Spec, title: str, description: str) -> str:
    """Draw a specification.

    Args:
        spec: A Vega specification, its marks made by `mark`.
        title: What is drawn, as the picture's name.
        description: What is seen, for those who can't see it.

    Returns:
        An `<svg>` element in one line, the same for the same arguments.
    """
    import vl_convert  # starts a JavaScript engine: not in a build that draws nothing

    data = []
    for one in spec["marks"]:
        data.append({"name": f"{one['name']} rows", "values": one.pop("rows")})
        one["from"] = {"data": f"{one['name']} rows"}
    whole = {"width": WIDTH, "padding": 0, "autosize": "none", "data": data} | spec
    drawn = vl_convert.vega_to_svg(whole).replace(' xmlns="http://www.w3.org/2000/svg"', "")
    drawing = ET.fromstring(drawn)[0]
    slim(drawing)
    look = {"class": "bp-picture", "width": "100%", "fill": "none", "data-search-exclude": ""}
    look["viewBox"] = f"0 0 {WIDTH} {spec['height'] + BELOW:.0f}"
    # A title element would do as a label too, but shows as a tooltip wherever one points.
    picture = ET.Element("svg", {"role": "img", "aria-label": title} | look)
    ET.SubElement(picture, "desc").text = description
    picture.append(drawing)
    return ET.tostring(picture, encoding="unicode").replace("\n", "&#10;")


def slim(node: ET.Element) -> None:
    """Leave of an element of Vega's drawing what a page needs."""
    for child in list(node):
        if child.get("aria-hidden"):  # a background
            node.remove(child)
        else:
            slim(child)
    before = dict(node.attrib)
    node.attrib.clear()
    for name in (*PLACE, *LOOK):
        if name in before:
            node.set(name, re.sub(r"-?\d+\.\d+(e-?\d+)?", short, before[name]))
    if node.tag == "g" and "class" in before:
        node.set("class", "bp-" + before["class"].split()[-1].removeprefix("role-"))
    elif node.tag != "g" and before.get("aria-label"):
        ET.SubElement(node, "title").text = before["aria-label"]
    for name in LOOK:  # what all in a group have in common is said once
        looks = {child.get(name) for child in node}
        if len(looks) == 1 and (look := looks.pop()) is not None:
            node.set(name, look)
            for child in node:
                del child.attrib[name]


def short(number: re.Match[str]) -> str:
    """A number with one digit after the point, or none."""
    return f"{round(float(number[0]), 1):g}"
