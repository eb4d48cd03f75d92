"""Draws with Vega, and makes of what it writes an SVG that stands in a page.

Vega writes an SVG file of its own: each element with its font, its role and all its digits. What a
page needs of that is kept, and what all elements of a group have in common is said once.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

Spec = dict[str, Any]

WIDTH = 400  # of every drawing, in its own units; a page of 360 pixels shows it 328 wide
ABOVE, BELOW = 30, 46  # room for the legend and for the axis
FONT = 13  # 10.7 pixels on that page
LETTER = 7.4  # the width of a letter, in the widest of the usual fonts

# The page's own colours, in light and dark; its style sheet may set those that start with bp.
TEXT = "var(--md-default-fg-color, currentColor)"
FAINT = "var(--md-default-fg-color--light, currentColor)"
GRID = "var(--md-default-fg-color--lightest, gainsboro)"
RUN = "var(--bp-run, royalblue)"
WAIT = "var(--bp-wait, gray)"
QUEUE = "var(--bp-queue, royalblue)"
PIPE = "var(--bp-pipe, chocolate)"

NUMBER = re.compile(r"\d+\.\d+(e-?\d+)?")
PLACE = ("x2", "y2", "transform", "d")
LOOK = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "text-anchor")


def scale(name: str, kind: str, domain: Sequence[Any], *ends: float) -> Spec:
    """A scale from values to the units of the drawing."""
    return {"name": name, "type": kind, "domain": domain, "range": ends}


def axis(scale: str, title: str, **options: object) -> Spec:
    """The axis of the scale x or y."""
    look = {"domain": False, "gridColor": GRID, "tickColor": GRID, "translate": 0}
    for part in ("label", "title"):
        look |= {f"{part}Color": FAINT, f"{part}FontSize": FONT}
    return {"scale": scale, "orient": "bottom", "title": title, **look, **options}


def mark(kind: str, name: str, rows: Sequence[Spec], **same: object) -> Spec:
    """A mark for each row, which has x, y and other channels of it; `same` are those of all.

    What a row says of x and y goes through the scale of that name.
    """
    channels: Spec = {channel: {"value": value} for channel, value in same.items()}
    for channel in rows[0] if rows else ():
        channels[channel] = {"field": channel}
        if channel in ("x", "x2", "y", "y2"):
            channels[channel]["scale"] = channel[0]
    named = {"name": f"bp-{name}", "from": {"data": name}, "rows": rows}
    return {"type": kind, "encode": {"enter": channels}, **named}


def words(name: str, rows: Sequence[Spec], **same: object) -> Spec:
    """The text of each row."""
    look = {"fill": TEXT, "fontSize": FONT, "baseline": "middle"}
    return mark("text", name, rows, **look | same)


def legend(*keys: tuple[str, str, str]) -> list[Spec]:
    """What the shapes mean, in a row above the drawing: (a letter like the shape, colour, words)."""
    marks, x = [], 0.0
    for number, (sign, colour, text) in enumerate(keys):
        marks.append(words(f"sign{number}", [{"text": sign}], x=x, y=9 - ABOVE, fill=colour))
        marks.append(words(f"key{number}", [{"text": text}], x=x + 18, y=9 - ABOVE))
        x += LETTER * len(text) + 30
    return marks


def svg(spec: Spec, title: str, description: str) -> str:
    """Draw a specification, its marks made by `mark`, as an `<svg>` element in one line."""
    import vl_convert  # starts a JavaScript engine: not in a build that draws nothing

    marks = spec["marks"]
    data = [{"name": one["from"]["data"], "values": one.pop("rows")} for one in marks]
    whole = {"width": WIDTH, "padding": 0, "autosize": "none", "data": data} | spec
    drawn = vl_convert.vega_to_svg(whole)
    drawing = ET.fromstring(drawn.replace(' xmlns="http://www.w3.org/2000/svg"', ""))[0]
    slim(drawing)
    picture = ET.Element("svg", {"class": "bp-picture", "role": "img", "aria-label": title})
    picture.set("viewBox", f"0 {-ABOVE} {WIDTH} {ABOVE + spec['height'] + BELOW:.0f}")
    picture.attrib |= {"width": "100%", "data-search-exclude": ""}
    ET.SubElement(picture, "desc").text = description
    picture.append(drawing)
    text = ET.tostring(picture, encoding="unicode").replace("\n", "&#10;").replace(" />", "/>")
    return text.replace('"/><path d="', "")  # outlines that differ in nothing else become one


def slim(node: ET.Element) -> None:
    """Leave of an element of Vega's drawing what a page needs."""
    for child in list(node):
        if child.get("aria-hidden"):  # a background
            node.remove(child)
        else:
            slim(child)
    vegas = dict(node.attrib)
    node.attrib.clear()
    for name in (*LOOK, *PLACE):
        if name in vegas:
            node.set(name, NUMBER.sub(lambda one: f"{round(float(one[0]), 1):g}", vegas[name]))
    if node.tag == "g" and vegas.get("class", "").startswith("mark-"):
        node.set("class", vegas["class"].split()[-1].replace("role-", "bp-"))
    elif node.tag != "g" and vegas.get("aria-label"):
        ET.SubElement(node, "title").text = vegas["aria-label"]  # a tooltip
    for name in LOOK:
        looks = {child.get(name) for child in node}
        if len(looks) == 1 and (look := looks.pop()):
            node.set(name, look)
            for child in node:
                del child.attrib[name]
