"""Draws who sends what through which channel: a small cast of signs, the same on every page.

Each drawing is described in `cast.toml`. What it names in code, and how many workers there are, is
read from its program: a name that the program does not have stops the build.
"""

import ast
import functools
import html
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render import chart
from render.build import build
from render.runs import EXAMPLES, PageError

DESCRIPTIONS = Path(__file__).with_name("cast.toml")
TROUBLE = chart.PIPE
CODE = 7.4  # pixels of a letter of code, which is a little smaller
ROW = 19  # from one line in a box to the next
GAP = 8  # from one box to the next
LEAST = 84  # pixels between the boxes, on the narrowest page
ROLES = {"parent", "worker", "producer", "consumer", "manager", "camera"}
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
        name: What it is called there, when not by its sign.
        cut: Whether nobody takes what comes out.
    """

    kind: str
    locks: tuple[str, str] = ("", "")
    tubes: tuple[str, ...] = ("right",)
    holds: int = 0
    trouble: str = ""
    name: str = ""
    cut: bool = False


@dataclass(frozen=True)
class Drawing:
    """A drawing as it is described; `heads` stand above the left and the right side."""

    program: str
    title: str
    caption: str
    left: tuple[Actor, ...]
    right: tuple[Actor, ...]
    way: Way
    heads: tuple[Line, ...] = ()


def drawing(*names: str) -> str:
    """Drawings of `cast.toml`, beside each other, each with its title and how to read it."""
    figures = ""
    for name in names:
        found = read_drawing(name)
        caption = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(found.caption))
        figures += (
            f"<figure>{draw(found)}<figcaption><strong>{html.escape(found.title)}.</strong> "
            f"{caption}</figcaption></figure>"
        )
    return f'<div class="cast" data-search-exclude>{figures}</div>'


@functools.cache
def descriptions() -> dict[str, dict[str, Any]]:
    """All of `cast.toml`."""
    return tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8"))


def read_drawing(name: str) -> Drawing:
    """The drawing of that name, once its program has all that it names."""
    if name not in descriptions():
        raise PageError(f"render/cast.toml has no drawing named {name!r}")
    told = descriptions()[name]
    try:
        return described(told)
    except (KeyError, TypeError, ValueError) as error:
        raise PageError(f"render/cast.toml, {name}: {type(error).__name__}: {error}") from None
    except PageError as error:
        raise PageError(f"render/cast.toml, {name}: {error}") from None


def described(told: dict[str, Any]) -> Drawing:
    """A drawing from its description."""
    program = Program(told["program"], told.get("run", ""))
    left, right = (
        tuple(actor for one in told[side] for actor in actors(one, program))
        for side in ("left", "right")
    )
    heads = tuple(Line.read(words) for words in told.get("heads", ()))
    way: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in told["way"].items()
    }
    title, caption = told["title"], told["caption"]
    found = Drawing(told["program"], title, caption, left, right, Way(**way), heads)
    lines = [line for actor in (*left, *right) for line in actor.all_lines]
    captions = re.findall(r"`(.+?)`", found.caption)
    for words in (*captions, *(line.words for line in (*lines, *heads) if line.code)):
        program.must_have(words)
    return found


def actors(told: dict[str, Any], program: "Program") -> Iterator[Actor]:
    """The processes of one description: one, or as many as the program has of it."""
    told = dict(told)
    name, many, dead = told.pop("name"), told.pop("many", ""), told.pop("dead", 0)
    one = told.pop("number", 0)
    lines = tuple(map(Line.read, told.pop("lines", ())))
    own = told.pop("each", {})  # further lines of one of them, by its number
    if told:
        raise ValueError(f"what is {', '.join(told)}?")
    if name.startswith("'"):
        program.must_say(name.strip("'"))
    elif name not in ROLES:
        raise ValueError(f"nobody of the cast is called {name!r}")
    numbers = range(1, program.count(many) + 1) if many else (one,)
    name = name.strip("'")
    for number in numbers:
        called = f"{name} {number}" if number else name
        further = tuple(map(Line.read, own.get(str(number), ())))
        is_dead = dead is True or number == dead != 0
        yield Actor(called, (*lines, *further), is_dead)


class Program:
    """The text of a program: its names, its words, and how many processes it starts."""

    def __init__(self, name: str, run: str) -> None:
        file = EXAMPLES / name
        if not file.is_file():
            raise PageError(f"there is no program examples/{name}")
        self.name = name
        self.nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        self.arguments = shlex.split(build.run(run).arguments) if run else []

    @functools.cached_property
    def names(self) -> set[str]:
        """Its functions, classes and arguments, and all that it calls or reads."""
        found: set[str] = set()
        for node in self.nodes:
            match node:
                case ast.FunctionDef() | ast.ClassDef():
                    found.add(node.name)
                case ast.arg():
                    found.add(node.arg)
                case ast.Attribute():
                    found |= {ast.unparse(node), node.attr}
                case ast.Name():
                    found.add(node.id)
                case ast.Constant(value=None):
                    found.add("None")
        return found

    def must_have(self, words: str) -> None:
        """Raise a PageError unless the program has such a name; a call is written with ()."""
        if words.partition("(")[0] not in self.names:
            raise PageError(f"examples/{self.name} has no {words}")

    def must_say(self, words: str) -> None:
        """Raise a PageError unless the program has such a text."""
        if not any(isinstance(one, ast.Constant) and one.value == words for one in self.nodes):
            raise PageError(f"examples/{self.name} does not say {words!r}")

    def count(self, expression: str) -> int:
        """How many items an expression of the program has, or what number it is."""
        wanted = ast.parse(expression, mode="eval").body
        text = ast.unparse(wanted)
        if not any(
            isinstance(one, ast.expr) and ast.unparse(one) == text for one in self.nodes
        ):
            raise PageError(f"examples/{self.name} has no {expression}")
        match wanted:
            case ast.Call(func=ast.Name(id="range"), args=bounds):
                return len(range(*map(self.number, bounds)))
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return len(items)
        return self.number(wanted)

    def number(self, node: ast.expr) -> int:
        """A number of the program: written there, a constant, or an argument of the run or of main."""
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.number(left) + self.number(right)
            case ast.Name(id=name):
                return self.named(name)
        raise PageError(f"examples/{self.name}: {ast.unparse(node)} is no number")

    def named(self, name: str) -> int:
        """The number of that name: from the run's arguments, a constant, or main's default."""
        option = f"--{name}"
        if option in self.arguments:
            return int(self.arguments[self.arguments.index(option) + 1])
        for node in self.nodes:
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=found)], value=ast.Constant(value=int(n))
                ):
                    if found == name:
                        return n
                case ast.FunctionDef(name="main", args=arguments):
                    given = arguments.args[len(arguments.args) - len(arguments.defaults) :]
                    for one, default in zip(given, arguments.defaults, strict=True):
                        if one.arg == name:
                            return self.number(default)
        raise PageError(f"examples/{self.name} does not say how many {name} are")


class Sheet:
    """What is drawn so far; along x in per cent between the boxes, and in pixels from there."""

    def __init__(self, left: float, right: float) -> None:
        self.left, self.right = left, right
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
        moved = f' transform="translate({chart.short(dx)})"' if dx else ""
        place = f' x="{chart.short(x)}%"' * bool(x) + f' y="{chart.short(y)}"'
        path = f'<svg{place} overflow="visible"><path d="{outline}"{moved}/></svg>'
        self.put(name, path, **look)

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
        width = self.right if right else self.left
        edge, x = (100, 0.0) if right else (0, -width)
        look = {"stroke_dasharray": "4 3"} if actor.dead else {}
        outline = f"M{chart.short(x)} 0h{chart.short(width)}v{chart.short(height)}h-{chart.short(width)}z"
        stroke = TROUBLE if actor.dead else chart.TEXT
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

    def tube(self, x: float, x2: float, y: float, way: Way) -> None:
        """A pipe of the operating system, and what is in it."""
        stroke = TROUBLE if way.trouble else chart.TEXT
        look = (
            {"fill": stroke, "fill_opacity": ".3"} if way.holds < 0 else {"fill": chart.PAPER}
        )
        place = f'x="{chart.short(x)}%" y="{chart.short(y - TUBE / 2)}" width="{chart.short(x2 - x)}%"'
        self.put("pipe", f'<rect {place} height="{TUBE}" rx="7"/>', stroke=stroke, **look)
        if way.holds > 0:
            first = 2 - 6 * way.holds
            dots = "".join(f"M{first + 12 * n:g}-4h8v8h-8z" for n in range(way.holds))
            self.shape("message", dots, (x + x2) / 2, y, fill=chart.RUN)

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
    """A drawing as an `<svg>` element."""
    left, right = (max(one.width for one in side) for side in (told.left, told.right))
    room = chart.NARROW - left - right
    if room < LEAST:
        raise PageError(f"{told.title}: only {room:.0f} pixels between its boxes")
    sheet = Sheet(left, right)
    top = (24 if told.heads else 3) + (14 if told.way.kind == "pipes" else 0)
    rows = max(len(told.left), len(told.right))
    least = middle_height(told.way, rows)
    tall = max(least, *(column_height(side) for side in (told.left, told.right)))
    middles = [
        boxes(sheet, side, side is told.right, top, tall) for side in (told.left, told.right)
    ]
    for head, (x, dx, anchor) in zip(
        told.heads, ((0, -left, ""), (100, right, "end")), strict=False
    ):
        if head.words:
            sheet.say(head, x, 9, dx, anchor)
    WAYS[told.way.kind](sheet, told, top + tall / 2, *middles)
    return chart.picture(
        told.title, in_words(told), top + tall + 3, (left + 1, right + 1), sheet.parts()
    )


def column_height(side: Sequence[Actor]) -> float:
    """How high the boxes of one side are together."""
    return sum(actor.height for actor in side) + GAP * (len(side) - 1)


def middle_height(way: Way, rows: int) -> float:
    """How much room there must be for what lies between."""
    if way.kind == "pipes":
        return rows * len(way.tubes) * (TUBE + (24 if way.trouble else 8)) + 8
    return 76


def boxes(
    sheet: Sheet, side: Sequence[Actor], right: bool, top: float, tall: float
) -> list[float]:
    """Draw the boxes of one side, as high as there is room; return where their middles are."""
    spare = (tall - column_height(side)) / len(side)
    middles = []
    for actor in side:
        height = actor.height + spare
        sheet.actor(actor, right, top, height)
        middles.append(top + height / 2)
        top += height + GAP
    return middles


def queue(
    sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]
) -> None:
    """All lead into one pipe, past a lock, and out of it."""
    way = told.way
    before, behind = way.locks
    enter = 28 if before else 20
    x, x2 = (44 if before else 24), (56 if behind else 88)
    leave = 72 if behind else x2
    for actor, one in zip(told.left, left, strict=True):
        sheet.line((0, one), (enter, y), trouble=before == "no lock", cut=actor.dead)
    sheet.line((enter, y), (x, y))
    for actor, one in zip(told.right, right, strict=True):
        sheet.line((leave, y), (100, one), cut=way.cut or actor.dead)
        sheet.head(100, one, "right")
    sheet.line((x2, y), (leave, y))
    sheet.tube(x, x2, y, way)
    names_at = (x + x2) / 2
    sheet.sign(way.name or "pipe", names_at, y - 18)
    if way.trouble:
        sheet.sign(way.trouble, names_at, y + 18, trouble=True)
    for lock, place in ((before, enter), (behind, leave)):
        if lock:
            wrong = lock != "lock"
            if lock != "no lock":
                sheet.lock(place, y, wrong)
            sheet.sign(lock, place, y + 18 if wrong else y - 18, trouble=wrong)


def pipes(
    sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]
) -> None:
    """A pipe for each, or one for each direction."""
    way, rows = told.way, left if len(left) >= len(right) else right
    apart = TUBE + (24 if way.trouble else 8)
    for number, middle in enumerate(rows):
        first = middle - apart * (len(way.tubes) - 1) / 2
        for at, direction in enumerate(way.tubes):
            y = first + apart * at
            sheet.line((0, y), (100, y))
            sheet.tube(14, 86, y, way)
            for edge, side in ((100, "right"), (0, "left")):
                if direction in (side, "both"):
                    sheet.head(edge, y, side)
            if not number and not at:
                sheet.sign(way.name or "pipe", 50, y - 19)
            if way.trouble:
                sheet.sign(way.trouble, 50, y + 18, trouble=True)


def server(
    sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]
) -> None:
    """A process between them that has the queue."""
    way = told.way
    for edge, side, ends in ((0, "left", left), (100, "right", right)):
        for one in ends:
            sheet.line((edge, one), (50, y))
            sheet.head(edge, one, side)
    half = len(way.name) * chart.LETTER / 2 + 6
    box = f"M-{half:g}-24h{2 * half:g}v48h-{2 * half:g}z"
    sheet.shape("box", box, 50, y, fill=chart.PAPER, stroke=chart.TEXT)
    store = f"M{8 - half:g} 4h{2 * half - 16:g}v12h-{2 * half - 16:g}z"
    sheet.shape("store", store, 50, y, fill="none", stroke=chart.RUN)
    sheet.sign(way.name, 50, y - 9)


def memory(
    sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]
) -> None:
    """A shelf that all of them see; below it the pipes for what has to be told."""
    way = told.way
    for one in left:
        sheet.line((0, one), (50, y))
    for one in right:
        sheet.line((50, y), (100, one))
        sheet.head(100, one, "right")
    slots = [f"M{12 * n - 22}-5h8v12h-8z" for n in range(4)]
    shelf = "M-24-10V9H24V-10M-12-8V9M0-8V9M12-8V9"
    sheet.shape("shelf", shelf, 50, y, fill=chart.PAPER, stroke=chart.TEXT)
    sheet.shape("message", "".join(slots[: way.holds]), 50, y, fill=chart.RUN)
    sheet.sign(way.name or "memory", 50, y - 20)
    if way.trouble:
        sheet.sign(way.trouble, 50, y + 21, trouble=True)


def event(
    sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]
) -> None:
    """What some wait for and one tells them."""
    way = told.way
    for one in left:
        sheet.line((0, one), (50, y))
    for one in right:
        sheet.line((50, y), (100, one))
        sheet.head(100, one, "right")
    sheet.shape("event", "M0-11 11 0 0 11-11 0z", 50, y, fill=chart.PAPER, stroke=TROUBLE)
    sheet.sign(way.name, 50, y - 22)
    sheet.sign(way.trouble, 50, y + 22, trouble=True)


def fork(sheet: Sheet, told: Drawing, y: float, left: list[float], right: list[float]) -> None:
    """Nothing lies between them: one was copied from the other."""
    way = told.way
    sheet.line((0, y), (100, y), cut=True)
    sheet.head(100, y, "right")
    sheet.sign(way.name, 50, y - 12)
    if way.trouble:
        sheet.sign(way.trouble, 50, y + 14, trouble=True)


WAYS = {
    "queue": queue,
    "pipes": pipes,
    "server": server,
    "memory": memory,
    "event": event,
    "fork": fork,
}


def in_words(told: Drawing) -> str:
    """A drawing for who doesn't see it."""
    sides = []
    for side, actors_there in (("Left", told.left), ("right", told.right)):
        each = (
            ", ".join(
                f"{line.words} {line.sign}".strip() + " (trouble)" * line.trouble
                for line in actor.all_lines
            )
            for actor in actors_there
        )
        sides.append(f"{side}: {'; '.join(each)}")
    way = told.way
    between = [lock for lock in way.locks if lock] + [way.name or "pipe", way.trouble]
    middle = ", ".join(filter(None, between))
    heads = " and ".join(head.words for head in told.heads if head.words)
    return f"{sides[0]}; between: {middle}; {sides[1]}.{f' Calls: {heads}.' if heads else ''}"
