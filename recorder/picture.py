"""Turns recordings into pictures for a page: what is drawn, and where."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recorder import vega
from recorder.recording import Line, Process, Recording

PITCH = 24  # from one lane of a timeline to the next, when there are few
HEIGHT = 330  # of all lanes, when there are many
# With these limits a timeline stays below 15 kB:
LANES = 102  # a parent, 100 workers and the resource tracker
BLOCKS = 160  # times for which the share of a core is drawn
MARKS = 20  # for lines of output
LETTERS = 1000  # of all tooltips together

SPREAD = "medians, and from the shortest to the longest"


def timeline(recording: Recording) -> str:
    """Draw when each process ran on a core, when it waited, and when output came, as an `<svg>`."""
    order = {"parent": 0, "worker": 1, "helper": 2}
    processes = sorted(recording.processes, key=lambda p: (order[p.role], p.started))
    lanes, names = processes[:LANES], names_of(recording)
    wall = max(recording.wall, 0.001)
    pitch = min(PITCH, HEIGHT // max(len(lanes), 1))
    height = pitch * len(lanes) + 28
    # Down the drawing, y counts lanes: the lower edge of the first is at 1.
    output = (height - 10) / pitch
    lives = [{"x": p.started, "x2": p.ended, "y": y} for y, p in enumerate(lanes, 1)]
    blocks = [
        {"x": start, "x2": end, "y": y - max(0.7 * share, 1 / pitch), "y2": y}
        for y, start, end, share in shares(lanes, wall)
    ]
    groups = gathered(recording.lines, wall / MARKS)
    marks = [
        {"x": min(group[0].at, wall), "y": output}
        | {"description": said(group, LETTERS // len(groups))}
        for group in groups
    ]
    middle = min(6 / pitch, 0.5)
    labels = [{"y": y - middle, "text": names[p.pid]} for y, p in enumerate(lanes, 1)]
    labels = labels[:: math.ceil((vega.FONT + 2) / pitch)]
    labels.append({"y": output, "text": "output"})
    places = [
        {"x": p.ended, "y": y - 8 / pitch, "text": stuck(p)}
        for y, p in enumerate(lanes, 1)
        if p.stack and pitch == PITCH
    ]
    title = f"seconds, on {count(recording.machine.cores, 'core')}"
    title += f"; hung, ended after {clock(wall)}" * recording.hung
    title += f"; {len(processes) - LANES} more processes not drawn" * (len(processes) > LANES)
    left = 12 + math.ceil(vega.LETTER * max(len(str(label["text"])) for label in labels))
    spec: vega.Spec = {
        "height": height,
        "scales": [
            vega.scale("x", "linear", [0, wall], left, vega.WIDTH - 16),
            vega.scale("y", "linear", [0, height / pitch], 0, height),
        ],
        "axes": [vega.axis("x", title, grid=True, gridScale="y", tickCount=5, ticks=False)],
        "marks": [
            vega.mark(
                "rect", "life", lives, height=2 if pitch == PITCH else 1, fill=vega.WAIT
            ),
            vega.mark("rect", "ran", blocks, fill=vega.RUN),
            vega.mark("symbol", "line", marks, shape="diamond", size=100, fill=vega.TEXT),
            vega.words("place", places, align="right"),
            vega.words("name", labels, align="right", x=left - 8),
            *vega.legend(
                ("▆", vega.RUN, "ran (full height: a core)"),
                ("▁", vega.WAIT, "waited"),
                ("◆", vega.TEXT, "output"),
            ),
        ],
    }
    return vega.svg(spec, f"Timeline of {recording.command}", summary(recording, processes))


def names_of(recording: Recording) -> dict[int, str]:
    """Each process's name: as the output says it, or else its role and process ID."""
    told = re.findall(r"Process ID: (\d+), name: ([^,\n]{1,18})", recording.output)
    usual = {process.pid: f"{process.role} {process.pid}" for process in recording.processes}
    return usual | {int(pid): name for pid, name in told}


def shares(lanes: Sequence[Process], wall: float) -> list[tuple[int, float, float, float]]:
    """The share of a core that each process had while it ran: (lane, from, to, share)."""
    apart = max(0.04, wall / 150)  # the system counts CPU time in steps of 0.01 s
    while True:
        found = [(y, *block) for y, p in enumerate(lanes, 1) for block in ran(p, apart)]
        if len(found) <= BLOCKS:
            return found
        apart *= 1.3  # in the end one share is all there is of a process, and few enough


def ran(process: Process, apart: float) -> Iterator[tuple[float, float, float]]:
    """When a process ran, and how much: (from, to, share of a core).

    A share is known between two samples, here of at least `apart` seconds from each other. What it
    was after the last one nobody has seen; it is taken to be the same up to the end.
    """
    points = [(process.started, 0.0)]
    for when, cpu in process.samples:
        if when - points[-1][0] >= apart:
            points.append((when, cpu))
    points = points[: max(len(points) - 1, 1)] + list(process.samples[-1:])
    steps = [
        # In tenths, rounded up: it has run, however little.
        (when, math.ceil(10 * min((used - cpu) / max(later - when, 0.001), 1) - 0.01) / 10)
        for (when, cpu), (later, used) in itertools.pairwise(points)
    ]
    changes = [next(same) for _, same in itertools.groupby(steps, lambda step: step[1])]
    for (start, share), (end, _) in itertools.pairwise([*changes, (process.ended, 0)]):
        if share:
            yield start, end, share


def gathered(lines: Sequence[Line], apart: float) -> list[list[Line]]:
    """The lines in groups, of which each begins at least `apart` seconds after the one before."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and line.at - groups[-1][0].at < apart:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def said(lines: Sequence[Line], letters: int) -> str:
    """The lines of output, each with its time, cut after so many letters."""
    text = "\n".join(f"{clock(line.at)}: {line.text}" for line in lines)
    return text if len(text) <= letters else f"{text[:letters]}…"


def stuck(process: Process) -> str:
    """Where the main thread of a process was stuck, from what faulthandler wrote of it."""
    main = "\n".join(process.stack).rpartition("(most recent call first)")[2]
    frames = re.findall(r'File "(.+)", line (\d+) in (.+)', main)
    # After a fork, what lies below _bootstrap is the parent's.
    frames = list(itertools.takewhile(lambda frame: frame[2] != "_bootstrap", frames))
    for (_, _, called), (file, line, _) in itertools.pairwise([*frames[:1], *frames]):
        if not re.search(r"[/\\<]", file):  # the program: it ran in its own folder
            return f"stuck in {called}(), line {line}"
    inside = [function for file, _, function in frames if "multiprocessing" in file]
    return f"stuck in {inside[0]}()" if inside else "stuck"


def summary(recording: Recording, processes: Sequence[Process]) -> str:
    """A timeline in words."""
    names, cores = names_of(recording), count(recording.machine.cores, "core")
    text = f"{clock(recording.wall)} on {cores}{', hung' * recording.hung}."
    for p in processes[:8]:
        cpu = clock(p.samples[-1][1] if p.samples else 0)
        text += f" {names[p.pid]}: {clock(p.started)} to {clock(p.ended)}, ran for {cpu}"
        text += f", {stuck(p)}." if p.stack else "."
    if len(processes) > 8:
        text += f" {len(processes) - 8} more processes."
    return f"{text} Output: {said(recording.lines, LETTERS // 2) or 'none'}."


def clock(seconds: float) -> str:
    """A time in words."""
    return f"{seconds:.3f} s"


def count(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Row:
    """The times of something that was done several times."""

    name: str  # the channel; or the start method, and "cold" or "warm"
    workers: int
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        times = f"{self.median:g} ({self.low:g} to {self.high:g})"
        return f"{self.name}, {count(self.workers, 'worker')}: {times}"


def sweep_rows(output: str) -> list[Row]:
    """Read the table that `worker_sweep.py` prints, in seconds; raise ValueError if there is none."""
    return [
        Row(channel, int(workers), *times)
        for workers, *six in table(r"\d+", 6, output)
        for channel, times in (("Queue", six[:3]), ("Pipe", six[3:]))
    ]


def start_rows(output: str) -> list[Row]:
    """Read the table that `start_cost.py` prints, in milliseconds; raise ValueError if there is none."""
    rows = table(r"\w+(?: \(default\))? +(?:cold|warm)", 3, output)
    return [Row(re.sub(" {2,}", ", ", name), 1, *times) for name, *times in rows]


def table(first: str, numbers: int, output: str) -> list[tuple[Any, ...]]:
    """The rows of a table: a first cell that matches, and so many numbers."""
    rows = re.findall(f"^ *({first})" + numbers * r" +([\d.]+)" + "$", output, re.MULTILINE)
    if not rows:
        raise ValueError("there is no such table in this output")
    return [(name, *map(float, cells)) for name, *cells in rows]


def sweep_plot(rows: Sequence[Row], cores: int) -> str:
    """Draw time against workers, and the work divided by the cores, as an `<svg>`."""
    left, right, height = 56, vega.WIDTH - 16, 200
    sizes = sorted({row.workers for row in rows})
    one = [row.median for row in rows if row.workers == 1]
    corners = sorted({*sizes, min(cores, sizes[-1])}) if one else []
    ideal = [{"x": size, "y": min(one) / min(size, cores)} for size in corners]
    marks = [vega.mark("line", "ideal", ideal, stroke=vega.TEXT, strokeDash=[2, 4])]
    keys = [("●", vega.QUEUE, "Queue", "circle"), ("◆", vega.PIPE, "Pipe", "diamond")]
    for _, colour, name, shape in keys:
        found = [row for row in rows if row.name == name]
        points = [{"x": row.workers, "y": row.median} for row in found]
        spread = [{"x": row.workers, "y": row.low, "y2": row.high} for row in found]
        pen = {"stroke": colour, "strokeWidth": 1.6}
        marks += [
            vega.mark("line", f"{name}-trace", points, **pen),
            vega.mark("rule", f"{name}-spread", spread, **pen),
            vega.mark("symbol", name, points, shape=shape, size=50, fill=colour),
        ]
    divided = ("┅", vega.TEXT, f"work ÷ {count(cores, 'core')}")
    marks += vega.legend(*(key[:3] for key in keys), divided)
    across = {"orient": "left", "offset": -left, "grid": True, "gridScale": "x"}
    spec: vega.Spec = {
        "height": height,
        "scales": [
            vega.scale("x", "log", [sizes[0], sizes[-1] + 1], left, right),
            vega.scale("y", "linear", [0, max(row.high for row in rows)], height, 0),
        ],
        "axes": [
            vega.axis("y", "seconds", tickCount=5, **across),
            vega.axis("x", "workers", values=sizes, labelOverlap="greedy", format="d"),
        ],
        "marks": marks,
    }
    title = f"Time for the same work against workers, on {count(cores, 'core')}"
    return vega.svg(spec, title, f"Seconds, {SPREAD}: {'; '.join(map(str, rows))}.")


def start_plot(rows: Sequence[Row]) -> str:
    """Draw what starting a process costs under each start method, as an `<svg>`."""
    left, right, height = 150, vega.WIDTH - 70, PITCH * len(rows)
    lowest = math.floor(math.log10(min(row.low for row in rows)))
    highest = math.ceil(math.log10(max(row.high for row in rows)))
    powers = [10.0**power for power in range(lowest, highest + 1)]
    spread = [{"x": row.low, "x2": row.high, "y": row.name} for row in rows]
    medians = [{"x": row.median, "y": row.name} for row in rows]
    costs = [{"x": row.high, "y": row.name, "text": f"{row.median:.1f} ms"} for row in rows]
    across = {"orient": "left", "offset": -left, "tickColor": "none", "labelColor": vega.TEXT}
    down = {"grid": True, "gridScale": "rows", "values": powers, "format": "~f"}
    spec: vega.Spec = {
        "height": height,
        "scales": [
            vega.scale("x", "log", [powers[0], powers[-1]], left, right),
            vega.scale("y", "point", [row.name for row in rows], 12, height - 12),
            vega.scale("rows", "linear", [0, 1], 0, height),
        ],
        "axes": [vega.axis("x", "milliseconds", **down), vega.axis("y", "", **across)],
        "marks": [
            vega.mark("rule", "spread", spread, stroke=vega.RUN, strokeWidth=2),
            vega.mark("symbol", "median", medians, size=70, fill=vega.RUN),
            vega.words("cost", costs, dx=10),
            *vega.legend(("●", vega.RUN, "median"), ("━", vega.RUN, "shortest to longest")),
        ],
    }
    title = "What starting a process costs under each start method"
    return vega.svg(spec, title, f"Milliseconds, {SPREAD}: {'; '.join(map(str, rows))}.")
