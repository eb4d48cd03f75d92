"""Draws plain SVG for a page, in which text keeps its size at every width.

Along x a place is in per cent of the plot, along y in pixels. What stands at the left and at the
right of the plot is in the padding of the element: a percentage doesn't count that.
"""

import html
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

NARROW = 288  # pixels for a picture on a page of 320: what fits there fits everywhere
FONT = 13
LETTER = 7.6  # pixels, in the widest of the usual fonts
LINE = 17  # from one line of text to the next
RIGHT = 20  # for half the last label of an axis

# The page's own colours, in light and dark; its style sheet may set those that start with bp.
PAPER = "var(--md-default-bg-color, white)"
TEXT = "currentColor"
FAINT = "var(--md-default-fg-color--light)"
GRID = "var(--md-default-fg-color--lightest, gainsboro)"
RUN = "var(--bp-run, royalblue)"
WAIT = "var(--bp-wait, gray)"
QUEUE = "var(--bp-queue, royalblue)"
PIPE = "var(--bp-pipe, chocolate)"
DATA = "var(--bp-data, olivedrab)"
LOCK = "var(--bp-lock, purple)"

HALO = {
    "paint_order": "stroke",
    "stroke": PAPER,
    "stroke_width": "4",
}  # readable on what lies below

SHAPES = {  # beside circle and tick
    "diamond": "M0-5 5 0 0 5-5 0z",
    "triangle": "M0-5 5 4H-5z",
    "cross": "M-4-4 4 4M4-4-4 4",
    "line": "M-6 0H6",
    "bar": "M-5-6H5V6H-5z",
    "box": "M-3-5H3V5H-3z",
    "strip": "M-6-1H6V1H-6z",
    "band": "M-6-3H6V3H-6z",
    "dashes": "M-6-1h4v2h-4zM1-1h5v2H1z",
    "dots": "M-6-1h2v2h-2zM0-1h2v2H0z",
    "up": "M0 0 4 9H-4z",
    "down": "M0 0 4-9H-4z",
}

Function = Callable[[float], float]
Label = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """A scale from values to places: per cent along x, pixels along y."""

    low: float
    high: float
    logarithmic: bool = False
    start: float = 0
    end: float = 100

    def __call__(self, value: float) -> float:
        values = (self.low, self.high, value)
        low, high, at = map(math.log10, values) if self.logarithmic else values
        return self.start + (self.end - self.start) * (at - low) / (high - low or 1)

    def ticks(self, pixels: float, size: Function) -> list[float]:
        """The round numbers, as many as have room for their labels on so many pixels."""
        unit = pixels / abs(self.end - self.start)
        return next(
            c for c in self.fine_to_coarse() if len(thinned(self, c, unit, size)) == len(c)
        )

    def fine_to_coarse(self) -> Iterator[list[float]]:
        """Round numbers from low to high: many, then fewer and fewer."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            powers = [10.0**power for power in range(first, last + 1)]
            finest = [factor * power for power in powers for factor in (1, 2, 5)]
            for found in itertools.chain([finest], (powers[::n] for n in itertools.count(1))):
                yield [value for value in found if self.low <= value <= self.high]
        for power in itertools.count(math.floor(math.log10(self.high - self.low or 1)) - 2):
            for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power):
                first, last = math.ceil(self.low / step), math.floor(self.high / step + 1e-9)
                yield [round(step * number, 9) for number in range(first, last + 1)]


def thinned(
    scale: Function, values: Iterable[float], unit: float, size: Function
) -> list[float]:
    """The values whose labels, of such sizes, don't touch the one before; `unit`: pixels for 1 of the scale."""
    kept: list[float] = []
    for value in values:
        room = (size(kept[-1]) + size(value)) / 2 if kept else 0
        if not kept or abs(scale(value) - scale(kept[-1])) * unit >= room:
            kept.append(value)
    return kept


def safe(words: str) -> str:
    """Text for an element or an attribute, in one line."""
    words = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", words)
    return html.escape(words).replace("\n", "&#10;")


def short(value: float) -> str:
    """A coordinate, as short as can be."""
    return f"{round(value, 1):g}"


def attributes(**look: str) -> str:
    """Attributes of an element."""
    return "".join(f' {key.replace("_", "-")}="{safe(value)}"' for key, value in look.items())


def group(name: str, content: Iterable[str], **look: str) -> str:
    """Elements of one kind, with what they have in common."""
    inner = "".join(content)
    return f'<g class="bp-{name}"{attributes(**look)}>{inner}</g>' if inner else ""


def text(x: float, y: float, words: str, dx: float = 0) -> str:
    """A line of text, its middle at y, `dx` pixels from x."""
    shift = f' dx="{short(dx)}"' if dx else ""
    return f'<text x="{short(x)}%"{shift} y="{short(y + 4.5)}">{safe(words)}</text>'


def markers(name: str, colour: str, content: Iterable[str]) -> str:
    """A group of markers."""
    return group(name, content, fill=colour, stroke=colour)


def placed(outline: str, x: float, y: float, dx: float = 0, inner: str = "") -> str:
    """An outline in pixels, `dx` pixels from a place."""
    moved = f' transform="translate({short(dx)})"' if dx else ""
    path = f'<path d="{outline}"{moved}>{inner}</path>'
    return f'<svg x="{short(x)}%" y="{short(y)}" overflow="visible">{path}</svg>'


def marker(shape: str, x: float, y: float, tooltip: str = "", dx: float = 0) -> str:
    """A small shape, in the colour of its group."""
    title = f"<title>{safe(tooltip)}</title>" if tooltip else ""
    moved = f' transform="translate({short(dx)})"' if dx else ""
    if shape == "circle":
        return f'<circle cx="{short(x)}%" cy="{short(y)}" r="4"{moved}>{title}</circle>'
    if shape == "tick":
        place = f'x="{short(x)}%" y="{short(y - 6)}" width="1" height="12"'
        return f"<rect {place}{moved}>{title}</rect>"
    return placed(SHAPES[shape], x, y, dx, title)


def icon(shape: str, colour: str) -> str:
    """A small shape as a picture of its own, for a line of text."""
    mark = f'<path d="{SHAPES[shape]}"/>' if shape != "tick" else '<path d="M-.5-6h1V6h-1z"/>'
    return (
        f'<svg viewBox="-7 -7 14 14" width="14" height="14" fill="{colour}" stroke="{colour}" '
        f'stroke-width="1.5" aria-hidden="true">{mark}</svg>'
    )


def path(name: str, outlines: Iterable[str], **look: str) -> str:
    """A path, which `picture` draws as wide as the plot, its x in thousandths of that."""
    outline = "".join(outlines)
    return f'<path class="bp-{name}"{attributes(**look)} d="{outline}"/>' if outline else ""


def stroke(name: str, lines: Iterable[str], colour: str, **look: str) -> str:
    """Lines as a path; they are as thick at every width of the page."""
    return path(name, lines, stroke=colour, vector_effect="non-scaling-stroke", **look)


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """The outline of a rectangle."""
    return f"M{short(x)} {short(y)}h{short(width)}v{short(height)}h-{short(width)}z"


def box(x: float, x2: float, y: float, height: float) -> str:
    """The same between two places along x."""
    return rectangle(10 * x, y, max(10 * (x2 - x), 3), height)  # however short, it can be seen


def line(*points: tuple[float, float]) -> str:
    """The outline of a line."""
    return "M" + "L".join(f"{short(10 * x)} {short(y)}" for x, y in points)


def level(x: float, x2: float, y: float) -> str:
    """The outline of a level line."""
    return line((x, y), (x2, y))


def x_axis(
    scale: Function, ticks: Sequence[float], label: Label, top: float, bottom: float
) -> list[str]:
    """A line of the grid for each tick, and its label, each word in a line of its own."""
    grid = (line((scale(tick), top), (scale(tick), bottom)) for tick in ticks)
    labels = (
        text(scale(tick), bottom + 11 + 15 * row, word)
        for tick in ticks
        for row, word in enumerate(label(tick).split())
    )
    words = group("axis-label", labels, text_anchor="middle", fill=FAINT)
    return [stroke("grid", grid, GRID), words]


def y_axis(scale: Function, ticks: Sequence[float], label: Label) -> list[str]:
    """A line of the grid for each tick, and its label."""
    grid = (level(0, 100, scale(tick)) for tick in ticks)
    labels = (text(0, scale(tick), label(tick), -6) for tick in ticks)
    words = group("axis-label", labels, text_anchor="end", fill=FAINT)
    return [stroke("grid", grid, GRID), words]


def legend(keys: Sequence[tuple[str, str, str]], left: float) -> tuple[str, float]:
    """What shapes and colours mean, in as many lines as a narrow page needs; and its height."""
    shapes, names, x, y = [], [], 0.0, 9.0
    for shape, colour, words in keys:
        width = LETTER * len(words) + 18
        if x + width > NARROW:
            x, y = 0.0, y + LINE
        shapes.append(markers("key", colour, [marker(shape, 0, y, dx=x + 6 - left)]))
        names.append(text(0, y, words, x + 18 - left))
        x += width + 14
    return "".join(shapes) + group("key-name", names), y + LINE


def notes(lines: Iterable[str], y: float, left: float) -> str:
    """Lines of text from the picture's left edge."""
    found = (text(0, y + LINE * number, words, -left) for number, words in enumerate(lines))
    return group("note", found, fill=FAINT)


def standalone(text: str) -> str:
    """A picture as a file of its own, which no page styles."""
    width = 820.0
    found = re.search(r' style="height:([\d.]+)px;padding:0 ([\d.]+)px 0 ([\d.]+)px"', text)
    assert found, "not a picture"
    height, right, left = map(float, found.groups())
    place = f' x="{short(left + 10)}" y="10" height="{short(height)}"'
    inner = text.replace(found[0], place, 1)
    inner = inner.replace('width="100%"', f'width="{short(width - left - right - 20)}"', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{short(width)}" '
        f'height="{short(height + 20)}" font-family="sans-serif" style="background:white">'
        f"{inner}</svg>\n"
    )


def picture(
    title: str,
    description: str,
    height: float,
    sides: tuple[float, float],
    parts: Sequence[str],
) -> str:
    """An `<svg>` element in one line, with so many pixels beside the plot; paths lie lowest."""
    paths = "".join(part for part in parts if part.startswith("<path"))
    others = "".join(part for part in parts if not part.startswith("<path"))
    # A page's rule `svg { height: auto }` must not reach the inner one: hence its style.
    stretched = (
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="1000" '
        f'style="height:1000px" overflow="visible" fill="none">{paths}</svg>'
    )
    left, right = map(short, sides)
    style = f"height:{short(height)}px;padding:0 {right}px 0 {left}px"
    look = attributes(font_size=str(FONT), fill=TEXT, style=style, aria_label=title)
    return (
        '<svg class="bp-picture" role="img" width="100%" overflow="visible" stroke-width="1.5" '
        f'data-search-exclude=""{look}><desc>{safe(description)}</desc>{stretched}{others}</svg>'
    )
