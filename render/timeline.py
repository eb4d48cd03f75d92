"""Draws a run as a timeline: a row for each process and each thread that matters, why it waits, and how full each pipe is."""

import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from recorder.recording import Line, Pipe, Process, Recording, Thread
from render import chart
from render.story import (
    AT_ITS_END,
    Story,
    ctrl_c_at,
    how_it_ended,
    is_feeder,
    names_of,
    place_of,
)

PITCH = 24  # from one lane to the next, when there are few
HEIGHT = 330  # of all lanes, when there are many
WORDS = 16  # for a line of words above a lane
ROOMY = 14  # from one lane to the next: room for words
FEW = 12  # processes; of more, neither threads nor words are drawn
# With these limits a timeline stays below 15 kB:
LANES = 102  # a parent, 100 workers and the resource tracker
BLOCKS = 120  # times for which the share of a core is drawn
SPANS = 120  # times of waiting
STEPS = 50  # changes in a pipe
MARKS = 30  # for lines of output
LETTERS = 800  # of all tooltips together
LONGEST = 39  # letters of words above a lane
EVER = 0.15  # of the axis, after the end of a hang that is proven

ENDS = {  # how a process ended: shape, colour, and what the legend says
    "well": ("circle", chart.WAIT, "exit status 0"),
    "badly": ("cross", chart.PIPE, "failed or killed"),
    "stopped": ("box", chart.WAIT, "ended by the recorder"),
    "unseen": ("tick", chart.WAIT, "end"),
}


@dataclass(frozen=True)
class Look:
    """How waiting for something is drawn: so that it can be told without colours, too."""

    words: str
    colour: str
    width: int
    shape: str
    dashes: str = ""


REASONS = {
    "end": Look("waits for a process or thread", chart.WAIT, 4, "strip"),
    "data": Look("waits for data", chart.DATA, 2, "line"),
    "room": Look("waits for room", chart.PIPE, 7, "band"),
    "semaphore": Look("waits for a semaphore", chart.LOCK, 4, "dashes", "5 2"),
    "sleeps": Look("sleeps", chart.WAIT, 2, "dots", "2 4"),
}
RUNS = "runs"
Key = tuple[str, str, str]  # a shape, a colour, and what they mean
SAME = {"own": "end"}  # what is drawn as something else is
Span = tuple[float, float, str]  # from, to, and what a thread did


@dataclass
class Lane:
    """A row: a process with its main thread, or another thread of it.

    Attributes:
        end: How the process ended: a key of ENDS, and words.
        words: What stands above it.
        floor: Its lower edge, in pixels.
        raised: How much higher the words at its end stand, so as not to lie on its bars.
    """

    name: str
    process: Process
    thread: Thread | None
    end: tuple[str, str]
    words: str = ""
    floor: float = 0
    raised: float = 0

    @property
    def is_process(self) -> bool:
        """Whether it stands for the process, and not only for a thread of it."""
        return self.thread is None or self.thread.tid == self.process.pid


class Plan:
    """What a timeline shows: its rows, its axis, when each process ran, and when each thread waited for what."""

    def __init__(
        self,
        recording: Recording,
        until: float,
        since: float = 0,
        feeders: Collection[str] = (),
    ) -> None:
        order = {"parent": 0, "worker": 1, "helper": 2}
        self.recording = recording
        self.processes = sorted(recording.processes, key=lambda p: (order[p.role], p.started))
        shown = [p for p in self.processes if p.ended >= since][:LANES]
        self.lanes = lanes_of(recording, shown, feeders)
        self.mains = [lane for lane in self.lanes if lane.is_process]
        many = len(self.lanes) > FEW
        self.pitch = min(PITCH, HEIGHT // len(self.lanes)) if many else PITCH
        self.roomy = self.pitch >= ROOMY
        self.every = math.ceil((chart.FONT + 2) / self.pitch)  # where dense, some have no name
        names = ["output", *(lane.name for lane in self.lanes[:: self.every])]
        self.left = 12 + chart.LETTER * max(map(len, names))
        self.x = chart.Scale(since, max(reach(recording, since), until, since + 0.001))
        self.blocks = cpu_blocks(self.mains, self.x)
        pressed = ctrl_c_at(recording)
        self.pressed = None if pressed is None or pressed < since else pressed
        self.spans = waiting_spans(self.lanes, self.x) if self.roomy else {}

    def legend(self, beside: bool = False) -> list[Key]:
        """What is to be explained: no more than what is there, and no words or picture beside it say."""
        ends = {lane.end[0] for lane in self.lanes}
        found = [("bar", chart.RUN, "ran")]
        found += [
            (look.shape, look.colour, look.words)
            for kind, look in REASONS.items()
            if kind in self.spans
        ]
        found += [] if self.spans or beside else [("line", chart.WAIT, "waited")]
        told = ends & {"stopped" if self.roomy else "badly"}
        return [*found, ("tick", chart.TEXT, "output"), *(ENDS[kind] for kind in told)]

    def heights(self) -> list[float]:
        """What each lane needs above it for words."""
        if len(self.lanes) <= FEW:
            self.raise_words()
        return [max(WORDS * bool(lane.words), lane.raised) for lane in self.lanes]

    def place(self, top: float, heights: Sequence[float] = ()) -> float:
        """Place the lanes below a height, each with its own or so much above it; return where they end."""
        top += 0 if self.pressed is None else WORDS
        own = self.heights()
        for lane, above in zip(self.lanes, heights or own, strict=False):
            top += self.pitch + above
            lane.floor = top
        return top

    def raise_words(self) -> None:
        """Find out how high the bars below the words at the ends of lanes are."""
        tops = [(lane, end, 0.7 * share * PITCH) for lane, _, end, share in self.blocks]
        tops += [
            (lane, end, REASONS[kind].width - 2)
            for kind, found in self.spans.items()
            for lane, _, end in found
            if kind in REASONS and lane.is_process
        ]
        for lane, end, height in tops:
            kind, how = lane.end
            wide = 100 * (chart.LETTER * len(how) + 10) / (chart.NARROW - self.left)
            below = self.x(end) > self.x(lane.process.ended) - wide
            if kind in ("well", "badly") and below and not self.has_room(lane):
                lane.raised = max(lane.raised, height)

    def has_room(self, lane: Lane) -> bool:
        """Whether the words at the end of a lane have room on its right, on a narrow page."""
        right = (100 - self.x(lane.process.ended)) / 100 * (chart.NARROW - self.left)
        return right > chart.LETTER * len(lane.end[1])

    def bars(self) -> Iterator[str]:
        """A line for each life, blocks for when it ran; and marks for failures where lanes are dense."""
        lives, failed, x, pitch = [], [], self.x, self.pitch
        blocks = [
            chart.box(x(a), x(b), lane.floor - 0.4 * pitch, 0.4 * pitch)
            for lane, a, b in self.spans.get(RUNS, ())
        ]
        for lane in self.lanes:
            started, ended = lane.process.started, lane.process.ended
            if not lane.is_process and lane.thread:
                started = lane.thread.samples[0][0] if lane.thread.samples else ended
                ended = min(ended, gone(lane.thread))
            lives.append(
                chart.box(x(max(started, x.low)), x(ended), lane.floor, 1 + self.roomy)
            )
            if not self.roomy and lane.end[0] == "badly":
                failed.append(chart.box(x(ended) - 0.6, x(ended) + 0.6, lane.floor - 1, 3))
        for lane, start, end, share in self.blocks:
            rise = max(0.7 * share * pitch, 1)
            blocks.append(chart.box(x(start), x(end), lane.floor - rise, rise))
        yield chart.path("life", lives, fill=chart.WAIT)
        yield chart.path("ran", blocks, fill=chart.RUN)
        yield chart.path("failed", failed, fill=chart.PIPE)

    def waits(self) -> Iterator[str]:
        """The times for which threads waited, a path for each reason; a proven hang goes on to the end."""
        x, wall = self.x, self.recording.wall
        goes_on = self.recording.evidence == "kernel" and wall < x.high
        for kind, look in REASONS.items():
            found = self.spans.get(kind, [])
            more = {"stroke_dasharray": look.dashes} if look.dashes else {}
            lines = [
                chart.level(x(start), x(end), lane.floor + 1 - look.width / 2)
                for lane, start, end in found
            ]
            rest = [
                chart.level(x(wall), 100, lane.floor - 1)
                for lane, _, end in found
                if goes_on and end >= wall
            ]
            width = str(look.width)
            yield chart.stroke(f"waits-{kind}", lines, look.colour, stroke_width=width, **more)
            yield chart.stroke(f"ever-{kind}", rest, look.colour, stroke_dasharray="2 4")

    def ends(self) -> Iterator[str]:
        """A mark where each process ended, and how, on the right of its end where there is room."""
        for kind, (shape, colour, _) in ENDS.items():
            marks = [
                chart.marker(shape, self.x(at), lane.floor, f"{clock(at)}: {lane.end[1]}")
                for lane in self.mains
                if lane.end[0] == kind
                for at in [lane.process.ended]
            ]
            yield chart.markers(f"end-{kind}", colour, marks)
        texts: dict[str, list[str]] = {"start": [], "end": []}
        for lane in self.mains:
            kind, how = lane.end
            if kind == "badly" or (kind == "well" and len(self.mains) <= FEW):
                right = self.has_room(lane)
                side, dx = ("start", 10) if right else ("end", 4 if lane.raised else -10)
                height = lane.floor - 9 - lane.raised
                texts[side].append(chart.text(self.x(lane.process.ended), height, how, dx))
        for anchor, found in texts.items():
            yield chart.group("place", found, text_anchor=anchor, **chart.HALO)

    def press(self, top: float, bottom: float) -> list[str]:
        """A line where Ctrl-C came, as the output shows it."""
        if self.pressed is None:
            return []
        x = self.x(min(self.pressed, self.x.high))
        anchor = "end" if x > 90 else "middle"
        word = chart.text(x, top + 8, "Ctrl-C", 4 * (x > 90))
        return [
            chart.stroke("press", [chart.line((x, top + WORDS), (x, bottom))], chart.TEXT),
            chart.group("press-name", [word], text_anchor=anchor),
        ]

    def words(self) -> str:
        """Where threads were stuck, above their lanes."""
        found = (
            chart.text(100, lane.floor - 27, lane.words) for lane in self.lanes if lane.words
        )
        return chart.group("words", found, text_anchor="end", **chart.HALO)


def shared_legend(recordings: Collection[Recording], until: float) -> str:
    """One legend, as HTML, for the timelines of several runs."""
    plans = [Plan(recording, until) for recording in recordings]
    waits = any(plan.spans for plan in plans)
    keys = [key for plan in plans for key in plan.legend(waits)]
    order = ["ran", *(look.words for look in REASONS.values())]
    known = sorted(dict.fromkeys(keys), key=lambda key: [*order, key[2]].index(key[2]))
    shown = [
        f"<span>{chart.icon(shape, colour)}{words}</span>" for shape, colour, words in known
    ]
    if any(process.role == "helper" for each in recordings for process in each.processes):
        shown += ["<span>helper: a process of Python's own</span>"]
    return f'<p class="keys" data-search-exclude>{"".join(shown)}</p>'


def shared_heights(
    recordings: Collection[Recording], until: float, feeders: Collection[str]
) -> list[float]:
    """What the lanes of timelines beside each other need above them, so that they are level."""
    needed = (Plan(one, until, feeders=feeders).heights() for one in recordings)
    return [max(lane) for lane in itertools.zip_longest(*needed, fillvalue=0)]


def reach(recording: Recording, since: float = 0) -> float:
    """Up to when an axis must go: where a hang is proven, so far that one sees it go on."""
    ever = EVER if recording.evidence == "kernel" and recording.hung else 0
    return since + (recording.wall - since) / (1 - ever)


def feeders_of(recordings: Iterable[Recording]) -> set[str]:
    """The roles of the processes that are known to have the feeder thread of a queue."""
    return {
        process.role
        for recording in recordings
        for process in recording.processes
        if any(map(is_feeder, process.threads))
    }


def timeline(
    recording: Recording,
    until: float = 0,
    since: float = 0,
    legend: bool = True,
    feeders: Collection[str] = (),
    heights: Sequence[float] = (),
) -> str:
    """Draw when each process ran on a core, why it waited, how it ended, and when output came.

    Args:
        recording: The run.
        until: The seconds at which the axis ends at the earliest: as in another picture.
        since: The seconds at which it begins.
        legend: Whether it says itself what its colours mean.
        feeders: The roles of processes whose other thread is a feeder, as another run has proven.
        heights: What each lane has above it, so that it is level with that of another picture.
    """
    plan = Plan(recording, until, since, feeders)
    x, left = plan.x, plan.left
    explained, top = chart.legend(plan.legend(), left) if legend else ("", 8.0)
    bottom = plan.place(top, heights)
    parts = [*plan.bars(), *plan.waits(), *(plan.ends() if plan.roomy else ()), plan.words()]
    parts += plan.press(top, bottom + 2)
    above = min(6, plan.pitch / 2)  # the lower edge, to the middle of the name
    named = [(lane.floor - above, lane.name) for lane in plan.lanes[:: plan.every]]
    pipes = [pipe for pipe in recording.pipes if is_telling(pipe)][:2] if plan.roomy else []
    for number, pipe in enumerate(pipes, 1):
        parts += filled(pipe, bottom, x, recording.wall)
        named.append((bottom + 35, "pipe" if len(pipes) == 1 else f"pipe {number}"))
        bottom += 56
    output = bottom + 14
    named.append((output, "output"))
    ticks = x.ticks(chart.NARROW - left - chart.RIGHT, lambda tick: 8 * len(f"{tick:g}") + 12)
    notes = axis_notes(recording, len(plan.processes))
    parts = [
        explained,
        *chart.x_axis(x, ticks, "{:g}".format, top, output + 10),
        *parts,
        chart.markers("line", chart.TEXT, output_marks(recording, x, output)),
        chart.group("name", (chart.text(0, *one, -12) for one in named), text_anchor="end"),
        chart.notes(notes, output + 38, left),
    ]
    height = output + 30 + chart.LINE * len(notes)
    title, words = f"Timeline of {recording.command}", summary(recording, plan.processes)
    return chart.picture(title, words, height, (left, chart.RIGHT), parts)


def ending(recording: Recording) -> str:
    """Draw the end of a run large: its last tenth of a second, and from the first worker's end on.

    But no more than the last fifth of it.
    """
    ends = [p.ended for p in recording.processes if p.role == "worker"]
    wall = recording.wall
    since = min(wall - 0.1, min(ends, default=wall) - 0.03)
    return timeline(recording, since=max(0.8 * wall, since))


def lanes_of(
    recording: Recording, processes: Sequence[Process], feeders: Collection[str] = ()
) -> list[Lane]:
    """The rows: each process, and below it those of its threads that matter."""
    names, story = lane_names(recording), Story(recording)
    few, found = len(processes) <= FEW, []
    telling = {*story.chain, *story.beside_forks()}
    for process in processes:
        main = next((one for one in process.threads if one.tid == process.pid), None)
        stuck = few and recording.hung and process.stack
        words = words_of(story, process, main) if stuck else ""
        end = end_of(process, recording)
        found.append(Lane(names[process.pid], process, main, end, words))
        for thread in process.threads if few else ():
            writes = any(kind == "room" for _, kind in thread.samples)
            if thread is not main and (writes or thread.tid in telling):
                words = words_of(story, process, thread) if recording.hung else ""
                known = is_feeder(thread) or (writes and process.role in feeders)
                name = "its feeder" if known else "its thread"
                found.append(Lane(name, process, thread, end, words))
    return found


def gone(thread: Thread) -> float:
    """When a thread was found to have ended."""
    at, kind = thread.samples[-1] if thread.samples else (0.0, "")
    return math.inf if kind else at


def lane_names(recording: Recording) -> dict[int, str]:
    """Each process's name: as the output says it, or else its role, and its number."""
    told = re.findall(r"Process ID: (\d+), name: ([^,\n]{1,18})", recording.output)
    usual = {pid: name.removeprefix("the ") for pid, name in names_of(recording).items()}
    return usual | {int(pid): name for pid, name in told}


def words_of(story: Story, process: Process, thread: Thread | None) -> str:
    """Where a thread was stuck, and what it waited for, in few words."""
    if thread is None:
        return "stuck"
    called, line, _ = place_of(thread)
    own = called * bool(line and not called.startswith("_"))  # else it is the library's word
    place = ", ".join(filter(None, (own, f"line {line}" * bool(line))))
    at_its_end = called == f"{AT_ITS_END}()"
    if not thread.waits:
        stuck = "stuck" * (thread.tid == process.pid)
        where = f"stuck {'in' if own else 'at'} {place}" if place else stuck
        return f"{stuck} at its end".strip() if at_its_end else where
    place = "at its end" if at_its_end else place
    what = f"waits {story.briefly(process, thread)}"
    for start in (f"{place}: ", f"line {line}: " if line else ""):
        if place and len(start + what) <= LONGEST:
            return start + what
    return what[:LONGEST]


def spans_of(thread: Thread, process: Process, x: chart.Scale, apart: float = 0) -> list[Span]:
    """What a thread did, and when: (from, to, what), as far as it is on the axis."""
    found: list[Span] = []
    ends = [*(at for at, _ in thread.samples[1:]), process.ended]
    for (start, kind), end in zip(thread.samples, ends, strict=False):
        kind = SAME.get(kind, kind)
        start, end = max(start, x.low), min(end, process.ended, x.high)
        if found and (end - start < apart or found[-1][2] == kind):
            found[-1] = (found[-1][0], end, found[-1][2])
        elif end > start:
            found.append((start, end, kind))
    return found


def waiting_spans(
    lanes: Sequence[Lane], x: chart.Scale
) -> dict[str, list[tuple[Lane, float, float]]]:
    """When a thread waited for each reason, or ran beside the main thread: (lane, from, to)."""
    apart = 0.0
    while True:
        found: dict[str, list[tuple[Lane, float, float]]] = {kind: [] for kind in REASONS}
        for lane in lanes:
            spans = spans_of(lane.thread, lane.process, x, apart) if lane.thread else []
            for start, end, kind in spans:
                if kind in REASONS or (kind == RUNS and not lane.is_process):
                    found.setdefault(kind, []).append((lane, start, end))
        if sum(map(len, found.values())) <= SPANS:
            return {kind: spans for kind, spans in found.items() if spans}
        apart = max(1.3 * apart, (x.high - x.low) / 300)


def is_telling(pipe: Pipe) -> bool:
    """Whether it is known of a pipe that it was ever so full that it is worth a place."""
    return 0 < pipe.capacity <= 4 * max(held for _, held in pipe.samples)


def filled(pipe: Pipe, top: float, x: chart.Scale, wall: float) -> list[str]:
    """How full a pipe was: an area, under the line of its capacity."""
    floor, rise = top + 50, 30
    before = [held for at, held in pipe.samples if at <= x.low][-1:]
    steps = [(x.low, held) for held in before] + [
        one for one in pipe.samples if one[0] > x.low
    ]
    steps = [*steps[:: len(steps) // STEPS + 1], *steps[-1:]]
    outline = ""
    for at, held in steps:
        height = floor - rise * min(max(held, 0) / pipe.capacity, 1)
        place = chart.short(10 * x(at))
        outline += f"H{place}" if outline else f"M{place} {chart.short(floor)}"
        outline += f"V{chart.short(height)}"
    outline += f"H{chart.short(10 * x(wall))}V{chart.short(floor)}z" if outline else ""
    capacity = chart.level(0, 100, floor - rise)
    full = chart.text(100, top + 10, f"full: {pipe.capacity:,} bytes")
    return [
        chart.path("filled", [outline], fill=chart.PIPE, fill_opacity="0.45"),
        chart.stroke("capacity", [capacity], chart.PIPE, stroke_dasharray="4 3"),
        chart.stroke("empty", [chart.level(0, 100, floor)], chart.GRID),
        chart.group("full", [full], text_anchor="end", fill=chart.FAINT),
    ]


def end_of(process: Process, recording: Recording) -> tuple[str, str]:
    """How a process ended: a key of ENDS, and words."""
    how = how_it_ended(process, recording)
    kinds = {"": "unseen", "exit 0": "well", "ended by the recorder": "stopped"}
    return kinds.get(how, "badly"), how or "end"


def output_marks(recording: Recording, x: chart.Scale, y: float) -> Iterator[str]:
    """A mark for each line of output, or for lines that came together, with what they say."""
    seen = [line for line in recording.lines if line.at >= x.low]
    width = x.high - x.low
    by_time = itertools.groupby(seen, lambda line: int(MARKS * (line.at - x.low) / width))
    groups = [list(lines) for _, lines in by_time]
    for lines in groups:
        at = min(lines[0].at, x.high)
        yield chart.marker("tick", x(at), y, tooltip(lines, LETTERS // len(groups)))


def axis_notes(recording: Recording, processes: int) -> list[str]:
    """What stands below the axis."""
    found = [f"seconds; full height: one core of {recording.machine.cores}"]
    if recording.ended != "exit":
        hung, late = "it hung; the recorder ended it at", "its timeout came, ended after"
        found.append(f"{hung if recording.hung else late} {clock(recording.wall)}")
    if processes > LANES:
        found.append(f"{processes - LANES} more processes not drawn")
    return found


def cpu_blocks(
    lanes: Sequence[Lane], x: chart.Scale
) -> list[tuple[Lane, float, float, float]]:
    """The share of a core that each process had while it ran: (lane, from, to, share)."""
    apart = max(0.04, x.high / 150)  # the system counts CPU time in steps of 0.01 s
    while True:
        found = [
            (lane, max(start, x.low), end, share)
            for lane in lanes
            for start, end, share in busy_intervals(lane.process, apart)
            if end > x.low
        ]
        if len(found) <= BLOCKS:
            return [(lane, *trimmed(lane, x, *block)) for lane, *block in found]
        apart *= 1.3  # in the end one share is all there is of a process, and few enough


def trimmed(
    lane: Lane, x: chart.Scale, start: float, end: float, share: float
) -> tuple[float, float, float]:
    """A block without that part at its beginning or end for which the thread is known to wait."""
    cpu = share * (end - start)
    for a, b, kind in spans_of(lane.thread, lane.process, x) if lane.thread else ():
        if kind in REASONS and start < a < end <= b:
            end = a
        elif kind in REASONS and a <= start < b < end:
            start = b
    return start, end, min(cpu / max(end - start, 0.001), 1)


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


def summary(recording: Recording, processes: Sequence[Process]) -> str:
    """A timeline in words."""
    names = lane_names(recording)
    words = "; ".join([clock(recording.wall), *axis_notes(recording, 0)]) + "."
    axis = chart.Scale(0, recording.wall)
    for p in processes[:8]:
        cpu = clock(p.samples[-1][1] if p.samples else 0)
        words += f" {names[p.pid]}: {clock(p.started)} to {clock(p.ended)}, ran for {cpu}, "
        waited: dict[str, float] = {}
        for thread in p.threads[:1]:
            for start, end, kind in spans_of(thread, p, axis):
                waited[kind] = waited.get(kind, 0) + end - start
        words += "".join(
            f"{look.words.replace('waits', 'waited').replace('sleeps', 'slept')} for {clock(waited[kind])}, "
            for kind, look in REASONS.items()
            if kind in waited
        )
        words += f"{end_of(p, recording)[1]}."
    if len(processes) > 8:
        words += f" {len(processes) - 8} more processes."
    for pipe in filter(is_telling, recording.pipes[:2]):
        most = max(held for _, held in pipe.samples)
        words += f" A pipe held up to {most:,} of {pipe.capacity:,} bytes."
    if (pressed := ctrl_c_at(recording)) is not None:
        words += f" Ctrl-C at {clock(pressed)}."
    if recording.hung:
        words += " " + " ".join(Story(recording).sentences()).replace("`", "")
    return f"{words} Output: {tooltip(recording.lines, LETTERS // 2) or 'none'}."


def clock(seconds: float) -> str:
    """A time in words."""
    return f"{seconds:.3f} s"
