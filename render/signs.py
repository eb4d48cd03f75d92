"""Draws processes and what lies between them: the same sign for the same thing in every drawing.

Along x a place is in per cent between the boxes of the left and the right side, and pixels from
there; the boxes stand in the padding of the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from render import chart

TROUBLE = chart.PIPE
CODE = 7.4  # pixels of a letter of code, which is a little smaller
ROW = 19  # from one line in a box to the next
GAP = 8  # from one box to the next
LEAST = 84  # pixels between the boxes, on the narrowest page
TUBE = 14  # how high a pipe is
LOCK = "M-6 7V-1H6V7zM-4-1V-5a4 4 0 0 1 8 0V-1"
HEADS = {"right": "M0 0-7-4V4z", "left": "M0 0 7-4V4z"}


@dataclass(frozen=True)
class Line:
    """A line in a box or above it.

    Attributes:
        words: What it says.
        code: Whether that is a name in the program.
        trouble: Whether this is the part that is broken.
        sign: "thread" or "lock", where it stands for one.
    """

    words: str
    code: bool = False
    trouble: bool = False
    sign: str = ""

    @classmethod
    def read(cls, text: str) -> "Line":
        """Read `!` for trouble, (a thread), @ for a lock, and code within backticks."""
        trouble, text = text.startswith("!"), text.removeprefix("!")
        sign = {"(": "thread", "@": "lock"}.get(text[:1], "")
        words = text.strip("(@)") if sign == "lock" else text
        words = words[1:-1] if sign == "thread" else words
        code = words.startswith("`")
        return cls(words.strip("`"), code, trouble, sign)

    @property
    def width(self) -> float:
        """How wide it is, in pixels."""
        room = {"thread": 14, "lock": 18}.get(self.sign, 0)
        return len(self.words) * (CODE if self.code else chart.LETTER) + room


@dataclass(frozen=True)
class Actor:
    """A process: its name, and the lines below; `dead` when it was killed."""

    name: str
    lines: tuple[Line, ...] = ()
    dead: bool = False

    @property
    def all_lines(self) -> tuple[Line, ...]:
        """Its name, how it ended, and what else stands in its box."""
        gone = (Line("killed", trouble=True),) if self.dead else ()
        return (Line(self.name, trouble=self.dead), *gone, *self.lines)

    @property
    def width(self) -> float:
        """How wide its box must be, in pixels."""
        return max(line.width for line in self.all_lines) + 16

    @property
    def height(self) -> float:
        """How high its box must be, in pixels."""
        return ROW * len(self.all_lines) + 8


@dataclass(frozen=True)
class Way:
    """What lies between the processes.

    Attributes:
        kind: "queue": all lead into one pipe; "pipes": each has its own; "server": a process;
            "memory": shared; "event": what they wait for; "fork": nothing but the copying.
        locks: Before and behind the pipe of a queue: whether there is one, or what is wrong with it.
        tubes: The directions of the pipes of each row.
        holds: How many messages are in a pipe; -1: as many as go in.
        trouble: What is wrong with it, in a word.
        name: What it is called.
        cut: Whether nobody takes what comes out.
    """

    kind: str
    locks: tuple[str, str] = ("", "")
    tubes: tuple[str, ...] = ("right",)
    holds: int = 0
    trouble: str = ""
    name: str = "pipe"
    cut: bool = False


@dataclass(frozen=True)
class Drawing:
    """A drawing as it is described: `sides` are who stands at the left and at the right, `heads` what above them."""

    title: str
    caption: str
    sides: tuple[tuple[Actor, ...], tuple[Actor, ...]]
    way: Way
    heads: tuple[Line, ...] = ()


class Sheet:
    """What is drawn so far; along x in per cent between the boxes, and in pixels from there."""

    def __init__(self, told: "Drawing") -> None:
        self.told, self.way = told, told.way
        self.widths = [max(one.width for one in side) for side in told.sides]
        self.middles: list[list[float]] = []  # of the boxes at the left and at the right
        self.y = 0.0  # the middle of all
        self.groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}

    def put(self, name: str, content: str, **look: str) -> None:
        """Add to the group of that name and look."""
        self.groups.setdefault((name, tuple(look.items())), []).append(content)

    def line(
        self, *points: tuple[float, float], trouble: bool = False, cut: bool = False
    ) -> None:
        """A line between places; a dotted one where nothing passes."""
        look = {"stroke_dasharray": "2 4"} if cut else {}
        self.put("way", chart.line(*points), stroke=TROUBLE if trouble else chart.WAIT, **look)

    def shape(
        self, name: str, outline: str, x: float, y: float, dx: float = 0.0, **look: str
    ) -> None:
        """An outline in pixels, from a place."""
        self.put(name, chart.placed(outline, x, y, dx), **look)

    def say(self, line: Line, x: float, y: float, dx: float = 0, anchor: str = "") -> None:
        """A line of words; with an anchor it is what a sign is called."""
        look = {"text_anchor": anchor} if anchor else {}
        if line.code:
            look["font_size"] = "12"  # its letters are wider
        if line.trouble or anchor == "middle":
            look["fill"] = TROUBLE if line.trouble else chart.FAINT
        kind = "code" if line.code else "sign" if anchor == "middle" else "name"
        self.put(kind, chart.text(x, y, line.words, dx), **look)

    def sign(self, words: str, x: float, y: float, trouble: bool = False) -> None:
        """What a sign is called, or what is wrong with it."""
        self.say(Line(words, trouble=trouble), x, y, anchor="middle")

    def head(self, x: float, y: float, direction: str) -> None:
        """The head of an arrow."""
        self.shape("head", HEADS[direction], x, y, fill=chart.WAIT)

    def lock(self, x: float, y: float, trouble: bool, dx: float = 0) -> None:
        """A padlock."""
        look = {"fill": chart.PAPER, "stroke": TROUBLE if trouble else chart.TEXT}
        self.shape("lock", LOCK, x, y, dx, **look)

    def actor(self, actor: Actor, right: bool, y: float, height: float) -> None:
        """A process, with what stands in its box."""
        width = self.widths[right]
        edge, x = (100, 0.0) if right else (0, -width)
        look = {"stroke_dasharray": "4 3"} if actor.dead else {}
        stroke = TROUBLE if actor.dead else chart.TEXT
        outline = chart.rectangle(x, 0, width, height)
        self.shape("box", outline, edge, y, 0, fill="none", stroke=stroke, **look)
        at = y + height / 2 - ROW * (len(actor.all_lines) - 1) / 2
        for line in actor.all_lines:
            dx = x + 8
            if line.sign == "thread":
                pill = f"M{dx + 7:g}-8h{line.width - 14:g}a8 8 0 0 1 0 16H{dx + 7:g}a8 8 0 0 1 0-16z"
                stroke = TROUBLE if line.trouble else chart.RUN
                self.shape("thread", pill, edge, at, fill="none", stroke=stroke)
                dx += 7
            elif line.sign == "lock":
                self.lock(edge, at, line.trouble, dx + 6)
                dx += 18
            self.say(line, edge, at, dx)
            at += ROW

    def tube(self, x: float, x2: float, y: float) -> None:
        """A pipe of the operating system, and what is in it."""
        way = self.way
        stroke = TROUBLE if way.trouble else chart.TEXT
        full = {"fill": stroke, "fill_opacity": ".3"}
        look = full if way.holds < 0 else {"fill": chart.PAPER}
        left, top, width = map(chart.short, (x, y - TUBE / 2, x2 - x))
        place = f'x="{left}%" y="{top}" width="{width}%"'
        self.put("pipe", f'<rect {place} height="{TUBE}" rx="7"/>', stroke=stroke, **look)
        if way.holds > 0:
            first = 2 - 6 * way.holds
            dots = [chart.rectangle(first + 12 * n, -4, 8, 8) for n in range(way.holds)]
            self.shape("message", "".join(dots), (x + x2) / 2, y, fill=chart.RUN)

    def names(self, x: float, y: float, above: float = 18, below: float = 18) -> None:
        """What lies between is called above it; what is wrong with it stands below."""
        self.sign(self.way.name, x, y - above)
        if self.way.trouble:
            self.sign(self.way.trouble, x, y + below, trouble=True)

    def spokes(self) -> None:
        """Lines from everybody at the left to the middle, and on to everybody at the right."""
        for one in self.middles[0]:
            self.line((0, one), (50, self.y))
        for one in self.middles[1]:
            self.line((50, self.y), (100, one))
            self.head(100, one, "right")

    def parts(self) -> list[str]:
        """All of it: lines lie lowest, and words on top."""
        found = []
        for (name, pairs), content in self.groups.items():
            look = dict(pairs)
            if name == "way":
                found.append(chart.stroke(name, content, look.pop("stroke"), **look))
            else:
                found.append(chart.group(name, content, **look))
        return sorted(found, key=lambda part: "<text" in part)


def draw(told: Drawing) -> str:
    """A drawing as an `<svg>` element.

    Raises:
        ValueError: There is no room for what lies between.
    """
    sheet = Sheet(told)
    left, right = sheet.widths
    if left + right + LEAST > chart.NARROW:
        raise ValueError(f"{LEAST + left + right - chart.NARROW:.0f} pixels too wide")
    top = (24 if told.heads else 3) + (14 if told.way.kind == "pipes" else 0)
    tall = max(middle_height(told), *map(column_height, told.sides))
    sheet.y = top + tall / 2
    sheet.middles = [boxes(sheet, n == 1, top, tall) for n in range(2)]
    for head, right_side in zip(told.heads, (False, True), strict=False):
        if head.words:
            x, dx, anchor = (100, right, "end") if right_side else (0, -left, "")
            sheet.say(head, x, 9, dx, anchor)
    WAYS[told.way.kind](sheet)
    sides = (left + 1, right + 1)
    return chart.picture(told.title, in_words(told), top + tall + 3, sides, sheet.parts())


def column_height(side: Sequence[Actor]) -> float:
    """How high the boxes of one side are together."""
    return sum(actor.height for actor in side) + GAP * (len(side) - 1)


def middle_height(told: Drawing) -> float:
    """How much room there must be for what lies between."""
    if told.way.kind == "pipes":
        pipes_there = max(map(len, told.sides)) * len(told.way.tubes)
        return pipes_there * pitch(told.way) + 8
    return 76


def pitch(way: Way) -> float:
    """How far it is from one pipe to the next."""
    return TUBE + (24 if way.trouble else 8)


def boxes(sheet: Sheet, right: bool, top: float, tall: float) -> list[float]:
    """Draw the boxes of one side, as high as there is room; return where their middles are."""
    side = sheet.told.sides[right]
    spare = (tall - column_height(side)) / len(side)
    middles = []
    for actor in side:
        height = actor.height + spare
        sheet.actor(actor, right, top, height)
        middles.append(top + height / 2)
        top += height + GAP
    return middles


def queue(sheet: Sheet) -> None:
    """All lead into one pipe, past a lock, and out of it."""
    (before, behind), y, (left, right) = sheet.way.locks, sheet.y, sheet.told.sides
    enter, x = (28, 44) if before else (20, 24)
    x2, leave = (56, 72) if behind else (88, 88)
    for actor, one in zip(left, sheet.middles[0], strict=True):
        sheet.line((0, one), (enter, y), trouble=before == "no lock", cut=actor.dead)
    sheet.line((enter, y), (x, y))
    sheet.line((x2, y), (leave, y))
    for actor, one in zip(right, sheet.middles[1], strict=True):
        sheet.line((leave, y), (100, one), cut=sheet.way.cut or actor.dead)
        sheet.head(100, one, "right")
    sheet.tube(x, x2, y)
    sheet.names((x + x2) / 2, y)
    for lock, place in ((before, enter), (behind, leave)):
        wrong = lock != "lock"
        if lock and lock != "no lock":
            sheet.lock(place, y, wrong)
        if lock:
            sheet.sign(lock, place, y + 18 if wrong else y - 18, trouble=wrong)


def pipes(sheet: Sheet) -> None:
    """A pipe for each, or one for each direction."""
    tubes, apart = sheet.way.tubes, pitch(sheet.way)
    actors, middles = max(
        zip(sheet.told.sides, sheet.middles, strict=True), key=lambda side: len(side[1])
    )
    for actor, middle in zip(actors, middles, strict=True):
        first = middle - apart * (len(tubes) - 1) / 2
        for number, direction in enumerate(tubes):
            y = first + apart * number
            sheet.line((0, y), (100, y), cut=actor.dead)
            sheet.tube(14, 86, y)
            for edge, side in ((100, "right"), (0, "left")):
                if direction in (side, "both"):
                    sheet.head(edge, y, side)
            if sheet.way.trouble:
                sheet.sign(sheet.way.trouble, 50, y + 18, trouble=True)
    top = middles[0] - apart * (len(tubes) - 1) / 2
    sheet.sign(sheet.way.name, 50, top - 19)


def server(sheet: Sheet) -> None:
    """A process between them that has the queue."""
    half = len(sheet.way.name) * chart.LETTER / 2 + 6
    sheet.spokes()
    sheet.shape("head", HEADS["right"], 50, sheet.y, -half, fill=chart.WAIT)
    box = chart.rectangle(-half, -24, 2 * half, 48)
    sheet.shape("box", box, 50, sheet.y, fill=chart.PAPER, stroke=chart.TEXT)
    store = chart.rectangle(8 - half, 4, 2 * half - 16, 12)
    sheet.shape("store", store, 50, sheet.y, fill="none", stroke=chart.RUN)
    sheet.names(50, sheet.y, above=9)


def memory(sheet: Sheet) -> None:
    """A shelf that all of them see, with messages in its slots."""
    sheet.spokes()
    used = [chart.rectangle(12 * n - 22, -5, 8, 12) for n in range(sheet.way.holds)]
    shelf = "M-24-10V9H24V-10M-12-8V9M0-8V9M12-8V9"
    sheet.shape("shelf", shelf, 50, sheet.y, fill=chart.PAPER, stroke=chart.TEXT)
    sheet.shape("message", "".join(used), 50, sheet.y, fill=chart.RUN)
    sheet.names(50, sheet.y, 20, 21)


def event(sheet: Sheet) -> None:
    """What some wait for, and one tells them."""
    sheet.spokes()
    colour = TROUBLE if sheet.way.trouble else chart.TEXT
    sheet.shape("event", "M0-11 11 0 0 11-11 0z", 50, sheet.y, fill=chart.PAPER, stroke=colour)
    sheet.names(50, sheet.y, 22, 22)


def fork(sheet: Sheet) -> None:
    """Nothing lies between them: one was copied from the other."""
    sheet.line((0, sheet.y), (100, sheet.y), cut=True)
    sheet.head(100, sheet.y, "right")
    sheet.names(50, sheet.y, 12, 14)


WAYS: dict[str, Callable[[Sheet], None]] = {
    way.__name__: way for way in (queue, pipes, server, memory, event, fork)
}


def in_words(told: Drawing) -> str:
    """A drawing for who doesn't see it."""
    way = told.way
    left, right = ("; ".join(map(told_of, side)) for side in told.sides)
    between = ", ".join(["lock"] * ("lock" in way.locks) + [way.name])
    heads = [head.words for head in told.heads if head.words]
    calls = f" Calls, left to right: {', '.join(heads)}." if heads else ""
    wrong = [word for word in (*way.locks, way.trouble) if word not in ("", "lock")]
    for actor in (*told.sides[0], *told.sides[1]):
        wrong += [f"{actor.name}: {one.words}" for one in actor.all_lines[1:] if one.trouble]
    trouble = f" Broken: {', '.join(wrong)}." if wrong else ""
    return f"Left: {left}. Between: {between}. Right: {right}.{calls}{trouble}"


def told_of(actor: Actor) -> str:
    """A process in words."""
    return ", ".join(f"{line.words} {line.sign}".strip() for line in actor.all_lines)
