"""Turns recordings into pictures, as SVG for a page: what is drawn, and where."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.recording import Line, Process, Recording
from recorder.vega import (
    FONT,
    GRID,
    LETTER,
    PIPE,
    QUEUE,
    RUN,
    TEXT,
    WAIT,
    WIDTH,
    Spec,
    at,
    axis,
    legend,
    mark,
    own,
    scale,
    svg,
    words,
)

TOP = 24  # where the lanes of a timeline begin, below the legend
PITCH = 24  # from one lane to the next, when there are few
HEIGHT = 330  # of all lanes, when there are many
LANES = 102  # a parent, 100 workers and the resource tracker; more can't be told apart
BLOCKS = 200  # shares of a core in one timeline; with these limits it stays below 15 kB
MARKS = 30  # for lines of output in one timeline
LINES = 30  # of output that its tooltips say
LETTERS = 60  # of a line of output that are said
TICK = 0.04  # seconds: the system counts CPU time in steps of 0.01 s, so less says little


# --- The timeline of a run ---------------------------------------------------------------------


def timeline(recording: Recording) -> str:
    """Draw when each process of a run ran on a processor, when it waited, and when output came.

    Args:
        recording: Any recording.

    Returns:
        An `<svg>` element, the same for the same recording.
    """
    order = ("parent", "worker", "helper")
    every = sorted(recording.processes, key=lambda p: (order.index(p.role), p.started, p.pid))
    drawn, names = every[:LANES], names_of(recording)
    pitch = min(PITCH, HEIGHT / max(len(drawn), 1))
    full = 0.7 * pitch  # the height of a whole core
    base = {process.pid: TOP + pitch * (lane + 1) for lane, process in enumerate(drawn)}
    output = TOP + pitch * len(drawn) + 20
    wall = max(recording.wall, 0.001)
    labels = drawn[:: math.ceil((FONT + 2) / pitch)]
    longest = max([len(names[process.pid]) for process in labels], default=0)
    left, right = LETTER * max(longest, len("output")) + 10, WIDTH - 16

    title = f"seconds, on {cores(recording.machine.cores)}"
    if recording.hung:
        title += f"; hung, and ended after {clock(recording.wall)}"
    if len(every) > LANES:
        title += f"; {len(every) - LANES} more processes not drawn"
    lives = [
        {"x": process.started, "x2": process.ended, "y": base[process.pid]}
        for process in drawn
    ]
    blocks = [
        {"x": start, "x2": end, "y": base[pid] - max(share * full, 1), "y2": base[pid]}
        for pid, start, end, share in shares(drawn, wall)
    ]
    groups = gathered(recording.lines, wall / MARKS)
    marks = [
        {"x": min(group[0].at, wall), "title": "\n".join(said(group, LINES // len(groups)))}
        for group in groups
    ]
    stuck_at = [
        {"x": process.ended, "y": base[process.pid] - 8, "text": stuck(process)}
        for process in drawn
        if process.stack and pitch == PITCH
    ]
    label = [{"y": base[process.pid] - 6, "text": names[process.pid]} for process in labels]
    label.append({"y": output, "text": "output"})
    spec: Spec = {
        "height": output + 10,
        "scales": [
            scale("x", "linear", [0, wall], left, right),
            scale("lanes", "linear", [0, 1], TOP - output - 10, 0),
        ],
        "axes": [axis("x", title, grid=True, gridScale="lanes", tickCount=5)],
        "marks": [
            mark(
                *("rect", "life", lives),
                x=at("x"),
                x2=at("x", "x2"),
                y=own("y"),
                height=min(2, pitch / 4),
                fill=WAIT,
            ),
            mark(
                *("rect", "ran", blocks),
                x=at("x"),
                x2=at("x", "x2"),
                y=own("y"),
                y2=own("y2"),
                fill=RUN,
            ),
            mark(
                *("rect", "line", marks),
                x=at("x") | {"offset": -1.5},
                width=3,
                y=output - 6,
                height=12,
                fill=TEXT,
                description=own("title"),
            ),
            words("place", stuck_at, "right", x=at("x"), y=own("y")),
            words("name", label, "right", x=left - 8, y=own("y")),
            *legend(
                ("▆", RUN, "ran (full height: a core)"),
                ("▁", WAIT, "waited"),
                ("❙", TEXT, "output"),
            ),
        ],
    }
    return svg(spec, f"Timeline of {recording.command}", summary(recording, every, names))


def names_of(recording: Recording) -> dict[int, str]:
    """Each process's name: as the output says it, or else its role and process ID."""
    said = re.findall(r"Process ID: (\d+), name: ([^,\n]{1,18})", recording.output)
    usual = {process.pid: f"{process.role} {process.pid}" for process in recording.processes}
    return usual | {int(pid): name for pid, name in said}


def shares(
    processes: Sequence[Process], wall: float
) -> list[tuple[int, float, float, float]]:
    """The share of a core that each process had while it ran: (pid, from, to, share).

    When they are too many to draw, they are taken over longer times.
    """
    apart = max(TICK, wall / 150)
    while True:
        found = [
            (process.pid, *share) for process in processes for share in ran(process, apart)
        ]
        if len(found) <= BLOCKS or apart > wall:
            return found
        apart *= 1.3


def ran(process: Process, apart: float) -> list[tuple[float, float, float]]:
    """When a process ran, as (from, to, share of a core), the shares in tenths.

    A share is known between two samples. What it was after the last one nobody has seen; it is
    taken to be the same up to the end.

    Args:
        process: The process.
        apart: Seconds that two samples must be apart for a share to be taken.
    """
    points = [(process.started, 0.0)]
    for when, cpu in process.samples:
        if when - points[-1][0] >= apart:
            points.append((when, cpu))
    if len(points) > 1:
        points.pop()  # so that the last interval, too, is long enough
    points += process.samples[-1:]
    found: list[tuple[float, float, float]] = []
    for (when, cpu), (later, used) in itertools.pairwise(points):
        # Rounded up: it has run, however little.
        share = math.ceil(10 * min((used - cpu) / max(later - when, 0.001), 1) - 0.01) / 10
        start = found.pop()[0] if found and found[-1][2] == share else when
        found.append((start, later, share))
    if found:
        found[-1] = (found[-1][0], process.ended, found[-1][2])
    return [block for block in found if block[2]]


def gathered(lines: Sequence[Line], apart: float) -> list[list[Line]]:
    """The lines in groups, of which each begins at least `apart` seconds after the one before."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and line.at - groups[-1][0].at < apart:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def said(lines: Sequence[Line], most: int) -> list[str]:
    """The first lines of output, each with its time, and how many there are more."""
    texts = [f"{clock(line.at)}: {line.text[:LETTERS]}" for line in lines[:most]]
    return texts + [f"and {len(lines) - most} more"] * (len(lines) > most)


def stuck(process: Process) -> str:
    """Where the main thread of a process was stuck, from what faulthandler wrote about it."""
    last = "\n".join(process.stack).rpartition("(most recent call first)")[2]
    frames = re.findall(r'File "(.+)", line (\d+) in (.+)', last)
    # After a fork, what lies below _bootstrap is the parent's.
    frames = list(itertools.takewhile(lambda frame: frame[2] != "_bootstrap", frames))
    for called, (file, line, function) in zip([None, *frames], frames, strict=False):
        if not re.search(r"[/\\<]", file):  # the program: it runs in its own folder
            return f"stuck in {called[2] if called else function}(), line {line}"
    inside = [function for file, _, function in frames if "multiprocessing" in file]
    return f"stuck in {inside[0]}()" if inside else "stuck"


def summary(
    recording: Recording, processes: Sequence[Process], names: dict[int, str]
) -> str:
    """A timeline in words."""
    number = f"{len(processes)} {'process' if len(processes) == 1 else 'processes'}"
    text = f"{number} on {cores(recording.machine.cores)}, {clock(recording.wall)}."
    if recording.hung:
        text += " The run hung and was ended."
    for process in processes[:8]:
        cpu = process.samples[-1][1] if process.samples else 0.0
        text += f" {names[process.pid]}: {clock(process.started)} to {clock(process.ended)},"
        text += f" ran for {clock(cpu)}"
        text += f", {stuck(process)}." if process.stack else "."
    if len(processes) > 8:
        text += f" And {len(processes) - 8} more."
    return f"{text} Output: {'; '.join(said(recording.lines, 12)) or 'none'}."


def clock(seconds: float) -> str:
    """A time in words."""
    return f"{seconds:.3f} s"


def cores(number: int) -> str:
    """A number of cores in words."""
    return f"{number} {'core' if number == 1 else 'cores'}"


# --- Plots of what a program printed -----------------------------------------------------------


@dataclass(frozen=True)
class SweepRow:
    """The times of one number of workers through one channel, in seconds."""

    channel: str
    workers: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class StartRow:
    """The times of starting a process under one start method, in milliseconds."""

    method: str
    default: bool
    start: str  # "cold" or "warm"
    median: float
    low: float
    high: float


def sweep_rows(output: str) -> list[SweepRow]:
    """Read the table that `worker_sweep.py` prints.

    Raises:
        ValueError: There is none in the output.
    """
    rows = []
    for workers, *times in re.findall(r"^ *(\d+)" + 6 * r" +([\d.]+)" + "$", output, re.M):
        numbers = [float(time) for time in times]
        rows.append(SweepRow("Queue", int(workers), *numbers[:3]))
        rows.append(SweepRow("Pipe", int(workers), *numbers[3:]))
    if not rows:
        raise ValueError("no table of worker_sweep.py in this output")
    return rows


def start_rows(output: str) -> list[StartRow]:
    """Read the table that `start_cost.py` prints.

    Raises:
        ValueError: There is none in the output.
    """
    line = r"^(\w+)( \(default\))? +(cold|warm)" + 3 * r" +([\d.]+)" + "$"
    rows = [
        StartRow(method, bool(default), start, float(median), float(low), float(high))
        for method, default, start, median, low, high in re.findall(line, output, re.M)
    ]
    if not rows:
        raise ValueError("no table of start_cost.py in this output")
    return rows


def sweep_plot(rows: Sequence[SweepRow], cores_of_run: int) -> str:
    """Draw the time against the number of workers, and the work divided by the cores.

    Args:
        rows: What `sweep_rows` read.
        cores_of_run: How many cores the run had.

    Returns:
        An `<svg>` element, the same for the same rows.
    """
    left, right, top, bottom = 56, WIDTH - 16, 30, 230
    sizes = sorted({row.workers for row in rows})
    first = [row.median for row in rows if row.workers == 1]
    divided = {min(cores_of_run, sizes[-1]), *sizes} if first else set()
    ideal = [{"x": n, "y": min(first) / min(n, cores_of_run)} for n in sorted(divided)]
    x, y = at("x"), at("y")
    dots = {"stroke": TEXT, "strokeWidth": 1.8, "strokeDash": [2, 4]}
    marks = [mark("line", "ideal", ideal, x=x, y=y, **dots)]
    # Beside each other, so that one doesn't hide the other.
    for name, colour, shape, aside in (
        ("Queue", QUEUE, "circle", -2),
        ("Pipe", PIPE, "diamond", 2),
    ):
        points = [
            {"x": row.workers, "y": row.median, "low": row.low, "high": row.high}
            for row in rows
            if row.channel == name
        ]
        x = at("x") | {"offset": aside}
        pen = {"x": x, "stroke": colour, "strokeWidth": 1.8}
        marks += [
            mark("line", f"{name}-trace", points, y=y, **pen),
            mark("rule", f"{name}-spread", points, y=at("y", "low"), y2=at("y", "high"), **pen),
            mark("symbol", name, points, x=x, y=y, shape=shape, size=50, fill=colour),
        ]
    spec: Spec = {
        "height": bottom,
        "scales": [
            scale("x", "log", [sizes[0], sizes[-1] + 1], left + 10, right - 10),
            scale("y", "linear", [0, max(row.high for row in rows)], bottom, top),
            scale("width", "linear", [0, 1], left, right),
        ],
        "axes": [
            axis(
                *("y", "seconds", "left"),
                grid=True,
                gridScale="width",
                offset=-left,
                tickCount=5,
            ),
            axis("x", "workers", values=sizes, labelOverlap="greedy", format="d"),
        ],
        "marks": [
            *marks,
            *legend(
                ("●", QUEUE, "Queue"),
                ("◆", PIPE, "Pipe"),
                ("┅", TEXT, f"work ÷ {cores(cores_of_run)}"),
            ),
        ],
    }
    title = f"Time for the same work against the number of workers, on {cores(cores_of_run)}"
    text = "; ".join(
        f"{row.channel}, {row.workers}: {row.median:.3f} ({row.low:.3f} to {row.high:.3f})"
        for row in rows
    )
    return svg(spec, title, f"Seconds, medians and from the shortest to the longest. {text}.")


def start_plot(rows: Sequence[StartRow]) -> str:
    """Draw what starting a process costs under each start method.

    Args:
        rows: What `start_rows` read.

    Returns:
        An `<svg>` element, the same for the same rows.
    """
    points = [
        {
            "y": f"{row.method}{' (default)' * row.default}, {row.start}",
            **{"x": row.median, "low": row.low, "high": row.high},
            **{"text": f"{row.median:#.2g} ms", "shape": SHAPES[row.start]},
        }
        for row in rows
    ]
    return ""
