"""Draws the messages of a traced run: when each was put, entered its channel, and was taken."""

import bisect
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recorder.recording import Call, Recording, TracedProcess
from recorder.trace import FIRST
from render import chart
from render.blocks import recording_of
from render.figures import figure

PROCESS, FEEDER = 46, 30  # pixels from the lane above to one of a process, of its feeder thread
GIVES, WAITS = ("put", "send"), ("get", "recv", "wait", "join")
SHORT = 2e-5  # seconds: pauses longer than this are drawn shorter than they are
EDGE = 4  # per cent at each side of the plot for what began before, and what goes on

Lane = tuple[int, int]  # a process ID, and the number of a thread


@dataclass(frozen=True)
class Message:
    """A message of a traced run.

    Attributes:
        sender: Who sent it: a feeder thread, where it went through a queue.
        sent: The call by which it entered its channel.
        put: The call of `put()` that handed it to the feeder thread.
        receiver: Who took it.
        taken: The call by which it was taken; None where none is known.
        mixed: Whether another one was sent into the same channel meanwhile.
    """

    sender: Lane
    sent: Call
    put: Call | None = None
    receiver: Lane | None = None
    taken: Call | None = None
    mixed: bool = False

    @property
    def began(self) -> float:
        """When it was put, or sent."""
        return (self.put or self.sent).began


def messages(name: str, first: int = 5, last: int = 3) -> str:
    """The messages of a traced run, with the first and the last of many.

    Args:
        name: The run's name in `runs.toml`, where it is said to be traced.
        first: How many of the first messages are drawn.
        last: How many of the last ones.
    """
    recording = recording_of(name)
    drawn = draw(recording, first, last)
    if not drawn:
        return ""
    machine = recording.machine
    caption = (
        "<strong>Each message.</strong> An arrow leaves where a message enters its channel, and ends where it is taken. "
        "Time runs to the right; long pauses are drawn short. "
    )
    traced = (
        f"From a run of its own that was traced: {machine.python}, start method <code>{recording.start_method}</code>. "
        "Tracing takes time, so no figure on this page comes from it."
    )
    return (
        f'<figure class="messages" data-search-exclude><figcaption>{caption}</figcaption>{drawn}'
        f'</figure><p class="recorded" data-search-exclude>{traced}</p>'
    )


def participants(recording: Recording) -> dict[int, TracedProcess]:
    """The parent and its workers, in the order of their starts; no fork server."""
    first = next((p.pid for p in recording.processes if p.role == "parent"), 0)
    traced = {process.pid: process for process in recording.traced}
    workers = [p for p in recording.traced if any(c.what == "run" for c in p.calls)]
    started = [c.size for p in recording.traced for c in p.calls if c.what == "start"]
    order = {pid: number for number, pid in enumerate([first, *started])}
    workers.sort(key=lambda p: (order.get(p.pid, len(order)), p.calls[0].began))
    return {pid: traced[pid] for pid in (first, *(p.pid for p in workers)) if pid in traced}


def names_of(processes: dict[int, TracedProcess]) -> dict[int, str]:
    """What each process is called: as the program does, or by its number."""
    found, number = {}, itertools.count(1)
    for at, (pid, process) in enumerate(processes.items()):
        plain = re.fullmatch(r"\w*Process-[\d:]+", process.name)
        name = "worker" if len(processes) == 2 else f"worker {next(number)}"
        found[pid] = "parent" if at == 0 else name if plain else process.name[:14]
    return found


def match_messages(processes: Iterable[TracedProcess]) -> list[Message]:
    """Each message that was sent, with the call that took it, in the order of their sending.

    What goes into a channel comes out in the same order. Where two senders wrote into one at a
    time, nobody knows what is whose: those messages and all later ones of the channel have no
    receiver.
    """
    processes = list(processes)
    cut = min((p.calls[FIRST - 1].began for p in processes if p.left_out), default=math.inf)
    peers: dict[int, int] = {}
    sent: dict[int, list[tuple[Lane, Call]]] = defaultdict(list)
    taken: dict[int, list[tuple[Lane, Call]]] = defaultdict(list)
    puts: dict[tuple[int, int], list[Call]] = defaultdict(list)
    for process in processes:
        for call in process.calls:
            lane = (process.pid, call.thread)
            if call.what == "pipe":
                peers |= {call.channel: call.size, call.size: call.channel}
            elif call.began > cut or call.failed:
                continue
            elif call.what == "send":
                sent[call.channel].append((lane, call))
            elif call.what == "recv" and call.ended:
                taken[call.channel].append((lane, call))
            elif call.what == "put":
                puts[process.pid, call.channel].append(call)
    found: list[Message] = []
    for channel, sends in sent.items():
        sends.sort(key=lambda one: one[1].began)
        takes = sorted(taken[peers.get(channel, channel)], key=lambda one: one[1].ended or 0)
        found += match_channel(sends, takes, puts)
    return sorted(found, key=lambda message: message.sent.began)


def match_channel(
    sends: Sequence[tuple[Lane, Call]],
    takes: Sequence[tuple[Lane, Call]],
    puts: dict[tuple[int, int], list[Call]],
) -> Iterator[Message]:
    """The messages of one channel."""
    certain, mixed, turns = True, False, defaultdict[Lane, int](int)
    for number, (lane, send) in enumerate(sends):
        beside = [sends[number + 1]] if number + 1 < len(sends) else []
        mixed = mixed or any(
            lane != other and (send.ended is None or call.began < send.ended)
            for other, call in beside
        )
        certain = certain and not mixed and number < len(takes)
        receiver, take = takes[number] if certain else (None, None)
        if take and (take.size != send.size or (take.ended or 0) < send.began):
            certain, receiver, take = False, None, None  # what was noted doesn't fit together
        put = None
        if send.feeder:
            of_queue = puts[lane[0], send.channel]
            put = of_queue[turns[lane]] if turns[lane] < len(of_queue) else None
            turns[lane] += 1
        yield Message(lane, send, put, receiver, take, mixed)


class Squeezed:
    """A scale along x on which each step can be seen, however long the pauses between are."""

    def __init__(self, moments: Iterable[float], end: float) -> None:
        self.moments = sorted(set(moments))
        steps = [math.log1p((b - a) / SHORT) for a, b in itertools.pairwise(self.moments)]
        self.places = [EDGE + (end - EDGE) * s / (sum(steps) or 1) for s in itertools.accumulate(steps, initial=0)]

    def __call__(self, moment: float) -> float:
        """The place of a moment, in per cent of the plot."""
        after = bisect.bisect_left(self.moments, moment)
        if after == len(self.moments):
            return 100
        if self.moments[after] == moment:
            return self.places[after]
        if after == 0:
            return 0
        (a, b), (left, right) = self.moments[after - 1 : after + 1], self.places[after - 1 : after + 1]
        return left + (right - left) * (moment - a) / (b - a)


class Labels:
    """Places texts where on a narrow page none lies on another."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.taken: list[tuple[float, float, float]] = []

    def place(self, x: float, y: float, words: str, dx: float = 0) -> str:
        """A text that begins there; nothing where another one is, or the plot ends."""
        left = x / 100 * self.width + dx
        right = left + chart.LETTER * len(words)
        free = all(right < a or left > b or abs(y - at) > 13 for a, b, at in self.taken)
        if not free or right > self.width + chart.RIGHT:
            return ""
        self.taken.append((left - 4, right + 4, y))
        return chart.text(x, y, words, dx)


@dataclass
class Drawing:
    """What is drawn of a traced run: the messages, the calls beside them, and their lanes."""

    recording: Recording
    processes: dict[int, TracedProcess]
    found: list[Message]
    chosen: list[Message]

    def __post_init__(self) -> None:
        self.names = names_of(self.processes)
        self.calls = list(self.calls_to_draw())
        at = {lane for lane, _ in self.calls} | {m.sender for m in self.chosen}
        at |= {m.receiver for m in self.chosen if m.receiver}
        pids = {pid for pid, _ in at} | set(list(self.processes)[:1])
        at |= {(pid, self.main_thread(pid)) for pid in pids}
        feeders = {m.sender for m in self.found if m.sent.feeder}
        order = list(self.processes)
        self.lanes = sorted(at, key=lambda lane: (order.index(lane[0]), lane in feeders, lane[1]))
        self.feeders = feeders

    def main_thread(self, pid: int) -> int:
        """The thread in which a process lives."""
        calls = self.processes[pid].calls
        return next((c.thread for c in calls if c.what in ("run", "start")), 0)

    def calls_to_draw(self) -> Iterator[tuple[Lane, Call]]:
        """The calls of the chosen messages, and those that ask, or that never end."""
        first = min(m.began for m in self.chosen)
        end = max((m.taken or m.sent).ended or m.sent.began for m in self.chosen)
        wanted = {id(c) for m in self.chosen for c in (m.put, m.sent, m.taken) if c}
        talkers = {lane for m in self.found for lane in (m.sender, m.receiver)}
        for pid, process in self.processes.items():
            around: Call | None = None
            asked = 0
            for call in process.calls:
                lane = (pid, call.thread)
                if call.what in ("run", "pipe", "start"):
                    continue
                if around and around.thread == call.thread and inside(call, around):
                    if id(call) in wanted:
                        yield lane, around
                        wanted.discard(id(call))
                    continue
                around = call
                asks = call.what == "empty" and call.began < end and asked < 3
                asked += asks
                open_end = call.ended is None and (lane in talkers or call.thread == self.main_thread(pid))
                waits = call.what in ("join", "wait") and first <= (call.ended or math.inf) and call.began <= end
                if id(call) in wanted or asks or open_end or (waits and lane[1] == self.main_thread(pid)):
                    yield lane, call


def inside(call: Call, around: Call) -> bool:
    """Whether a call was made by another one of its thread."""
    return around.ended is None or (call.ended is not None and call.ended <= around.ended)


def draw(recording: Recording, first: int, last: int) -> str:
    """The picture; nothing where nothing was noted."""
    processes = participants(recording)
    found = match_messages(processes.values())
    if not found:
        return ""
    many = len(found) > first + last
    chosen = [*found[:first], *found[len(found) - last :]] if many else found
    plan = Drawing(recording, processes, found, chosen)
    calls = list({(lane, id(call)): (lane, call) for lane, call in plan.calls}.values())
    start = min([m.began for m in chosen] + [c.began for _, c in calls if c.what == "empty"])
    bounds = [m.began for m in chosen]
    bounds += [t for m in chosen for t in (m.sent.began, m.sent.ended, m.taken and m.taken.ended) if t]
    bounds += [t for _, c in calls for t in (c.began, c.ended) if t and c.what not in ("join", "wait")]
    stop = max(bounds)
    moments = [t for _, c in calls for t in (c.began, c.ended) if t] + bounds
    x = Squeezed((t for t in moments if start <= t <= stop), 84 if recording.hung else 100 - EDGE)
    left = 12 + chart.LETTER * max(len(n) for n in [*(plan.names[p] for p, _ in plan.lanes), "feeder"])
    hung = [c for _, c in calls if c.ended is None] if recording.hung else []
    lost = [m for m in chosen if not m.taken]
    keys = [("bar", chart.RUN, "puts, sends"), ("line", chart.WAIT, "waits"), ("down", chart.TEXT, "message")]
    keys += [("bar", chart.PIPE, "never ends")] * bool(hung)
    keys += [("cross", chart.PIPE, "mixed" if any(m.mixed for m in lost) else "not taken")] * bool([m for m in lost if m.sent.ended or m.mixed])
    legend, y = chart.legend(keys, left)
    y -= 12
    places: dict[Lane, float] = {}
    for lane in plan.lanes:
        y += FEEDER if lane in plan.feeders else PROCESS
        places[lane] = y
    bottom = y + 14
    labels = Labels(chart.NARROW - left - chart.RIGHT)
    lives, gives, waits, never, heads, tails, hands, marks, words = ([] for _ in range(9))
    for lane, at in places.items():
        ends = [c for c in processes[lane[0]].calls if c.what == "run"]
        began, ended = (ends[0].began, ends[0].ended) if ends and lane not in plan.feeders else (0, None)
        lives.append(chart.line((x(began), at), (x(ended) if ended else 100, at)))
    for lane, call in sorted(calls, key=lambda one: one[1].began):
        at, end = places[lane], call.ended if call.ended else math.inf
        says = f"{call.what}()"
        if call.what == "empty":
            marks.append(chart.marker("diamond", x(call.began), at, says))
            says += f": {bool(call.size)}"
        elif call.ended is None and recording.hung:
            never.append(chart.box(x(call.began), 100, at - 5, 10))
            says += " never ends"
        elif call.what in GIVES:
            gives.append(chart.box(x(call.began), x(end), at - 5, 10))
        else:
            waits.append(chart.box(x(call.began), x(end), at - 2, 4))
        if not call.feeder:
            words.append(labels.place(max(x(call.began), 0), at - 14, says))
    for message in chosen:
        here = places[message.sender]
        source = (x(message.sent.began), here)
        if message.put:
            main = places[message.sender[0], message.put.thread]
            hands.append(chart.line((x(message.put.ended or message.put.began), main), source))
        if message.receiver and message.taken:
            there, when = places[message.receiver], message.taken.ended or 0
            down = there > here
            tip = there + (-3 if down else 3)
            tails.append(chart.line(source, (x(when), tip)))
            heads.append(chart.marker("down" if down else "up", x(when), tip, in_words(message, plan, start)))
        else:
            others = [at for lane, at in places.items() if lane[0] != message.sender[0]]
            there = min(others, key=lambda at: (at > here, -at))
            tip = here + (there - here) * 0.45
            shift = x(message.sent.ended) if message.sent.ended else source[0] + 6
            tails.append(chart.line(source, (min(shift + 1, 99), tip)))
            if message.sent.ended or message.mixed:
                marks.append(chart.markers("lost", chart.PIPE, [chart.marker("cross", min(shift + 1, 99), tip, in_words(message, plan, start))]))
        middle = (source[1] + tip) / 2
        words.append(labels.place((source[0] + (x(when) if message.taken else shift)) / 2, middle, f"{message.sent.size:,} B", 4))
    if many:
        between = (x((chosen[first - 1].taken or chosen[first - 1].sent).ended or stop) + (x(chosen[first].began) if last else 100)) / 2
        more = f"{'more than ' * any(p.left_out for p in processes.values())}{len(found) - len(chosen):,} more"
    names = [
        chart.text(0, at, "feeder" if lane in plan.feeders else plan.names[lane[0]] if lane[1] == plan.main_thread(lane[0]) else "thread", -10)
        for lane, at in places.items()
    ]
    times = chart.Scale(0, 1)
    ticks = thinned([t for m in chosen for t in (m.began, m.sent.began, m.taken and m.taken.ended) if t], x, start, labels.width)
    notes = ["milliseconds, long pauses drawn short;", f"0 is {start:.3f} s after the start"]
    if many:
        notes.append(f"the first {first}{f' and the last {last}' if last else ''} of {len(found):,} messages" + (" and more" if any(p.left_out for p in processes.values()) else ""))
    halo = {"paint_order": "stroke", "stroke": chart.PAPER, "stroke_width": "4"}
    parts = [
        legend,
        *chart.x_axis(x, ticks, lambda t: clock(t - start), min(places.values()) - 24, bottom),
        chart.stroke("life", lives, chart.WAIT),
        chart.path("waits", waits, fill=chart.WAIT),
        chart.path("gives", gives, fill=chart.RUN),
        chart.path("never", never, fill=chart.PIPE),
        chart.stroke("hand", hands, chart.FAINT, stroke_dasharray="3 3"),
        chart.stroke("message", tails, chart.TEXT),
        chart.markers("head", chart.TEXT, heads),
        chart.markers("mark", chart.TEXT, marks),
        chart.group("name", names, text_anchor="end"),
        chart.group("call", words, font_size="12", **halo),
        chart.notes(notes, bottom + 34, left),
    ]
    height = bottom + 26 + chart.LINE * len(notes)
    title = f"Messages of {recording.command}, traced"
    said = " ".join(f"Message {n}: {in_words(m, plan, start)}." for n, m in enumerate(chosen, 1))
    return chart.picture(title, said, height, (left, chart.RIGHT), parts)


def thinned(moments: Iterable[float], x: Squeezed, start: float, width: float) -> list[float]:
    """The moments whose times have room below the axis."""
    kept: list[float] = []
    for moment in sorted(set(moments)):
        room = 4 * (len(clock(moment - start)) + len(clock(kept[-1] - start))) + 10 if kept else 0
        if not kept or (x(moment) - x(kept[-1])) * width / 100 >= room:
            kept.append(moment)
    return kept


def clock(seconds: float) -> str:
    """A time in milliseconds, with no more digits than it takes."""
    return f"{1000 * seconds:.2f}" if 0 < seconds < 0.01 else f"{1000 * seconds:,.0f}"


def in_words(message: Message, plan: Drawing, start: float) -> str:
    """What became of a message."""
    pid, _ = message.sender
    words = f"{plan.names[pid]}, {message.sent.size:,} bytes"
    if message.put:
        words += f", put at {clock(message.put.began - start)} ms"
    words += f", {'sent by the feeder' if message.sent.feeder else 'sent'} at {clock(message.sent.began - start)} ms"
    if message.receiver and message.taken:
        return f"{words}, taken by {plan.names[message.receiver[0]]} at {clock((message.taken.ended or 0) - start)} ms"
    if message.mixed:
        return f"{words}, while another one was sent into the same pipe"
    return f"{words}, not taken" if message.sent.ended else f"{words}, which never ended"
