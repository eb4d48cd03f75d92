"""The cast: who sends what through which channel, as `cast.toml` describes it for each drawing.

What a drawing names in code, and how many workers there are, is read from its program: a name that
the program does not have stops the build.
"""

import ast
import functools
import html
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from render.build import build
from render.runs import EXAMPLES, PageError
from render.signs import Actor, Drawing, Line, Way, draw

DESCRIPTIONS = Path(__file__).with_name("cast.toml")
KEYS = {"program", "run", "title", "caption", "heads", "left", "way", "right"}
ROLES = {"parent", "worker", "producer", "consumer"}


def drawing(*names: str) -> str:
    """Drawings of `cast.toml`, beside each other, each with its title and how to read it."""
    figures = "".join(figure_of(name) for name in names)
    return f'<div class="cast" data-search-exclude>{figures}</div>'


def figure_of(name: str) -> str:
    """One drawing, once its program has all that it names."""
    if name not in descriptions():
        raise PageError(f"render/cast.toml has no drawing named {name!r}")
    try:
        found = described(descriptions()[name])
        picture = draw(found)
    except (KeyError, TypeError, ValueError) as error:
        raise PageError(f"render/cast.toml, {name}: {type(error).__name__}: {error}") from None
    except PageError as error:
        raise PageError(f"render/cast.toml, {name}: {error}") from None
    caption = re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(found.caption))
    title = f"<strong>{html.escape(found.title)}.</strong>"
    return f"<figure>{picture}<figcaption>{title} {caption}</figcaption></figure>"


@functools.cache
def descriptions() -> dict[str, dict[str, Any]]:
    """All of `cast.toml`."""
    return tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8"))


def described(told: dict[str, Any]) -> Drawing:
    """A drawing from its description."""
    if unknown := told.keys() - KEYS:
        raise ValueError(f"what is {', '.join(sorted(unknown))}?")
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
    one, first = told.pop("number", 0), told.pop("first", 1)
    lines = tuple(map(Line.read, told.pop("lines", ())))
    own = told.pop("each", {})  # further lines of one of them, by its number
    if told:
        raise ValueError(f"what is {', '.join(told)}?")
    if name.startswith("'"):
        program.must_say(name.strip("'"))
    elif name not in ROLES:
        raise ValueError(f"nobody of the cast is called {name!r}")
    numbers = range(first, first + program.count(many)) if many else (one,)
    name = name.strip("'")
    for number in numbers:
        called = f"{name} {number}" if many or number else name
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
