"""Draws what the programs that measure print."""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

from recorder.recording import Recording
from render import chart, tables
from render.tables import Measurement

LOOKS = ((chart.QUEUE, "circle"), (chart.PIPE, "diamond"), (chart.TEXT, "triangle"))
# Throughput is drawn in these, below each other: few lines each, so that they can be told apart.
PANELS = {
    "Queues": {"Queue": "Queue", "SimpleQueue": "SimpleQueue", "Manager().Queue": "Manager"},
    "Pipes, send": {"Pipe() send": "Pipe()", "Pipe(duplex=False) send": "duplex=False"},
    "Pipes, send_bytes": {
        "Pipe() send_bytes": "Pipe()",
        "Pipe(duplex=False) send_bytes": "duplex=False",
    },
}
LEFT, NAMES = 54, 118  # pixels beside a plot: for the axis, and for the names of the lines
APART = 15  # from one name at the end of a line to the next, at least
PITCH = 36  # from one name of a dot plot to the next


class Line(NamedTuple):
    """A line of a plot; one without a shape is there to compare with.

    Attributes:
        told: What each point says to who points at it.
        spreads: Of points that have one: where, and from what to what.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = chart.TEXT
    shape: str = ""
    told: Sequence[str] = ()
    spreads: Sequence[tuple[float, float, float]] = ()


class Series(NamedTuple):
    """Measurements that make a line of a plot."""

    name: str
    colour: str
    shape: str
    rows: Sequence[Measurement]


def worker_sweep(recording: Recording) -> str:
    """Time against workers, and the work divided by the cores: a run of `worker_sweep.py`."""
    rows, cores = tables.parse_sweep(recording.output), recording.machine.cores
    sizes = sorted({row.size for row in rows})
    x = chart.Scale(sizes[0], sizes[-1], logarithmic=True, start=1, end=99)
    y = chart.Scale(0, max(row.high for row in rows), start=220, end=24)
    series = [
        Series(name, *look, [row for row in rows if row.name == name])
        for name, look in zip(("Queue", "Pipe"), LOOKS, strict=False)
    ]
    if sizes[0] == 1:
        one = min(row.median for row in rows if row.size == 1)
        corners = sorted({*sizes, min(cores, sizes[-1])})
        ideal = [
            Measurement.of("", f"{n} workers", [one / min(n, cores)] * 3) for n in corners
        ]
        series.append(Series(f"÷ {cores} cores", chart.TEXT, "", ideal))
    steps = x.thinned(
        sizes[::-1], chart.NARROW - LEFT - NAMES, lambda size: 8 * len(str(size)) + 8
    )
    parts = [
        chart.notes(["milliseconds"], 8, LEFT),
        *chart.y_axis(y, y.ticks(200, lambda _: 30), "{:,g}".format),
        *chart.x_axis(x, steps, str, 24, 224),
        *draw_series(series, x, y, "{:g} ms".format),
        chart.notes(["workers"], 252, LEFT),
    ]
    title = f"Time for the same work against workers, on {cores} cores"
    return chart.picture(title, in_words(rows, "{:g} ms".format), 262, (LEFT, NAMES), parts)


def throughput(recording: Recording) -> str:
    """Bytes a second against the size of a message, and the limit: a run of `throughput.py`."""
    rows = [in_bytes(row) for row in tables.parse_throughput(recording.output)]
    copy = next(row for row in rows if row.name == "memory copy")
    rows = [row for row in rows if any(row.name in panel for panel in PANELS.values())]
    sizes: dict[float, str] = {row.size: row.case for row in rows}
    order = sorted(sizes)
    low, high = min(row.low for row in rows), max(row.high for row in [*rows, copy])
    limit = [dataclasses.replace(copy, case=case) for case in sizes.values()]
    parts, top = [], 0

    def x(size: float) -> float:
        """All sizes equally far from each other."""
        return 2 + 96 * order.index(size) / max(len(order) - 1, 1)

    for heading, panel in PANELS.items():
        y = chart.Scale(low, high, logarithmic=True, start=top + 160, end=top + 26)
        looks = [(label, name, *LOOKS[n]) for n, (name, label) in enumerate(panel.items())]
        if "Queue" not in panel:
            looks.append(("Queue", "Queue", chart.FAINT, ""))
        series = [
            Series(label, colour, shape, [row for row in rows if row.name == name])
            for label, name, colour, shape in looks
        ]
        series.append(Series("memory copy", chart.TEXT, "", limit))
        label = sizes.__getitem__ if heading == list(PANELS)[-1] else "".format
        parts += [
            chart.notes([f"{heading}: bytes a second"], top + 8, LEFT),
            *chart.y_axis(y, y.ticks(134, lambda _: 24), rate),
            *chart.x_axis(x, order, label, top + 26, top + 164),
            *draw_series(series, x, y, rate),
        ]
        top += 180
    parts.append(chart.notes(["size of a message"], top + 30, LEFT))
    title = "Throughput of the channels against the size of a message"
    medians = "; ".join(f"{row.name}, {row.case}: {rate(row.median)}" for row in rows)
    words = f"Medians, in bytes a second: {medians}."
    return chart.picture(title, words, top + 40, (LEFT, NAMES), parts)


def start_cost(recording: Recording) -> str:
    """What starting a process costs under each start method: a run of `start_cost.py`."""
    title = "What starting a process costs under each start method"
    return dot_plot(tables.parse_starts(recording.output), "milliseconds", title)


def latency(recording: Recording) -> str:
    """The round trip through each channel: a run of `latency.py`."""
    title = "Round trip of a small message through each channel"
    return dot_plot(tables.parse_latency(recording.output), "microseconds", title)


def draw_series(
    series: Sequence[Series], x: chart.Function, y: chart.Scale, number: chart.Label
) -> list[str]:
    """The lines of a plot from measurements, with the spread of each point."""
    lines = [
        Line(
            name,
            [(row.size, row.median) for row in rows],
            colour,
            shape,
            [row.in_words(number) for row in rows],
            [(row.size, row.low, row.high) for row in rows],
        )
        for name, colour, shape, rows in series
        if rows
    ]
    return draw_lines(lines, x, y)


def draw_lines(lines: Sequence[Line], x: chart.Function, y: chart.Scale) -> list[str]:
    """The lines of a plot, each with its name at its end."""
    parts, names, height = [], [], -math.inf
    ordered = sorted(lines, key=lambda line: y(line.points[-1][1]))
    for above, (name, points, colour, shape, told, spreads) in enumerate(ordered):
        places = [(x(a), y(b)) for a, b in points]
        room = y.start - APART * (len(ordered) - 1 - above)
        height = min(max(places[-1][1], height + APART), room)
        names.append(chart.text(100, height, name, 25))
        marks = [chart.marker(shape or "dots", 100, height, dx=16)]
        if shape:
            marks += [
                chart.marker(shape, *at, words) for at, words in zip(places, told, strict=True)
            ]
            spread = [chart.line((x(a), y(low)), (x(a), y(high))) for a, low, high in spreads]
            parts.append(chart.stroke("trace", [chart.line(*places), *spread], colour))
        else:
            look = {"stroke_dasharray": "2 4"}
            parts.append(chart.stroke("compare", [chart.line(*places)], colour, **look))
        parts.append(chart.markers("point" if shape else "compare-key", colour, marks))
    return [*parts, chart.group("series", names)]


def dot_plot(rows: Sequence[Measurement], unit: str, title: str) -> str:
    """The cases of each name with their spread, on a logarithmic scale; names above their line."""
    cases = list(dict.fromkeys(row.case for row in rows))
    looks = dict(zip(cases, LOOKS, strict=False))
    keys = [(shape, colour, case) for case, (colour, shape) in looks.items()]
    legend, top = chart.legend(keys, 6)
    lows, highs = (row.low for row in rows), (row.high for row in rows)
    x = chart.Scale(min(lows), max(highs), logarithmic=True, start=1, end=99)
    heights = {name: top + 9 + PITCH * n for n, name in enumerate({r.name: 0 for r in rows})}
    bottom = top + PITCH * len(heights) + 4
    ticks = x.ticks(chart.NARROW - 22, lambda tick: 8 * len(f"{tick:,g}") + 10)
    strokes, shapes, medians = [], [], []
    for case, (colour, shape) in looks.items():
        found = [(row, heights[row.name] + 17) for row in rows if row.case == case]
        spread = [chart.line((x(row.low), y), (x(row.high), y)) for row, y in found]
        marks = [chart.marker(shape, x(row.median), y, row.in_words()) for row, y in found]
        strokes.append(chart.stroke("spread", spread, colour))
        shapes.append(chart.markers("point", colour, marks))
    for name, y in heights.items():
        values = [tables.three_digits(row.median) for row in rows if row.name == name]
        medians.append(chart.text(100, y, " / ".join(values), chart.RIGHT))
    parts = [
        legend,
        *chart.x_axis(x, ticks, "{:,g}".format, top, bottom),
        *strokes,
        *shapes,
        chart.group("name", (chart.text(0, y, name, -6) for name, y in heights.items())),
        chart.group("value", medians, text_anchor="end"),
        chart.notes([unit], bottom + 28, 6),
    ]
    words = f"{unit.capitalize()}. {in_words(rows, '{:g}'.format)}"
    return chart.picture(title, words, bottom + 38, (6, chart.RIGHT), parts)


def in_words(rows: Sequence[Measurement], number: chart.Label) -> str:
    """A plot for who doesn't see it."""
    told = "; ".join(row.in_words(number) for row in rows)
    return f"Medians, and from the lowest to the highest: {told}."


def in_bytes(row: Measurement) -> Measurement:
    """Messages a second as bytes a second."""
    return Measurement.of(row.name, row.case, [number * row.size for number in row.numbers])


def rate(value: float) -> str:
    """Bytes with three digits and a decimal unit."""
    rounded = float(f"{value:.3g}")
    power = max(0, math.floor(math.log10(rounded) + 1e-9) // 3)
    return f"{rounded / 1000**power:g} {('', 'k', 'M', 'G', 'T')[power]}B"
