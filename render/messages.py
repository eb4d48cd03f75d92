"""Draws the messages of a traced run: when each was put, entered its channel, and was taken."""

import bisect
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from recorder.recording import Call, Recording, TracedProcess
from recorder.trace import FIRST
from render import chart
from render.blocks import recording_of
from render.runs import PageError

PROCESS, FEEDER = 46, 30  # pixels from the lane above to one of a process, of its feeder
FEW, CROWDED = 6, 62  # with more messages than that, those lanes are farther apart
FOLDED = 3  # with more feeder threads than that, each is drawn in the lane of its worker
MOST = 8  # calls of a process that are drawn beside those of the messages
NAMED = 3  # with no more calls of a name in a lane than that, each has its label
SMALL = 12  # pixels: the labels of calls
LETTER = chart.LETTER * SMALL / chart.FONT
ABOVE, BELOW = -14, 15  # pixels from a lane to the label of a call
GIVES, WAITS = ("put", "send", "write"), ("get", "recv", "read", "wait", "join")
SENDS, TAKES = ("send", "write"), ("recv", "read")
HEADER = 4  # bytes that send() puts before a message, and recv() takes off
AROUND = ("wait", "join")
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

    @property
    def lost(self) -> bool:
        """Whether it is in its channel, and nobody took it as it was sent."""
        return not self.taken and (self.mixed or self.sent.ended is not None)

    def moments(self) -> list[float]:
        """When something happened to it."""
        calls = (self.put, self.sent)
        found = [t for call in calls if call for t in (call.began, call.ended)]
        return [t for t in (*found, self.taken and self.taken.ended) if t]


def messages(name: str, first: int = 5, last: int = 3, line: str = "", who: str = "") -> str:
    """The messages of a traced run, with the first and the last of many.

    Args:
        name: The run's name in `runs.toml`, where it is said to be traced.
        first: How many of the first messages are drawn.
        last: How many of the last ones.
        line: What the lines of output contain that are marked.
        who: Only the messages to and from this process are drawn, as "worker 3".
    """
    recording = recording_of(name)
    picture = Picture(recording, first, last, line, who)
    if who and picture.found and not picture.chosen:
        raise PageError(f"{name}: no message goes to {who} or comes from it")
    if not picture.chosen:
        return "<!-- This Python lacks what is traced. -->"
    drawn = picture.draw()
    arrows = "An arrow leaves where a message enters its channel, and ends where it is taken."
    read = arrows if 'class="bp-message"' in drawn else "A bar is as long as its call."
    if 'class="bp-hand"' in drawn:
        read += (
            " A dotted line leads from <code>put()</code> to the feeder thread, which sends."
        )
    if picture.folded:
        read += " A thin bar is a worker's feeder thread, which sends."
    if any(message.lost for message in picture.chosen):
        mixed = any(message.mixed for message in picture.chosen)
        why = "was sent into a pipe while another one was" if mixed else "nobody took"
        read += f" A cross marks a message that {why}."
    traced = (
        f"Traced in a separate run: <code>{escape(recording.command)}</code>, {recording.machine.python}, "
        f"start method <code>{recording.start_method}</code>. Tracing slows a program down, so no figure comes from this run."
    )
    return (
        f'<figure class="messages" data-search-exclude><figcaption><strong>Each message.</strong> {read}'
        f'</figcaption>{drawn}<p class="recorded">{traced}</p></figure>'
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
    found = {}
    for at, (pid, process) in enumerate(processes.items()):
        plain = re.fullmatch(r"\w*Process-[\d:]+", process.name)
        name = "worker" if len(processes) == 2 else f"worker {at}"
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
            elif call.began > cut or call.failed or not call.channel:
                continue
            elif call.what in SENDS:
                sent[call.channel].append((lane, call))
            elif call.what in TAKES and call.ended:
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
    ends = list(itertools.accumulate(wire_bytes(take) for _, take in takes))
    sent = 0
    for number, (lane, send) in enumerate(sends):
        sent += wire_bytes(send)
        if number + 1 < len(sends):
            other, following = sends[number + 1]
            meanwhile = send.ended is None or following.began < send.ended
            mixed = mixed or (lane != other and meanwhile)
        at = bisect.bisect_left(ends, sent)  # who reads bytes may take several at once
        certain = certain and not mixed and at < len(takes)
        receiver, take = takes[at] if certain else (None, None)
        if take and (take.ended or 0) < send.began:
            certain, receiver, take = False, None, None  # of somebody who was not traced
        put = None
        if send.feeder:
            of_queue = puts[lane[0], send.channel]
            put = of_queue[turns[lane]] if turns[lane] < len(of_queue) else None
            turns[lane] += 1
        yield Message(lane, send, put, receiver, take, mixed)


def wire_bytes(call: Call) -> int:
    """How many bytes a call put into its channel, or took out of it."""
    return call.size + HEADER * (call.what in ("send", "recv"))


class Squeezed:
    """A scale along x on which each step can be seen, however long the pauses between are."""

    def __init__(self, moments: Iterable[float], end: float) -> None:
        self.moments = sorted(set(moments))
        steps = (math.log1p((b - a) / SHORT) for a, b in itertools.pairwise(self.moments))
        sums = list(itertools.accumulate(steps, initial=0))
        self.places = [EDGE + (end - EDGE) * s / (sums[-1] or 1) for s in sums]

    def __call__(self, moment: float) -> float:
        """The place of a moment, in per cent of the plot."""
        after = bisect.bisect_right(self.moments, moment)
        if after == 0:
            return 0
        if after == len(self.moments):
            return self.places[-1] if moment == self.moments[-1] else 100
        a, b = self.moments[after - 1 : after + 1]
        left, right = self.places[after - 1 : after + 1]
        return left + (right - left) * (moment - a) / (b - a)


class Labels:
    """Texts beside the calls and the arrows: on a narrow page none lies on another."""

    def __init__(self, pixels: float) -> None:
        self.pixels = pixels
        self.boxes: list[tuple[float, float, float]] = []
        self.texts: dict[str, list[str]] = {"start": [], "end": []}

    def add(self, x: float, y: float, words: str, dx: float = 0) -> bool:
        """Place a text at x, or so that it ends where the plot does; or not, where one is."""
        width, left = LETTER * len(words), x / 100 * self.pixels + dx
        anchor = "start"
        if left + width > self.pixels + chart.RIGHT:
            anchor, x, dx, left = "end", 100, 0, self.pixels - width
        right = left + width
        if any(left <= b and right >= a and abs(y - at) <= 13 for a, b, at in self.boxes):
            return False
        self.boxes.append((left - 4, right + 4, y))
        self.texts[anchor].append(chart.text(x, y, words, dx))
        return True

    def groups(self) -> list[str]:
        """The texts as elements, readable on what lies below them."""
        look = {"font_size": str(SMALL), **chart.HALO}
        return [
            chart.group("call", texts, text_anchor=anchor, **look)
            for anchor, texts in self.texts.items()
        ]


class Picture:
    """What is drawn of a traced run: some of its messages, the calls beside them, their lanes."""

    def __init__(
        self, recording: Recording, first: int, last: int, line: str = "", who: str = ""
    ) -> None:
        self.recording, self.line = recording, line
        self.printed = [one for one in recording.lines if line and line in one.text]
        self.processes = participants(recording)
        self.names = names_of(self.processes)
        self.found = match_messages(self.processes.values())
        self.of = [m for m in self.found if not who or who in self.ends(m)]
        self.who, self.first, self.last = who, first, last
        self.many = len(self.of) > first + last
        after = self.of[len(self.of) - last :]
        self.chosen = [*self.of[:first], *after] if self.many else self.of
        if self.chosen:
            self.prepare()

    def prepare(self) -> None:
        """Find out what stands where."""
        self.feeders = {m.sender for m in self.found if m.sent.feeder}
        self.talkers = {lane for m in self.found for lane in (m.sender, m.receiver) if lane}
        self.folded = len(self.feeders) > FOLDED  # each feeder is in its worker's lane
        self.calls = [c for process in self.processes.values() for c in self.shown(process)]
        known = {
            *self.talkers,
            *(lane for lane, _ in self.calls),
            *map(self.main, self.processes),
        }
        chosen = {lane[0] for m in self.chosen for lane in (m.sender, m.receiver) if lane}
        chosen |= {lane[0] for lane, _ in self.calls} | {next(iter(self.processes))}
        order = list(self.processes)
        lanes = {self.lane(lane) for lane in known if lane[0] in chosen}
        self.lanes = sorted(lanes, key=lambda x: (order.index(x[0]), x in self.feeders, x[1]))
        asked = [c.began for _, c in self.calls if c.what == "empty"]
        self.start = min([*asked, *(m.began for m in self.chosen)])
        ends = [(t, c.what in AROUND) for _, c in self.calls for t in (c.began, c.ended) if t]
        moments = [t for m in self.chosen for t in m.moments()]
        moments += [t for t, around in ends if not around]
        moments += [t for t, _ in ends if t <= max(moments)]
        moments += [line.at for line in self.printed]
        end = 70 if self.recording.hung else 100 - EDGE
        self.x = Squeezed((t for t in moments if t >= self.start), end)
        self.labels_of = {lane: self.label(lane) for lane in self.lanes}
        named = [*self.labels_of.values(), *["output"] * bool(self.printed)]
        self.left = 12 + chart.LETTER * max(map(len, named))
        self.labels = Labels(chart.NARROW - self.left - chart.RIGHT)

    def ends(self, message: Message) -> list[str]:
        """The processes between which a message goes, as far as they are known."""
        lanes = (message.sender, message.receiver)
        return [self.names[lane[0]] for lane in lanes if lane and lane[0] in self.names]

    def lane(self, lane: Lane) -> Lane:
        """Where a thread is drawn."""
        return self.main(lane[0]) if self.folded and lane in self.feeders else lane

    def main(self, pid: int) -> Lane:
        """The thread in which a process lives."""
        calls = self.processes[pid].calls
        return pid, next((c.thread for c in calls if c.what in ("run", "start")), 0)

    def label(self, lane: Lane) -> str:
        """What stands before a lane."""
        if lane in self.feeders:
            return "feeder"
        return self.names[lane[0]] if lane == self.main(lane[0]) else "thread"

    def shown(self, process: TracedProcess) -> Iterator[tuple[Lane, Call]]:
        """The calls of a process that belong to the chosen messages, that ask, or never end."""
        first = min(m.began for m in self.chosen)
        end = max(t for m in self.chosen for t in m.moments())
        wanted = {id(c) for m in self.chosen for c in (m.put, m.sent, m.taken) if c}
        wanted |= {id(call) for call in self.mixtures()}
        rest = MOST
        for call, parts in outermost(process.calls):
            lane = (process.pid, call.thread)
            talks = lane in self.talkers or lane == self.main(process.pid)
            near = talks and first <= (call.ended or math.inf) and call.began <= end
            beside = near and call.what in AROUND
            asks = call.what == "empty" and call.began < end
            if wanted & {id(call), *map(id, parts)} or (talks and self.never_ends(call)):
                yield lane, call
            elif (beside or asks) and rest:
                rest -= 1
                yield lane, call

    def mixtures(self) -> list[Call]:
        """The call that took bytes of several messages of the chosen ones, as if they were one."""
        known = {id(m.taken) for m in self.found}
        channels = {m.sent.channel for m in self.chosen if m.mixed}
        found = (
            call
            for process in self.processes.values()
            for call in process.calls
            if call.what == "recv" and call.channel in channels and id(call) not in known
        )
        return [call for call in found if call.ended and not call.failed][:1]

    def draw(self) -> str:
        """The picture."""
        legend, top = chart.legend(self.keys(), self.left)
        top += 14
        self.places: dict[Lane, float] = {}
        pitch = PROCESS if len(self.chosen) <= FEW else CROWDED
        y = top - pitch + 16
        for lane in self.lanes:
            y += FEEDER if lane in self.feeders else pitch
            self.places[lane] = y
        output = y + FEEDER
        self.sides = {lane: self.side(lane) for lane in self.lanes}
        below = not self.printed and self.sides[self.lanes[-1]] == BELOW
        bottom = (output if self.printed else y) + (24 if self.recording.hung or below else 16)
        notes = self.notes()
        moments = {t for m in self.chosen for t in m.moments()}
        moments |= {self.start, *(line.at for line in self.printed)}
        ticks = chart.thinned(
            self.x,
            sorted(moments),
            self.labels.pixels / 100,
            lambda t: 8 * len(self.time(t)) + 10,
        )
        names = [(self.places[lane], name) for lane, name in self.labels_of.items()]
        names += [(output, "output")] * bool(self.printed)
        printed = [(self.x(line.at), output, line.text) for line in self.printed]
        for x, y, _ in printed:
            self.labels.add(x, y, self.line, 5)
        parts = [
            legend,
            *chart.x_axis(self.x, ticks, self.time, top - 10, bottom),
            self.gap(top - 10, bottom),
            *self.lives(),
            *self.bars(),
            *self.arrows(),
            chart.markers("output", chart.TEXT, (chart.marker("tick", *at) for at in printed)),
            chart.group("name", (chart.text(0, *at, -10) for at in names), text_anchor="end"),
            *self.labels.groups(),
            chart.notes(notes, bottom + 34, self.left),
        ]
        height = bottom + 26 + chart.LINE * len(notes)
        title = f"Messages of {self.recording.command}, traced"
        drawn = (one for one in enumerate(self.of, 1) if one[1] in self.chosen)
        said = [f"Message {number}: {self.story(message)}." for number, message in drawn]
        calls = [
            f"{self.names[lane[0]]}: {says(call)} at {self.time(call.began)} ms."
            for lane, call in self.calls
            if call.what == "empty" or self.never_ends(call)
        ]
        calls += [f"Output: {line.text} at {self.time(line.at)} ms." for line in self.printed]
        words = " ".join([f"{'; '.join(notes)}.", *said, *calls])
        return chart.picture(title, words, height, (self.left, chart.RIGHT), parts)

    def never_ends(self, call: Call) -> bool:
        """Whether a call went on for ever: it did not only end with its process."""
        return call.ended is None and self.recording.hung

    def time(self, moment: float) -> str:
        """A moment in milliseconds, from the first one of the picture on."""
        return clock(moment - self.start)

    def keys(self) -> list[tuple[str, str, str]]:
        """What the legend explains."""
        lost = [m for m in self.chosen if m.lost]
        why = "mixed up" if any(m.mixed for m in lost) else "not taken"
        kinds = {"never" if self.never_ends(c) else c.what for _, c in self.calls}
        keys = (
            ("bar", chart.RUN, "puts or sends", kinds & {*GIVES}),
            ("strip", chart.WAIT, "waits", kinds & {*WAITS}),
            ("bar", chart.PIPE, "never ends", "never" in kinds),
            ("triangle", chart.TEXT, "message", any(m.taken for m in self.chosen)),
            ("cross", chart.PIPE, why, lost),
        )
        return [(shape, colour, words) for shape, colour, words, there in keys if there]

    def notes(self) -> list[str]:
        """What stands below the axis."""
        after = f"0 is {self.start:.3f} s after the start"
        found = ["milliseconds; long pauses are shortened", after]
        if self.many and self.last:
            more = any(process.left_out for process in self.processes.values())
            count = f"{'more than ' * more}{len(self.of):,} messages"
            found.append(f"first {self.first}, last {self.last} of {count}")
        if self.who:
            found.append(f"only the messages of {self.who}")
        if self.alike:
            found.append(f"each message: {self.chosen[0].sent.size:,} B")
        drawn = {lane[0] for lane in self.lanes}
        absent = [name for pid, name in self.names.items() if pid not in drawn]
        if absent and not self.who:
            names = ", ".join(absent)
            names = names if len(names) <= 16 else f"{len(absent)} workers"
            found.append(f"{names}: none of these messages")
        return found

    @property
    def alike(self) -> bool:
        """Whether all messages have the same size, which is then said once."""
        drawn = any(m.taken or m.lost for m in self.chosen)
        return drawn and len(self.chosen) > 1 == len({m.sent.size for m in self.chosen})

    def ways(self, lane: Lane) -> Iterator[float]:
        """How far down each arrow goes from a lane, or how far up it comes from."""
        for message in self.chosen:
            sender = self.lane(message.sender)
            if message.receiver:
                receiver = self.lane(message.receiver)
                way = self.places[receiver] - self.places[sender]
                yield from [way] * (lane == sender) + [-way] * (lane == receiver)
            elif message.lost and lane == sender:
                yield self.before(message) - self.places[sender]

    def arrow_sides(self, lane: Lane) -> set[int]:
        """On which sides of a lane messages come and go."""
        return {ABOVE if way < 0 else BELOW for way in self.ways(lane)}

    def side(self, lane: Lane) -> int:
        """On which side of a lane its labels stand: where fewer messages come and go."""
        hands = [
            self.places[m.sender] - self.places[lane]
            for m in self.chosen
            if m.put and not self.folded and lane == self.main(m.sender[0])
        ]
        return BELOW if sum([*hands, *self.ways(lane)]) < 0 else ABOVE

    def gap(self, top: float, bottom: float) -> str:
        """A line where messages are left out, and how many."""
        if not self.many or not self.last:
            return ""
        last = max(t for m in self.chosen[: self.first] for t in m.moments())
        x = (self.x(last) + self.x(self.chosen[self.first].began)) / 2
        self.labels.add(x, top + PROCESS, f"{len(self.of) - len(self.chosen):,} more", 5)
        line = chart.line((x, top), (x, bottom))
        return chart.stroke("gap", [line], chart.TEXT, stroke_dasharray="2 4")

    def lives(self) -> Iterator[str]:
        """A line for each process and each feeder thread, as long as it lives."""
        lines: dict[bool, list[str]] = {False: [], True: []}  # by whether they are of feeders
        for lane, y in self.places.items():
            run = next((c for c in self.processes[lane[0]].calls if c.what == "run"), None)
            began, ended = (run.began, run.ended) if run else (0.0, None)
            if lane in self.feeders:
                began = min(m.sent.began for m in self.found if m.sender == lane)
            life = chart.level(self.x(began), self.x(ended or math.inf), y)
            lines[lane in self.feeders].append(life)
        for name, width, found in (
            ("life", "1", lines[False]),
            ("feeder", "0.8", lines[True]),
        ):
            yield chart.stroke(
                name, found, chart.WAIT, stroke_width=width, stroke_opacity="0.6"
            )

    def bars(self) -> Iterator[str]:
        """What each call took, with its name."""
        outlines: dict[str, list[str]] = {"wait": [], "give": [], "never": []}
        asked = []
        mixtures = self.mixtures()  # their labels have room before others
        alike = Counter((self.lane(lane), call.what) for lane, call in self.calls)
        calls = sorted(self.calls, key=lambda one: (one[1] not in mixtures, one[1].began))
        for thread, call in calls:
            lane = self.lane(thread)
            y, side = self.places[lane], self.sides[lane]
            other = ABOVE + BELOW - side
            left, right = self.x(call.began), self.x(call.ended or math.inf)
            words = says(call)
            if call in mixtures:
                words += ": mixed up"
            if call.what == "empty":
                asked.append(chart.marker("diamond", left, y, words))
            elif self.never_ends(call):
                outlines["never"].append(chart.box(left, 100, y - 5, 10))
                if call.size:
                    self.labels.add(left, y + other, f"{call.size:,} bytes")
                words += " never ends"
            elif call.what in GIVES:
                up, height = (1, 5) if self.folded and call.feeder else (-5, 10)
                outlines["give"].append(chart.box(left, right, y + up, height))
            else:
                outlines["wait"].append(chart.box(left, right, y - 2, 4))
            if call.feeder:
                continue
            places = [(0, side)]
            if alike[lane, call.what] <= NAMED:
                wide = (right - left) / 100 * self.labels.pixels
                places += [(dx, side) for dx in (5, 10, 20) if dx < wide]
                places += [(0, other)] * (other not in self.arrow_sides(lane))
            any(self.labels.add(left, y + place, words, dx) for dx, place in places)
        for name, colour in (("wait", chart.WAIT), ("give", chart.RUN), ("never", chart.PIPE)):
            yield chart.path(name, outlines[name], fill=colour)
        yield chart.markers("asked", chart.TEXT, asked)

    def arrows(self) -> Iterator[str]:
        """Each message on its way, from the thread that sent it to the one that took it."""
        hands, tails, heads, stubs, lost = [], [], [], [], []
        for message in self.chosen:
            source = (self.x(message.sent.began), self.places[self.lane(message.sender)])
            put = message.put
            if put and not self.folded:
                main = self.places[message.sender[0], put.thread]
                hands.append(chart.line((self.x(put.ended or put.began), main), source))
            if message.receiver and message.taken:
                y = self.places[self.lane(message.receiver)]
                x = self.x(message.taken.ended or math.inf)
                y += -3 if y > source[1] else 3
                tails.append(chart.line(source, (x, y)))
                shape = "down" if y > source[1] else "up"
                heads.append(chart.marker(shape, x, y, self.story(message)))
            elif not message.lost:
                continue
            else:
                x, y = min(source[0] + 6, 97), self.before(message)
                stubs.append(chart.line(source, (x, y)))
                lost.append(chart.marker("cross", x, y, self.story(message)))
            at = ((source[0] + x) / 2, (source[1] + y) / 2)
            if not self.alike:
                self.labels.add(*at, f"{message.sent.size:,} B", 5)
        yield chart.stroke("hand", hands, chart.FAINT, stroke_dasharray="3 3")
        yield chart.stroke("message", tails, chart.TEXT)
        yield chart.stroke("stub", stubs, chart.PIPE)
        yield chart.markers("head", chart.TEXT, heads)
        yield chart.markers("lost", chart.PIPE, lost)

    def before(self, message: Message) -> float:
        """Where a message ends that nobody took: on its way, before the lane of the other end."""
        pid, rows = message.sender[0], list(self.places)
        readers = {m.receiver[0] for m in self.found if m.receiver and m.sender[0] == pid}
        to = next((lane for lane in rows if lane[0] in readers), None)
        to = to or next((lane for lane in rows if lane[0] != pid), None)
        if not to:  # nobody else is there
            return self.places[self.lane(message.sender)] - PROCESS / 2
        row = rows.index(to)
        beside = rows[row + 1 if row < rows.index(self.lane(message.sender)) else row - 1]
        return (self.places[to] + self.places[beside]) / 2

    def story(self, message: Message) -> str:
        """What became of a message, in words."""
        sent, taken = message.sent, message.taken
        words = f"{sent.size:,} bytes from {self.names[message.sender[0]]}"
        if message.put:
            words += f", put at {self.time(message.put.began)} ms"
        feeder = "by its feeder thread " * sent.feeder
        words += f", sent {feeder}at {self.time(sent.began)} ms"
        if message.receiver and taken:
            by = self.names[message.receiver[0]]
            return f"{words}, taken by {by} at {self.time(taken.ended or 0)} ms"
        if message.mixed:
            return f"{words}, while another one was sent into the same pipe"
        return f"{words}, {'not taken' if sent.ended else 'which never ended'}"


def outermost(calls: Sequence[Call]) -> list[tuple[Call, list[Call]]]:
    """The calls that pass something, each with those that it made itself."""
    around: dict[int, tuple[Call, list[Call]]] = {}
    found = []
    for call in calls:
        if call.what not in ("run", "pipe", "start"):
            outer, parts = around.get(call.thread, (None, []))
            if outer and (outer.ended is None or call.began < outer.ended):
                parts.append(call)
            else:
                around[call.thread] = (call, [])
                found.append(around[call.thread])
    return found


def says(call: Call) -> str:
    """A call, as a label."""
    return f"{call.what}()" + f": {bool(call.size)}" * (call.what == "empty")


def clock(seconds: float) -> str:
    """A time in milliseconds, with no more digits than it takes."""
    digits = 0 if seconds >= 0.1 or not seconds else 1 if seconds >= 0.01 else 2
    return f"{1000 * seconds:,.{digits}f}"
