"""Draws what the programs that measure print: lines, each with its name at its end, and dots."""

import functools
import math
import re
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
HEIGHT = 134  # of a panel
TIMES, SIZES = ("µs", "ms", "s"), ("B", "kB", "MB", "GB", "TB")
Point = tuple[float, float]


class Line(NamedTuple):
    """A line of a plot; one without a shape is there to compare with.

    Attributes:
        told: What each point says to who points at it; by default its name and its two numbers.
        spreads: Of points that have one: where, and from what to what.
    """

    name: str
    points: Sequence[Point]
    colour: str = chart.TEXT
    shape: str = ""
    told: Sequence[str] = ()
    spreads: Sequence[tuple[float, float, float]] = ()


class Panel(NamedTuple):
    """Lines over one pair of axes.

    Attributes:
        x: The place of a value along x, in per cent.
        ticks: The values along x that have a label.
        ends: The lowest and the highest value along y.
    """

    lines: Sequence[Line]
    x: chart.Function
    ticks: Sequence[float]
    x_label: chart.Label
    x_name: str
    ends: tuple[float, float]
    y_label: chart.Label
    y_name: str
    logarithmic: bool = False
    height: float = HEIGHT

    def parts(self, top: float) -> tuple[list[str], float]:
        """The panel below a height, and where it ends."""
        top, bottom = top + 26, top + 26 + self.height
        y = chart.Scale(*self.ends, self.logarithmic, start=bottom, end=top)
        found = [
            chart.notes([self.y_name], top - 18, LEFT),
            *chart.y_axis(y, y.ticks(self.height, lambda _: 28), self.y_label),
            *chart.x_axis(self.x, self.ticks, self.x_label, top, bottom + 4),
            *self.draw_lines(y),
        ]
        below = bottom + 15 * max(len(self.x_label(tick).split()) for tick in self.ticks)
        if self.x_name:
            found.append(chart.notes([self.x_name], below + 17, LEFT))
        return found, below + (27 if self.x_name else 10)

    def draw_lines(self, y: chart.Scale) -> list[str]:
        """The lines, each with its name at its end."""
        parts, names, height = [], [], -math.inf
        ordered = sorted(self.lines, key=lambda line: y(line.points[-1][1]))
        for above, line in enumerate(ordered):
            places = [(self.x(a), y(b)) for a, b in line.points]
            room = y.start - APART * (len(ordered) - 1 - above)
            height = min(max(places[-1][1], height + APART), room)
            names.append(chart.text(100, height, line.name, 25))
            marks = [chart.marker(line.shape or "dots", 100, height, dx=16)]
            outlines = [chart.line(*places)]
            if line.shape:
                told = line.told or [f"{line.name}, {self.in_two(p)}" for p in line.points]
                marks += [
                    chart.marker(line.shape, *at, says)
                    for at, says in zip(places, told, strict=True)
                ]
                outlines += [
                    chart.line((self.x(a), y(low)), (self.x(a), y(high)))
                    for a, low, high in line.spreads
                ]
                parts.append(chart.stroke("trace", outlines, line.colour))
            else:
                parts.append(
                    chart.stroke("compare", outlines, line.colour, stroke_dasharray="2 4")
                )
            kind = "point" if line.shape else "compare-key"
            parts.append(chart.markers(kind, line.colour, marks))
        return [*parts, chart.group("series", names)]

    def in_two(self, point: Point) -> str:
        """A point in words."""
        return f"{self.x_label(point[0])}: {self.y_label(point[1])}"

    def in_words(self) -> str:
        """The panel for who doesn't see it; without the lines to compare with."""
        told = (
            f"{line.name}: {', '.join(map(self.in_two, line.points))}."
            for line in self.lines
            if line.shape
        )
        return f"{self.y_name}, against {self.x_name}. {' '.join(told)}"


def stacked(title: str, words: str, panels: Sequence[Panel]) -> str:
    """A plot of panels below each other."""
    parts, top = [], -10.0  # and so far from one panel to the next
    for panel in panels:
        found, top = panel.parts(top + 10)
        parts += found
    return chart.picture(title, words, top, (LEFT, NAMES), parts)


def worker_sweep(recording: Recording) -> str:
    """Time against workers, and the work divided by the cores: a run of `worker_sweep.py`."""
    rows, cores = tables.parse_sweep(recording.output), recording.machine.cores
    sizes = sorted({row.size for row in rows})
    x = along_x(sizes, logarithmic=True)
    number = "{:g} ms".format
    lines = [
        measured_line(name, [row for row in rows if row.name == name], number, *look)
        for name, look in zip(("Queue", "Pipe"), LOOKS, strict=False)
    ]
    if sizes[0] == 1:
        one = min(row.median for row in rows if row.size == 1)
        corners = sorted({*sizes, min(cores, sizes[-1])})
        lines.append(Line("work ÷ cores", [(n, one / min(n, cores)) for n in corners]))
    wide = chart.NARROW - LEFT - NAMES
    ticks = chart.thinned(x, sizes[::-1], wide / 98, lambda size: 8 * len(str(size)) + 8)
    ends = (0, max(row.high for row in rows))
    panel = Panel(
        lines, x, ticks, str, "workers", ends, "{:,g}".format, "milliseconds", height=196
    )
    title = f"Time for the same work against workers, on {cores} cores"
    return stacked(title, in_words(rows, number), [panel])


def throughput(recording: Recording) -> str:
    """Bytes a second against the size of a message, and the limit: a run of `throughput.py`."""
    rows = [in_bytes(row) for row in tables.parse_throughput(recording.output)]
    copy = next(row for row in rows if row.name == "memory copy")
    rows = [row for row in rows if any(row.name in names for names in PANELS.values())]
    sizes: dict[float, str] = {row.size: row.case for row in rows}
    order = sorted(sizes)
    ends = min(row.low for row in rows), max(row.high for row in [*rows, copy])
    limit = Line("memory copy", [(size, copy.median) for size in sizes])
    panels = []

    def x(size: float) -> float:
        """All sizes equally far from each other."""
        return 2 + 96 * order.index(size) / max(len(order) - 1, 1)

    for heading, names in PANELS.items():
        looks = [(label, name, *LOOKS[n]) for n, (name, label) in enumerate(names.items())]
        if "Queue" not in names:
            looks.append(("Queue", "Queue", chart.FAINT, ""))
        lines = [
            measured_line(label, found, rate, *look)
            for label, name, *look in looks
            if (found := [row for row in rows if row.name == name])
        ]
        last = heading == list(PANELS)[-1]
        label, below = (sizes.__getitem__, "size of a message") if last else ("".format, "")
        name = f"{heading}: bytes a second"
        panels.append(Panel([*lines, limit], x, order, label, below, ends, rate, name, True))
    title = "Throughput of the channels against the size of a message"
    medians = "; ".join(f"{row.name}, {row.case}: {rate(row.median)}" for row in rows)
    return stacked(title, f"Medians, in bytes a second: {medians}.", panels)


def slower(recording: Recording) -> str:
    """How many times as fast workers were, against the task and its argument: a run of `slower.py`."""
    panels = []
    for columns, at, names, units, x_name in (
        (6, 1, ("one by one", "in chunks"), TIMES, "length of a task"),
        (4, 0, ("one by one",), SIZES, "size of its argument"),
    ):
        rows = rows_of(recording, columns)
        xs = [row[at] for row in rows]
        lines = lines_of(names, xs, [row[-len(names) :] for row in rows])
        even = Line("one process", [(xs[0], 1), (xs[-1], 1)])
        label = functools.partial(with_unit, units=units)
        name = "times as fast as one process"
        panels.append(panel_of([*lines, even], label, x_name, name, logarithmic=True))
    title = "When worker processes are faster than one process"
    return stacked(title, " ".join(panel.in_words() for panel in panels), panels)


def back_pressure(recording: Recording) -> str:
    """The memory of a producer with and without a limit: a run of `back_pressure.py`."""
    rows = rows_of(recording, 3)
    names = ("no maxsize", "maxsize=8")
    lines = lines_of(names, [row[0] for row in rows], [row[1:] for row in rows])
    panel = panel_of(lines, "{:g}".format, "seconds", "MiB in the producer")
    title = "Memory of a producer with and without maxsize"
    return stacked(title, panel.in_words(), [panel])


def panel_of(
    lines: Sequence[Line],
    x_label: chart.Label,
    x_name: str,
    y_name: str,
    logarithmic: bool = False,
) -> Panel:
    """A panel from 0 to its highest point, with round numbers along x."""
    x = along_x([value for value, _ in lines[0].points], logarithmic)
    ticks = x.ticks(chart.NARROW - LEFT - NAMES, lambda _: 32)
    ends = (0, max(value for line in lines for _, value in line.points))
    return Panel(lines, x, ticks, x_label, x_name, ends, "{:g}".format, y_name)


def along_x(values: Sequence[float], logarithmic: bool) -> chart.Scale:
    """The scale from the first value to the last one."""
    return chart.Scale(values[0], values[-1], logarithmic, start=1, end=99)


def lines_of(
    names: Sequence[str], xs: Sequence[float], rows: Sequence[Sequence[float]]
) -> list[Line]:
    """A line for each column of a table."""
    columns = zip(*rows, strict=True)
    return [
        Line(name, list(zip(xs, column, strict=True)), *look)
        for name, column, look in zip(names, columns, LOOKS, strict=False)
    ]


def measured_line(
    name: str, rows: Sequence[Measurement], number: chart.Label, colour: str, shape: str
) -> Line:
    """A line from measurements, with the spread of each point."""
    points = [(row.size, row.median) for row in rows]
    told = [row.in_words(number) for row in rows]
    spreads = [(row.size, row.low, row.high) for row in rows]
    return Line(name, points, colour, shape, told, spreads)


def rows_of(recording: Recording, width: int) -> list[list[float]]:
    """The rows of so many numbers that a run printed, units left out."""
    rows = []
    for line in recording.lines:
        bare = re.sub(r"(?<=\d) (?:µs|ms|s|MiB)(?= |$)", "", line.text)
        cells = bare.replace(",", "").split()
        if len(cells) == width and all(re.fullmatch(r"[\d.]+", cell) for cell in cells):
            rows.append([float(cell) for cell in cells])
    return rows


def start_cost(recording: Recording) -> str:
    """What starting a process costs under each start method: a run of `start_cost.py`."""
    title = "What starting a process costs under each start method"
    return dot_plot(tables.parse_starts(recording.output), "milliseconds", title)


def latency(recording: Recording) -> str:
    """The round trip through each channel: a run of `latency.py`."""
    title = "Round trip of a small message through each channel"
    return dot_plot(tables.parse_latency(recording.output), "microseconds", title)


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


def with_unit(value: float, units: Sequence[str], digits: int = 2) -> str:
    """A number with so many digits at most and a decimal unit."""
    rounded = float(f"{value:.{digits}g}")
    power = min(len(units) - 1, max(0, math.floor(math.log10(rounded) + 1e-9) // 3))
    return f"{rounded / 1000**power:g} {units[power]}"


rate = functools.partial(with_unit, units=SIZES, digits=3)
