"""Draws what the programs of `examples/questions/` print: lines, each with its name at its end."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from recorder.recording import Recording
from render import chart
from render.plots import LOOKS, Line, draw_lines

LEFT, NAMES = 54, 112  # pixels beside a plot: for the axis, and for the names of the lines
HEIGHT = 220  # from one panel to the next
TIMES, SIZES = ("µs", "ms", "s"), ("B", "kB", "MB", "GB")
FASTER = "times as fast as one process"
Point = tuple[float, float]


class Axes(NamedTuple):
    """The scales of a plot, what they measure, and how a number of each is written."""

    x: chart.Scale
    y: chart.Scale
    x_name: str
    y_name: str
    x_label: Callable[[float], str]
    y_label: Callable[[float], str]


def slower(recording: Recording) -> str:
    """How many times as fast workers were, against the task and its argument: a run of `slower.py`."""
    tasks, arguments = rows_of(recording, 6), rows_of(recording, 4)
    lengths, sizes = [row[1] for row in tasks], [row[0] for row in arguments]
    lines = lines_of(("one by one", "in chunks"), lengths, [row[4:] for row in tasks])
    given = lines_of(("one by one",), sizes, [row[3:] for row in arguments])
    parts, told = [], []
    for number, (found, xs, units, name) in enumerate(
        (
            (lines, lengths, TIMES, "length of a task"),
            (given, sizes, SIZES, "size of its argument"),
        )
    ):
        even = Line("one process", [(xs[0], 1), (xs[-1], 1)])
        x = chart.Scale(xs[0], xs[-1], logarithmic=True, start=1, end=99)
        y = heights([*found, even], HEIGHT * number)
        label = functools.partial(with_unit, units=units)
        axes = Axes(x, y, name, FASTER, label, "{:g}".format)
        parts += panel([*found, even], axes)
        told.append(in_words(found, axes))
    title = "When worker processes are faster than one process"
    return chart.picture(title, " ".join(told), 2 * HEIGHT - 10, (LEFT, NAMES), parts)


def back_pressure(recording: Recording) -> str:
    """The memory of a producer with and without a limit: a run of `back_pressure.py`."""
    rows = rows_of(recording, 3)
    names = ("no maxsize", "maxsize=8")
    lines = lines_of(names, [row[0] for row in rows], [row[1:] for row in rows])
    x = chart.Scale(rows[0][0], rows[-1][0], start=1, end=99)
    axes = Axes(
        x, heights(lines, 0), "seconds", "MiB in the producer", "{:g}".format, "{:g}".format
    )
    title = "Memory of a producer with and without maxsize"
    return chart.picture(
        title, in_words(lines, axes), HEIGHT - 20, (LEFT, NAMES), panel(lines, axes)
    )


def lines_of(
    names: Sequence[str], xs: Sequence[float], rows: Sequence[Sequence[float]]
) -> list[Line]:
    """A line for each column of a table."""
    columns = zip(*rows, strict=True)
    return [
        Line(name, list(zip(xs, column, strict=True)), *look)
        for name, column, look in zip(names, columns, LOOKS, strict=False)
    ]


def heights(lines: Sequence[Line], top: float) -> chart.Scale:
    """The scale of a panel, from 0 to its highest point."""
    highest = max(value for line in lines for _, value in line.points)
    return chart.Scale(0, highest, start=top + 150, end=top + 28)


def panel(lines: Sequence[Line], axes: Axes) -> list[str]:
    """A plot: its axes, and the lines with their names at their ends."""
    x, y, x_name, y_name, x_label, y_label = axes
    top, bottom = y.end, y.start
    x_ticks = x.ticks(chart.NARROW - LEFT - NAMES, lambda _: 32)
    return [
        chart.notes([y_name], top - 20, LEFT),
        *chart.y_axis(y, y.ticks(bottom - top, lambda _: 28), y_label),
        *chart.x_axis(x, x_ticks, x_label, top, bottom + 4),
        *draw(lines, axes),
        chart.notes([x_name], bottom + 46, LEFT),
    ]


def draw(lines: Sequence[Line], axes: Axes) -> list[str]:
    """The lines, of which each point says its two numbers."""
    told = [
        line._replace(told=[f"{line.name}, {in_two(point, axes)}" for point in line.points])
        for line in lines
    ]
    return draw_lines(told, axes.x, axes.y)


def in_two(point: Point, axes: Axes) -> str:
    """A point in words."""
    return f"{axes.x_label(point[0])}: {axes.y_label(point[1])}"


def in_words(lines: Sequence[Line], axes: Axes) -> str:
    """A plot for who doesn't see it."""
    told = (
        f"{line.name}: {', '.join(in_two(p, axes) for p in line.points)}." for line in lines
    )
    return f"{axes.y_name}, against {axes.x_name}. {' '.join(told)}"


def rows_of(recording: Recording, width: int) -> list[list[float]]:
    """The rows of so many numbers that a run printed, units left out."""
    rows = []
    for line in recording.lines:
        cells = (
            re.sub(r"(?<=\d) (?:µs|ms|s|MiB)(?= |$)", "", line.text).replace(",", "").split()
        )
        if len(cells) == width and all(re.fullmatch(r"[\d.]+", cell) for cell in cells):
            rows.append([float(cell) for cell in cells])
    return rows


def with_unit(value: float, units: Sequence[str]) -> str:
    """A number with at most two digits and a decimal unit."""
    power = min(len(units) - 1, max(0, math.floor(math.log10(value) / 3 + 1e-9)))
    return f"{float(f'{value / 1000**power:.2g}'):g} {units[power]}"
