"""The cast: who sends what through which channel, as `cast.toml` describes it for each drawing.

What a drawing names in code, and how many workers there are, is read from its program: a name that
the program does not have stops the build.
"""

import ast
import functools
import html
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from render.runs import EXAMPLES, PageError
from render.signs import Actor, Drawing, Line, Way, draw

DESCRIPTIONS = Path(__file__).with_name("cast.toml")
KEYS = {"program", "title", "caption", "heads", "left", "way", "right"}
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
    except (KeyError, NameError, TypeError, ValueError, PageError) as error:
        raise PageError(f"render/cast.toml, {name}: {type(error).__name__}: {error}") from None
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
    program = Program(told["program"])
    left, right = (
        tuple(actor for one in told[side] for actor in actors(one, program))
        for side in ("left", "right")
    )
    heads = tuple(Line.read(words) for words in told.get("heads", ()))
    way: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in told["way"].items()
    }
    lines = [*heads, *(line for actor in (*left, *right) for line in actor.all_lines)]
    in_caption = re.findall(r"`(.+?)`", told["caption"])
    for words in (*in_caption, *(line.words for line in lines if line.code)):
        program.must_have(words)
    return Drawing(told["title"], told["caption"], (left, right), Way(**way), heads)


def actors(told: dict[str, Any], program: "Program") -> Iterator[Actor]:
    """The processes of one description: one, or as many as the program has of it."""
    told = dict(told)
    name, many, dead = told.pop("name"), told.pop("many", ""), told.pop("dead", 0)
    first = told.pop("first", 1)
    lines = tuple(map(Line.read, told.pop("lines", ())))
    own = told.pop("each", {})  # further lines of one of them, by its number
    if told:
        raise ValueError(f"what is {', '.join(told)}?")
    if name.startswith("'"):
        program.must_say(name.strip("'"))
    elif name.partition(" ")[0] not in ROLES:
        raise ValueError(f"nobody of the cast is called {name!r}")
    name = name.strip("'")
    for number in range(first, first + program.count(many)) if many else (0,):
        called = f"{name} {number}" if many else name
        further = tuple(map(Line.read, own.get(str(number), ())))
        is_dead = dead is True or number == dead != 0
        yield Actor(called, (*lines, *further), is_dead)


class Program:
    """The text of a program: its names, its words, and how many processes it starts."""

    def __init__(self, name: str) -> None:
        file = EXAMPLES / name
        if not file.is_file():
            raise PageError(f"there is no program examples/{name}")
        self.name = name
        self.nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))

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
        text = ast.unparse(ast.parse(expression, mode="eval"))
        if text not in {ast.unparse(one) for one in self.nodes if isinstance(one, ast.expr)}:
            raise PageError(f"examples/{self.name} has no {expression}")
        found = eval(text, {"range": range}, self.values())
        return found if isinstance(found, int) else len(found)

    def values(self) -> dict[str, Any]:
        """Its constants, and what its main takes when it is told nothing else."""
        found: dict[str, Any] = {}
        for node in self.nodes:  # the outermost come first
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                    found.setdefault(name, value)
                case ast.FunctionDef(
                    name="main", args=ast.arguments(args=args, defaults=given)
                ):
                    for one, default in zip(reversed(args), reversed(given), strict=False):
                        constant = isinstance(default, ast.Constant) and default.value
                        found[one.arg] = constant or found.get(ast.unparse(default))
        return found
