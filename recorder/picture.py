"""Turns recordings into pictures: inline SVG that follows the page's light and dark colours.

Vega draws them, through vl-convert: one package without dependencies, called here with plain Vega
specifications. What it writes is slimmed before it goes onto a page. The packages are imported when
the first picture is drawn: a build that draws nothing doesn't pay for them.
"""

import hashlib
import html
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recorder.recording import Process, Recording

Spec = dict[str, Any]

WIDTH = 400  # of every drawing, in its own units; a page of 360 pixels shows it 328 wide
FONT = 13  # in the same units: 10.7 pixels there. Wide pages make it smaller by a style sheet
SMALL = 11
HEIGHT = 330  # that the lanes of a timeline share when there are many
TOP = 26  # where the lanes begin, below the legend
FEW = 20  # lanes of which each says in words what is seen
FINE = 40  # lanes that are high enough to show how much of a processor each had
MOST = 100  # workers that are drawn; of more, it is said how many
MOST_STEPS = 260  # changes of a share that are drawn in one timeline
MOST_MARKS = 16  # marks for lines of output in one timeline
TICK = 0.04  # seconds: the system counts CPU time in steps of 0.01 s, so less says little

# The page's own colours, and ours with a fallback. Its style sheet may set those that start with bp.
TEXT = "var(--md-default-fg-color, currentColor)"
FAINT = "var(--md-default-fg-color--light, currentColor)"
GRID = "var(--md-default-fg-color--lightest, gainsboro)"
PAPER = "var(--md-default-bg-color, white)"
RUN = "var(--bp-run, royalblue)"
WAIT = "var(--bp-wait, gray)"
STOP = "var(--bp-stop, crimson)"
QUEUE = "var(--bp-queue, royalblue)"
PIPE = "var(--bp-pipe, chocolate)"


# --- The timeline of a run ---------------------------------------------------------------------


@dataclass(frozen=True)
class Lane:
    """One process of a timeline: its name, and where its lane lies."""

    process: Process
    name: str
    base: float  # the lower edge, where it waits
    full: float  # how high it rises while it runs on a processor all the time

    @property
    def spoken(self) -> str:
        """The lane in words."""
        process = self.process
        ran = process.samples[-1][1] if process.samples else 0.0
        known = "" if str(process.pid) in self.name else f", process {process.pid}"
        where = f", {stuck(process)}" if process.stack else ""
        return (
            f"{self.name}{known}: from {clock(process.started)} to {clock(process.ended)}, "
            f"{clock(ran)} of it on a processor{where}"
        )


def timeline(recording: Recording) -> str:
    """Draw when each process of a run ran on a processor, when it waited, and when output came.

    Args:
        recording: Any recording.

    Returns:
        An `<svg>` element, the same for the same recording.
    """
    lanes, hidden = lanes_of(recording)
    few = len(lanes) <= FEW
    shown = max(recording.wall, 0.001)
    cores = count(recording.machine.cores, "core")
    widest = max([len(short(lane.name)) for lane in lanes] + [6])
    left, right = 0.56 * FONT * widest + 8, WIDTH - 18
    output = (lanes[-1].base if lanes else TOP) + 21
    bottom = output + 10
    groups = gathered(recording, shown, (right - left) / shown)

    lives = [
        {"x": lane.process.started, "x2": lane.process.ended, "y": lane.base} for lane in lanes
    ]
    steps = [
        {"lane": number, "x": when, "y": lane.base - share * lane.full, "base": lane.base}
        | {"title": lane.spoken if few else ""}
        for number, (lane, found) in enumerate(
            zip(lanes, all_steps(lanes, shown), strict=True)
        )
        for when, share in found
    ]
    marks = [
        {"x": first, "path": lozenge((last - first) * (right - left) / shown), "title": title}
        for first, last, title in groups
    ]
    names = [
        {"text": short(lane.name), "y": lane.base - min(lane.full / 2, 7)}
        | {"title": lane.spoken if few else ""}
        for lane in labelled(lanes)
    ]
    names.append({"text": "Output", "y": output})
    places = [
        {"x": lane.process.ended, "y": lane.base - 5, "text": stuck(lane.process)}
        for lane in lanes
        if lane.process.stack and lane.full >= 12
    ]
    guides = [{"x": first} for first, _, _ in groups] if len(groups) <= 12 else []
    ended = [{"x": shown}] if recording.hung else []
    keys = [
        ("block", RUN, "on a processor" if len(lanes) <= FINE else "some time on a processor"),
        ("line", WAIT, "waiting"),
        ("mark", TEXT, "output"),
    ]
    foot = f"seconds, on {cores}"
    if len(lanes) <= FINE:
        foot += "; full height: one core"
    if recording.hung:
        keys.append(("dashes", STOP, "ended"))
        foot = f"seconds, on {cores}; hung, ended after {clock(recording.wall)}"
    if hidden:
        foot = f"seconds, on {cores}; {count(hidden, 'more worker')} not drawn"
    spec: Spec = {
        "height": bottom,
        "data": [{"name": "steps", "values": steps}],
        "scales": [
            scale("x", [0, shown], left, right),
            scale("lanes", [0, 1], 0, bottom - TOP),
        ],
        "axes": [axis("x", across="lanes", tickCount=5)],
        "marks": [
            rule("guide", guides, WAIT, 0.8, [1, 4], x=at("x"), y=is_(TOP), y2=is_(output)),
            rule(
                "life", lives, WAIT, 2.4 if few else 1, x=at("x"), x2=at("x", "x2"), y=of("y")
            ),
            {
                "type": "group",
                "from": {"facet": {"name": "lane", "data": "steps", "groupby": "lane"}},
                "marks": [
                    mark(
                        *("area", "ran", "lane"),
                        x=at("x"),
                        y=of("y"),
                        y2=of("base"),
                        interpolate=is_("step-after"),
                        fill=is_(RUN),
                    )
                ],
            },
            rule("stop", ended, STOP, 1.6, [4, 3], x=at("x"), y=is_(TOP), y2=is_(output)),
            mark(
                *("path", "line", marks),
                x=at("x"),
                y=is_(output),
                path=of("path"),
                fill=is_(TEXT),
            ),
            words("place", places, SMALL, TEXT, "right", x=at("x"), y=of("y"), dx=is_(-5)),
            words("name", names, FONT, TEXT, "right", x=is_(left - 6), y=of("y")),
            foot_note(bottom, foot),
            *legend(keys),
        ],
    }
    title = f"Timeline of {recording.command}"
    return svg(spec, title, summary(recording, lanes, hidden, cores))


def lanes_of(recording: Recording) -> tuple[list[Lane], int]:
    """The lanes from top to bottom, and how many workers are left out."""
    workers = [process for process in recording.processes if process.role == "worker"]
    drawn = [process for process in recording.processes if process.role == "parent"]
    drawn += sorted(workers, key=lambda process: (process.started, process.pid))[:MOST]
    helpers = [process for process in recording.processes if process.role == "helper"][:4]
    names = names_of(recording)
    pitch = min(24, HEIGHT / max(len(drawn) + len(helpers), 1))
    lanes, base = [], float(TOP)
    for process in (*drawn, *helpers):
        if process.role == "helper" and pitch >= 16:
            base += 16
            lanes.append(Lane(process, names[process.pid], base, 5))
        else:
            base += pitch
            lanes.append(Lane(process, names[process.pid], base, 0.72 * pitch))
    return lanes, len(workers) - len(workers[:MOST])


def names_of(recording: Recording) -> dict[int, str]:
    """Each process's name as the program's output says it, or else "process PID"."""
    found: dict[int, str] = {}
    for line in recording.lines:
        for pattern in (
            r"process ID:? (?P<pid>\d+), name:? (?P<name>[^,:;()]+)",
            r"(?P<name>[A-Z][\w -]*?),? \(?process ID:? (?P<pid>\d+)",
        ):
            for match in re.finditer(pattern, line.text, 0 if "[A-Z]" in pattern else re.I):
                found.setdefault(int(match["pid"]), match["name"].strip())
    parents = {process.parent for process in recording.processes if process.role != "helper"}
    several = len(recording.processes) > 1
    for process in recording.processes:
        usual = {
            "parent": "Parent" if several else f"process {process.pid}",
            "helper": "fork server" if process.pid in parents else "resource tracker",
        }
        found.setdefault(process.pid, usual.get(process.role, f"process {process.pid}"))
    return found


def short(name: str) -> str:
    """A name that fits beside its lane."""
    return name if len(name) <= 18 else f"{name[:17]}…"


def labelled(lanes: Sequence[Lane]) -> list[Lane]:
    """The lanes that get their name beside them: as many as there is room for."""
    pitch = lanes[1].base - lanes[0].base if len(lanes) > 1 else FONT + 2
    step = next(
        step for step in (1, 2, 5, 10, 20, 50) if step * pitch >= FONT + 2 or step == 50
    )
    return [lane for number, lane in enumerate(lanes) if number % step == 0]


def all_steps(lanes: Sequence[Lane], shown: float) -> list[list[tuple[float, float]]]:
    """For each lane, when the share of a processor that it had changed: (seconds, share) pairs.

    What is drawn of them is bounded: when it is too much, the times are taken further apart.
    """
    levels = 12 if len(lanes) <= FINE else 1
    apart = max(TICK, shown / 150)
    while True:
        steps = [shares(lane.process, apart, levels) for lane in lanes]
        if sum(map(len, steps)) <= MOST_STEPS + 2 * len(lanes) or apart > shown:
            return steps
        apart *= 1.3


def shares(process: Process, apart: float, levels: int) -> list[tuple[float, float]]:
    """When the share of a processor that a process had changed: (seconds, share) pairs.

    The share is known between two samples. What it was after the last one nobody has seen; it is
    taken to be the same.

    Args:
        process: The process.
        apart: Seconds that two samples must be apart for a share to be taken.
        levels: How many shares above 0 are told apart: 1 says only whether it ran at all.
    """
    kept = [(process.started, 0.0)]
    for when, cpu in process.samples:
        if when - kept[-1][0] >= apart:
            kept.append((when, cpu))
    if process.samples and process.samples[-1][0] > kept[-1][0]:
        if len(kept) > 1:
            kept.pop()  # the last interval takes what is left, so that none is too short
        kept.append(process.samples[-1])
    found: list[tuple[float, float]] = []
    for (when, cpu), (later, used) in itertools.pairwise(kept):
        share = math.ceil(levels * min((used - cpu) / (later - when), 1) - 0.01) / levels
        if share != (found[-1][1] if found else 0):
            found.append((when, share))
    if found and found[-1][1]:
        found.append((process.ended, found[-1][1]))
    return found


def gathered(
    recording: Recording, shown: float, scale: float
) -> list[tuple[float, float, str]]:
    """The marks for lines of output, those that would overlap as one: (first, last, words)."""
    gap = 9 / scale
    while True:
        groups: list[list[tuple[float, str]]] = []
        for line in recording.lines:
            if groups and line.at - groups[-1][-1][0] < gap:
                groups[-1].append((line.at, line.text))
            else:
                groups.append([(line.at, line.text)])
        if len(groups) <= MOST_MARKS:
            break
        gap *= 1.5
    room = max(1, 20 // max(len(groups), 1))
    found = []
    for group in groups:
        texts = [f"{clock(when)}: {text[:60]}" for when, text in group[:room]]
        if len(group) > room:
            texts.append(f"and {len(group) - room} more, up to {clock(group[-1][0])}")
        found.append((min(group[0][0], shown), min(group[-1][0], shown), "\n".join(texts)))
    return found


def lozenge(width: float) -> str:
    """The outline of a mark that stretches from its first line to its last."""
    return f"M-4.5,0L0,-5.5L{width:.1f},-5.5L{width + 4.5:.1f},0L{width:.1f},5.5L0,5.5Z"


def clock(seconds: float) -> str:
    """A time in words, short ones in milliseconds."""
    return f"{1000 * seconds:.1f} ms" if 0 < seconds < 0.1 else f"{seconds:.2f} s"


def stuck(process: Process) -> str:
    """Where a process was stuck, from its stack: the call in the program, or the innermost one."""
    threads: list[list[tuple[str, str, str]]] = []
    for line in process.stack:
        if "(most recent call first)" in line:
            threads.append([])
        if threads and (match := re.search(r'File "(.+)", line (\d+) in (.+)', line)):
            threads[-1].append((match[1], match[2], match[3]))
    if not threads:
        return ""
    frames = threads[-1]  # the main thread comes last
    ends = [index for index, frame in enumerate(frames) if frame[2] == "_bootstrap"]
    if ends:
        del frames[ends[0] :]  # what lies below is its parent's, from the fork
    for index, (file, line, _) in enumerate(frames):
        if not re.search(r"[/\\<]", file):  # the program: the recorder runs it in its folder
            call = f"in {frames[index - 1][2]}(), " if index else ""
            return f"stuck {call}line {line}"
    for file, _, function in frames:
        if "multiprocessing" in file:
            name = file.replace("\\", "/").rpartition("/")[2]
            return f"stuck in {function}(), {name}"
    return f"stuck in {frames[0][2]}()" if frames else ""


def summary(recording: Recording, lanes: Sequence[Lane], hidden: int, cores: str) -> str:
    """A timeline in words."""
    every = len(lanes) + hidden
    processes = f"{every} {'process' if every == 1 else 'processes'}"
    said = [f"{processes} on {cores}, {clock(recording.wall)}."]
    if recording.hung:
        said.append("The run hung and was ended.")
    said += [f"{lane.spoken}." for lane in lanes[:8]]
    if every > 8:
        said.append(f"{every - 8} more processes.")
    lines = [f"at {clock(line.at)} {line.text[:60]}" for line in recording.lines[:12]]
    if len(recording.lines) > 12:
        lines.append(f"{len(recording.lines) - 12} more lines")
    said.append(f"Output: {'; '.join(lines)}." if lines else "No output.")
    return " ".join(said)


# --- Plots of what a program printed -----------------------------------------------------------


@dataclass(frozen=True)
class SweepRow:
    """The times of one number of workers through one channel, in seconds."""

    channel: str
    workers: int
    median: float
    low: float
    high: float

    @property
    def spoken(self) -> str:
        """The row in words."""
        workers = count(self.workers, "worker")
        spread = f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.channel}, {workers}: {self.median:.3f} s ({spread})"


@dataclass(frozen=True)
class StartRow:
    """The times of starting a process under one start method, in milliseconds."""

    method: str
    default: bool
    start: str  # "cold" or "warm"
    median: float
    low: float
    high: float

    @property
    def spoken(self) -> str:
        """The row in words."""
        default = " (default)" if self.default else ""
        return (
            f"{self.method}{default}, {self.start}: {milliseconds(self.median)} "
            f"({milliseconds(self.low)} to {milliseconds(self.high)})"
        )


def sweep_rows(output: str) -> list[SweepRow]:
    """Read the table that `worker_sweep.py` prints.

    Raises:
        ValueError: There is none in the output.
    """
    rows = []
    for workers, *times in re.findall(r"^ *(\d+) " + 6 * r" +([\d.]+)" + "$", output, re.M):
        low_first = [float(time) for time in times]
        rows.append(SweepRow("Queue", int(workers), *low_first[:3]))
        rows.append(SweepRow("Pipe", int(workers), *low_first[3:]))
    if not rows:
        raise ValueError("no table of worker_sweep.py in this output")
    return rows


def start_rows(output: str) -> list[StartRow]:
    """Read the table that `start_cost.py` prints.

    Raises:
        ValueError: There is none in the output.
    """
    line = r"^(\w+)( \(default\))? +(cold|warm) +([\d.]+) +([\d.]+) +([\d.]+)$"
    rows = [
        StartRow(method, bool(default), start, float(median), float(low), float(high))
        for method, default, start, median, low, high in re.findall(line, output, re.M)
    ]
    if not rows:
        raise ValueError("no table of start_cost.py in this output")
    return rows


def sweep_plot(rows: Sequence[SweepRow], cores: int) -> str:
    """Draw the time against the number of workers, and the work divided by the cores.

    Args:
        rows: What `sweep_rows` read.
        cores: How many cores the run had.

    Returns:
        An `<svg>` element, the same for the same rows.
    """
    left, right, top, bottom = 44, WIDTH - 12, 46, 236
    sizes = sorted({row.workers for row in rows})
    most = sizes[-1]
    told: list[int] = []  # those that there is room to write below the axis
    for size in sizes:
        if not told or math.log(size / told[-1]) / math.log(most / sizes[0]) * 340 > 24:
            told.append(size)
    alone = [row.median for row in rows if row.workers == 1]
    spans = sorted({*sizes, *range(1, min(cores, most) + 1)}) if alone else []
    ideal = [{"x": size, "y": min(alone) / min(size, cores)} for size in spans]
    marks = [trace("ideal", ideal, TEXT, [1.5, 3.5], x=at("x"), y=at("y"))]
    for channel, colour, shape, dash, aside in (
        ("Queue", QUEUE, "circle", [], -2.5),
        ("Pipe", PIPE, "diamond", [7, 3], 2.5),
    ):
        points = [
            {"x": row.workers, "y": row.median, "low": row.low, "high": row.high}
            | {"title": row.spoken if row.workers in told else ""}
            for row in rows
            if row.channel == channel
        ]
        x = at("x") | {"offset": aside}
        y, low, high = at("y"), at("y", "low"), at("y", "high")
        name = channel.lower()
        marks += [
            trace(name, [point | {"title": ""} for point in points], colour, dash, x=x, y=y),
            rule(f"{name}-spread", points, colour, 1.5, x=x, y=low, y2=high),
            dots(
                *(f"{name}-median", points, colour, 46),
                x=x,
                y=y,
                shape=is_(shape),
                fill=is_(colour if shape == "circle" else PAPER),
            ),
        ]
    keys = [
        ("circle", QUEUE, "Queue"),
        ("diamond", PIPE, "Pipe"),
        ("dots", TEXT, f"work ÷ {count(cores, 'core')}"),
    ]
    unit = [{"text": "seconds"}]
    highest = max([row.high for row in rows] + [0.001])
    spec: Spec = {
        "height": bottom,
        "scales": [
            scale("x", [sizes[0], max(most, sizes[0] + 1)], left + 8, right - 8, "log"),
            scale("y", [0, highest], bottom, top) | {"nice": 5},
            scale("width", [0, 1], left, right),
        ],
        "axes": [
            axis("y", across="width", tickCount=5, orient="left", offset=-left, ticks=False),
            axis("x", values=told, grid=False, format="d"),
        ],
        "marks": [
            *marks,
            words("unit", unit, FONT, FAINT, "left", x=is_(0), y=is_(top - 12)),
            foot_note(bottom, "workers"),
            *legend(keys),
        ],
    }
    said = "; ".join(row.spoken for row in rows if row.workers in told)
    title = f"Time for the same work against the number of workers, on {count(cores, 'core')}"
    return svg(spec, title, f"Medians, and from the shortest to the longest. {said}.")


def start_plot(rows: Sequence[StartRow]) -> str:
    """Draw what starting a process costs under each start method.

    Args:
        rows: What `start_rows` read.

    Returns:
        An `<svg>` element, the same for the same rows.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    defaults = {row.method for row in rows if row.default}
    left, right, top = 86, WIDTH - 66, 30
    bottom = top + 52 * len(methods)
    middle = {method: top + 52 * number + 27 for number, method in enumerate(methods)}
    points = [
        {"x": row.median, "low": row.low, "high": row.high}
        | {"y": middle[row.method] + (-10 if row.start == "cold" else 10)}
        | {"shape": "circle" if row.start == "cold" else "diamond"}
        | {"fill": RUN if row.start == "cold" else PAPER}
        | {"text": milliseconds(row.median), "title": row.spoken}
        for row in rows
    ]
    names = [
        {"text": method, "y": middle[method] - (8 if method in defaults else 0)}
        for method in methods
    ]
    names += [{"text": "(default)", "y": middle[method] + 8} for method in sorted(defaults)]
    lowest, highest = min(row.low for row in rows), max(row.high for row in rows)
    ticks = [10.0**power for power in range(-3, 7)]
    ends = [max(t for t in ticks if t <= lowest), min(t for t in ticks if t >= highest)]
    ticks = [tick for tick in ticks if ends[0] <= tick <= ends[1]]
    low, high = at("x", "low"), at("x", "high")
    spec: Spec = {
        "height": bottom,
        "scales": [
            scale("x", ends, left, right, "log"),
            scale("rows", [0, 1], 0, bottom - top),
        ],
        "axes": [axis("x", across="rows", values=ticks, format="~f")],
        "marks": [
            rule("spread", points, RUN, 2, x=low, x2=high, y=of("y")),
            dots(
                *("median", points, RUN, 80),
                x=at("x"),
                y=of("y"),
                shape=of("shape"),
                fill=of("fill"),
            ),
            words("cost", points, FONT, TEXT, "left", x=high, y=of("y"), dx=is_(10)),
            words("name", names, FONT, TEXT, "right", x=is_(left - 10), y=of("y")),
            foot_note(bottom, "milliseconds, each line ten times the one before"),
            *legend([("circle", RUN, "cold"), ("diamond", RUN, "warm")]),
        ],
    }
    said = "; ".join(row.spoken for row in rows)
    title = "What starting a process costs under each start method"
    return svg(spec, title, f"Medians, and from the shortest to the longest. {said}.")


def milliseconds(number: float) -> str:
    """A time in milliseconds, with two digits that count."""
    return f"{number:.0f} ms" if number >= 9.95 else f"{number:.1f} ms"


def count(number: int, what: str) -> str:
    """A number of things, for example "1 core" or "2 cores"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# --- Parts of a Vega specification -------------------------------------------------------------


def is_(constant: object) -> Spec:
    """A constant."""
    return {"value": constant}


def of(name: str) -> Spec:
    """A field of the data, in the units of the drawing."""
    return {"field": name}


def at(name: str, field: str = "") -> Spec:
    """A field of the data through a scale; by default the field is called like the scale."""
    return {"scale": name, "field": field or name}


def scale(
    name: str, domain: list[Any], first: float, last: float, kind: str = "linear"
) -> Spec:
    """A scale from values to the units of the drawing."""
    return {"name": name, "type": kind, "domain": domain, "range": [first, last]}


def axis(name: str, *, across: str = "", **options: object) -> Spec:
    """The axis of a scale, with muted grid lines over the range of the scale `across`."""
    grid: Spec = {"grid": True, "gridScale": across, "gridColor": GRID} if across else {}
    muted = {
        "domain": False,
        "tickColor": GRID,
        "tickSize": 4,
        "labelPadding": 4,
        "translate": 0,
    }
    text: Spec = {"labelColor": FAINT, "labelFontSize": FONT}
    text["labelLimit"] = 0  # without a limit nothing is measured, which takes half the time
    return {"scale": name, "orient": "bottom", **grid, **muted, **text, **options}


def mark(kind: str, name: str, data: str | list[Spec], **channels: Spec) -> Spec:
    """Marks for data, its own or of a named source. A field `title` says each in words."""
    enter = {"description": {"signal": "datum.title || ''"}} | channels
    own: Spec = {"from": {"data": data}} if isinstance(data, str) else {"values": data}
    return {"type": kind, "name": name, "encode": {"enter": enter}, **own}


def rule(
    name: str,
    data: list[Spec],
    colour: str,
    width: float,
    dash: Sequence[float] = (),
    **channels: Spec,
) -> Spec:
    """Straight lines."""
    stroke = {"stroke": is_(colour), "strokeWidth": is_(width), "strokeDash": is_(list(dash))}
    return mark("rule", name, data, **stroke, **channels)


def trace(
    name: str, data: list[Spec], colour: str, dash: Sequence[float], **channels: Spec
) -> Spec:
    """One line through all points."""
    stroke = {"stroke": is_(colour), "strokeWidth": is_(1.8), "strokeDash": is_(list(dash))}
    return mark("line", name, data, **stroke, **channels)


def dots(name: str, data: list[Spec], colour: str, size: float, **channels: Spec) -> Spec:
    """A symbol at each point."""
    stroke = {"stroke": is_(colour), "strokeWidth": is_(1.8)}
    return mark("symbol", name, data, size=is_(size), **stroke, **channels)


def words(
    name: str, data: list[Spec], size: float, colour: str, align: str, **channels: Spec
) -> Spec:
    """The field `text` of the data."""
    font = {"fontSize": is_(size), "fill": is_(colour), "align": is_(align)}
    return mark("text", name, data, text=of("text"), **font, **channels)


def foot_note(bottom: float, text: str) -> Spec:
    """What the horizontal axis shows."""
    place = {"x": is_(WIDTH / 2), "y": is_(bottom + 38)}
    return words("foot", [{"text": text}], FONT, FAINT, "center", **place)


KEY_LINES: dict[str, tuple[float, list[float]]] = {
    "line": (2.4, []),
    "dots": (1.8, [1.5, 3.5]),
    "dashes": (1.6, [4, 3]),
}


def legend(keys: Sequence[tuple[str, str, str]]) -> list[Spec]:
    """What shapes and colours mean, in one row at the top: (shape, colour, words) of each."""
    marks: list[Spec] = []
    left = 0.0
    for shape, colour, text in keys:
        data: list[Spec] = [{"x": left, "x2": left + 20, "text": text}]
        start, end, y = of("x"), of("x2"), is_(10)
        middle = is_(left + 10)
        if shape == "block":
            marks.append(rule("key", data, colour, 11, x=start, x2=end, y=y))
        elif shape == "mark":
            path = is_(lozenge(0))
            marks.append(mark("path", "key", data, x=middle, y=y, path=path, fill=is_(colour)))
        elif shape in ("circle", "diamond"):
            bars, paint = ([], colour) if shape == "circle" else ([7, 3], PAPER)
            marks += [
                rule("key", data, colour, 1.8, bars, x=start, x2=end, y=y),
                dots(
                    "key", data, colour, 60, x=middle, y=y, shape=is_(shape), fill=is_(paint)
                ),
            ]
        else:
            width, dash = KEY_LINES[shape]
            marks.append(rule("key", data, colour, width, dash, x=start, x2=end, y=y))
        marks.append(words("key", data, FONT, TEXT, "left", x=is_(left + 26), y=is_(10)))
        left += 26 + 0.54 * FONT * len(text) + 14
    for index, one in enumerate(marks):
        one["name"] += str(index)  # Vega wants each name once; `shapes_of` takes it off again
    return marks


# --- From a specification to what goes onto a page ---------------------------------------------


def svg(spec: Spec, title: str, description: str) -> str:
    """Draw a specification, and slim what Vega makes of it.

    Args:
        spec: A Vega specification, in which a mark may have `values` of its own.
        title: What is drawn, as the picture's name.
        description: What is seen, for those who can't see it.
    """
    import vl_convert  # starts a JavaScript engine: only when there is something to draw

    data = list(spec.get("data", []))
    for index, one in enumerate(spec["marks"]):
        if "values" in one:
            data.append({"name": f"data{index}", "values": one.pop("values")})
            one["from"] = {"data": f"data{index}"}
    whole = {"width": WIDTH, "padding": 0, "autosize": "none", **spec, "data": data}
    drawn = ET.fromstring(vl_convert.vega_to_svg(whole))
    key = hashlib.sha256(json.dumps([whole, title, description]).encode()).hexdigest()[:8]
    height = spec["height"] + 44
    return (
        f'<svg class="bp-picture" viewBox="0 0 {WIDTH} {height:g}" width="100%" fill="none" role="img" '
        f'aria-labelledby="bp-{key}-title bp-{key}-desc" data-search-exclude>'
        f'<title id="bp-{key}-title">{html.escape(title, quote=False)}</title>'
        f'<desc id="bp-{key}-desc">{html.escape(description, quote=False)}</desc>'
        f"{''.join(slim(drawn))}</svg>"
    )


@dataclass(frozen=True)
class Shape:
    """One element of a drawing."""

    group: str
    tag: str
    path: str  # its outline, when that is all there is to say about its place
    place: str  # the attributes that say where it is
    look: tuple[tuple[str, str], ...]  # and those that say how it looks
    inside: str  # its title and text


CENTRED = ("name", "cost", "key")  # words whose middle is at their place, in whatever size
LOOK = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "text-anchor")


def slim(drawn: ET.Element) -> Iterator[str]:
    """A drawing without what a page doesn't need: each group's look once, and short numbers.

    Outlines that look alike and have no title become one path.
    """
    for group, members in itertools.groupby(shapes_of(drawn, 0, 0, ""), lambda one: one.group):
        shapes = list(members)
        common = [one for one in shapes[0].look if all(one in shape.look for shape in shapes)]
        yield f'<g class="bp-{group}"{attributes(common)}>'
        for (tag, look, alike), several in itertools.groupby(
            shapes, lambda one: (one.tag, one.look, bool(one.path) and not one.inside)
        ):
            own = attributes([one for one in look if one not in common])
            if alike:
                yield f'<path d="{"".join(shape.path for shape in several)}"{own}/>'
                continue
            for shape in several:
                end = f">{shape.inside}</{tag}>" if shape.inside else "/>"
                yield f"<{tag}{shape.place}{own}{end}"
        yield "</g>"


def shapes_of(node: ET.Element, x: float, y: float, group: str) -> Iterator[Shape]:
    """Every shape below a node of Vega's drawing that can be seen, in its place."""
    for child in node:
        tag = child.tag.rpartition("}")[2]
        moved = re.match(r"translate\(([^,]+),([^)]+)\)", child.get("transform", ""))
        dx, dy = (x + float(moved[1]), y + float(moved[2])) if moved else (x, y)
        kind = re.match(r"mark-(?!group)\w+ role-(\S+)(?: (\S+))?", child.get("class", ""))
        if tag == "g":
            name = (kind[2] or kind[1]).rstrip("0123456789") if kind else group
            yield from shapes_of(child, dx, dy, name)
        elif group and (shape := shape_of(child, tag, dx, dy, group)):
            yield shape


def shape_of(item: ET.Element, tag: str, x: float, y: float, group: str) -> Shape | None:
    """One shape of Vega's drawing at its place, or None when there is nothing to see."""
    text = html.escape(item.text or "", quote=False)
    title = html.escape(item.get("aria-label", ""), quote=False).replace("\n", "&#10;")
    path = ""
    if tag == "text":
        place = f' x="{number(x)}" y="{number(y)}"'
        place += ' dy=".35em"' if group in CENTRED else ""
    else:
        if tag == "line":
            end_x, end_y = x + float(item.get("x2", 0)), y + float(item.get("y2", 0))
            path = outline(f"M{x},{y}L{end_x},{end_y}")
            x, y = 0, 0
        else:
            path = outline(item.get("d", ""))
        if not re.search("[A-Z].*[A-Z]", path.removesuffix("Z")):
            return None
        place = f' d="{path}"'
        if (x, y) != (0, 0):
            place += f' transform="translate({number(x)},{number(y)})"'
            path = ""
    look = tuple((name, item.attrib[name]) for name in LOOK if item.get(name))
    inside = (f"<title>{title}</title>" if title else "") + text
    return Shape(group, "text" if tag == "text" else "path", path, place, look, inside)


def attributes(pairs: Sequence[tuple[str, str]]) -> str:
    """Attributes, as they are written in a tag."""
    return "".join(f' {name}="{html.escape(text)}"' for name, text in pairs)


def number(amount: float) -> str:
    """A number with one digit after the point, or none."""
    return f"{round(amount, 1) + 0:.1f}".removesuffix(".0")


def outline(path: str) -> str:
    """A path in short numbers, with H and V for lines along the axes."""
    path = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: number(float(found[0])), path)
    if not re.fullmatch(r"[ML\d.,\-]+Z?", path):
        return path
    short, before, last = "", ("", ""), ""
    for command, x, y in re.findall(r"([ML])([^,]+),([^MLZ]+)", path):
        if command == "M":
            short, last = f"{short}M{x},{y}", "M"
        elif (x, y) == before:
            continue
        elif y == before[1]:
            short = (short[: short.rindex("H")] if last == "H" else short) + f"H{x}"
            last = "H"
        elif x == before[0]:
            short = (short[: short.rindex("V")] if last == "V" else short) + f"V{y}"
            last = "V"
        else:
            short, last = f"{short}L{x},{y}", "L"
        before = (x, y)
    return short + ("Z" if path.endswith("Z") else "")
