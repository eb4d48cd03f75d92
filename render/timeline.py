"""Draws a run as a timeline: a row for each process, and what it printed."""

import itertools
import math
import re
import signal
from collections.abc import Iterator, Sequence

from recorder.recording import Line, Process, Recording
from render import chart

PITCH = 24  # from one lane to the next, when there are few
HEIGHT = 330  # of all lanes, when there are many
# With these limits a timeline stays below 15 kB:
LANES = 102  # a parent, 100 workers and the resource tracker
BLOCKS = 160  # times for which the share of a core is drawn
MARKS = 40  # for lines of output
LETTERS = 1000  # of all tooltips together

ENDS = {  # how a process ended: shape, colour, and what the legend says
    "well": ("circle", chart.WAIT, "exit status 0"),
    "badly": ("cross", chart.PIPE, "failed or killed"),
    "stopped": ("box", chart.WAIT, "ended by the recorder"),
    "unseen": ("tick", chart.WAIT, "end"),
}


def timeline(recording: Recording) -> str:
    """Draw when each process ran on a core, when it waited, how it ended, and when output came."""
    order = {"parent": 0, "worker": 1, "helper": 2}
    processes = sorted(recording.processes, key=lambda p: (order[p.role], p.started))
    lanes, names = processes[:LANES], names_of(recording)
    pitch = min(PITCH, HEIGHT // max(len(lanes), 1))
    roomy = pitch >= 14
    every = math.ceil((chart.FONT + 2) / pitch)  # where lanes are dense, some have no name
    shown = [names[p.pid] for p in lanes[::every]]
    left = 12 + chart.LETTER * max(map(len, ["output", *shown]))
    ends = [end_of(p, recording) for p in lanes]
    kinds = {kind for kind, _ in ends if roomy or kind == "badly"}
    keys = [("bar", chart.RUN, "ran"), ("line", chart.WAIT, "waited")]
    keys += [("tick", chart.TEXT, "output"), *(ENDS[kind] for kind in ENDS if kind in kinds)]
    legend, top = chart.legend(keys, left)
    x = chart.Scale(0, max(recording.wall, 0.001))
    floors = [top + pitch * number for number, _ in enumerate(lanes, 1)]
    rows = list(zip(lanes, floors, ends, strict=True))
    lives = [chart.box(x(p.started), x(p.ended), y, 1 + roomy) for p, y, _ in rows]
    dense = [row for row in rows if row[2][0] == "badly" and not roomy]
    failed = [chart.box(x(p.ended) - 0.6, x(p.ended) + 0.6, y - 1, 3) for p, y, _ in dense]
    blocks = []
    for lane, start, end, share in cpu_blocks(lanes, x.high):
        rise = max(0.7 * share * pitch, 1)
        blocks.append(chart.box(x(start), x(end), floors[lane] - rise, rise))
    output = top + pitch * len(lanes) + 14
    middles = [*(y - min(6, pitch / 2) for y in floors[::every]), output]
    named = zip(middles, [*shown, "output"], strict=True)
    ticks = x.ticks(chart.NARROW - left - chart.RIGHT, lambda tick: 8 * len(f"{tick:g}") + 12)
    notes = axis_notes(recording, len(processes))
    parts = [
        legend,
        *chart.x_axis(x, ticks, "{:g}".format, top, output + 10),
        chart.path("life", lives, fill=chart.WAIT),
        chart.path("ran", blocks, fill=chart.RUN),
        chart.path("failed", failed, fill=chart.PIPE),
        *(end_marks(x, rows) if roomy else ()),
        chart.markers("line", chart.TEXT, output_marks(recording, x, output)),
        *(places(x, rows) if roomy else ()),
        chart.group("name", (chart.text(0, *one, -12) for one in named), text_anchor="end"),
        chart.notes(notes, output + 38, left),
    ]
    height = output + 30 + chart.LINE * len(notes)
    title, words = f"Timeline of {recording.command}", summary(recording, processes)
    return chart.picture(title, words, height, (left, chart.RIGHT), parts)


Row = tuple[Process, float, tuple[str, str]]  # its lower edge, and how it ended


def end_of(process: Process, recording: Recording) -> tuple[str, str]:
    """How a process ended: a key of ENDS, and words."""
    status = process.exit
    last = process.stack or process.ended >= recording.wall
    if recording.ended != "exit" and last:
        return "stopped", "ended by the recorder"
    if status is None and process.role == "parent":
        status = recording.status
    if status is None:
        return "unseen", "end"
    if status < 0:
        known = {number.value: number.name for number in signal.Signals}
        return "badly", f"killed by {known.get(-status, f'signal {-status}')}"
    return ("badly" if status else "well"), f"exit status {status}"


def end_marks(x: chart.Scale, rows: Sequence[Row]) -> Iterator[str]:
    """A mark where each process ended, a group for each kind of end."""
    for kind, (shape, colour, _) in ENDS.items():
        marks = (
            chart.marker(shape, x(p.ended), y, f"{clock(p.ended)}: {words}")
            for p, y, (one, words) in rows
            if one == kind
        )
        yield chart.markers(f"end-{kind}", colour, marks)


def places(x: chart.Scale, rows: Sequence[Row]) -> Iterator[str]:
    """Where each process was stuck, or how it failed, on the side of its end that has more room."""
    halo = {"paint_order": "stroke", "stroke": chart.PAPER, "stroke_width": "4"}
    for anchor, shift in (("start", 10), ("end", -10)):
        texts = (
            chart.text(x(p.ended), y - 9, words, shift)
            for p, y, (kind, how) in rows
            if (words := blocked_at(p) if p.stack else how * (kind == "badly"))
            and (x(p.ended) < 45) == (shift > 0)
        )
        yield chart.group("place", texts, text_anchor=anchor, **halo)


def output_marks(recording: Recording, x: chart.Scale, y: float) -> Iterator[str]:
    """A mark for each line of output, or for lines that came together, with what they say."""
    by_time = itertools.groupby(recording.lines, lambda line: int(MARKS * line.at / x.high))
    groups = [list(lines) for _, lines in by_time]
    for lines in groups:
        at = min(lines[0].at, x.high)
        yield chart.marker("tick", x(at), y, tooltip(lines, LETTERS // len(groups)))


def axis_notes(recording: Recording, processes: int) -> list[str]:
    """What stands below the axis."""
    found = [f"seconds; full height: one core of {recording.machine.cores}"]
    if recording.ended != "exit":
        why = "it hung" if recording.hung else "its timeout came"
        found.append(f"{why}, ended after {clock(recording.wall)}")
    if processes > LANES:
        found.append(f"{processes - LANES} more processes not drawn")
    return found


def names_of(recording: Recording) -> dict[int, str]:
    """Each process's name: as the output says it, or else its role and process ID."""
    told = re.findall(r"Process ID: (\d+), name: ([^,\n]{1,18})", recording.output)
    usual = {process.pid: f"{process.role} {process.pid}" for process in recording.processes}
    return usual | {int(pid): name for pid, name in told}


def cpu_blocks(lanes: Sequence[Process], wall: float) -> list[tuple[int, float, float, float]]:
    """The share of a core that each process had while it ran: (lane, from, to, share)."""
    apart = max(0.04, wall / 150)  # the system counts CPU time in steps of 0.01 s
    while True:
        found = [
            (n, *block) for n, p in enumerate(lanes) for block in busy_intervals(p, apart)
        ]
        if len(found) <= BLOCKS:
            return found
        apart *= 1.3  # in the end one share is all there is of a process, and few enough


def busy_intervals(process: Process, apart: float) -> Iterator[tuple[float, float, float]]:
    """When a process ran, and how much: (from, to, share of a core).

    A share is known between two samples, here at least `apart` seconds from each other. The last
    one is taken to hold until the end.
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


def tooltip(lines: Sequence[Line], letters: int) -> str:
    """The lines of output, each with its time, cut after so many letters."""
    words = "\n".join(f"{clock(line.at)}: {line.text}" for line in lines)
    return words if len(words) <= letters else f"{words[:letters]}…"


def blocked_at(process: Process) -> str:
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
    names = names_of(recording)
    words = "; ".join([clock(recording.wall), *axis_notes(recording, 0)]) + "."
    for p in processes[:8]:
        cpu = clock(p.samples[-1][1] if p.samples else 0)
        words += f" {names[p.pid]}: {clock(p.started)} to {clock(p.ended)}, ran for {cpu}, "
        words += f"{blocked_at(p) if p.stack else end_of(p, recording)[1]}."
    if len(processes) > 8:
        words += f" {len(processes) - 8} more processes."
    return f"{words} Output: {tooltip(recording.lines, LETTERS // 2) or 'none'}."


def clock(seconds: float) -> str:
    """A time in words."""
    return f"{seconds:.3f} s"
