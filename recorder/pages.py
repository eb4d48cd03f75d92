"""What the blocks on the pages call: ask for a run, and be sure of what came out of it."""

import ast
import functools
import multiprocessing
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder import store
from recorder.recording import Recording
from recorder.watch import BOUND, KEPT

DOCS = store.ROOT / "docs"
QUICK = bool(os.environ.get("QUICK"))  # a build for writing: a hundredth of the work
BLOCK = re.compile(r'^```python exec="on".*?\n(.*?)^```', re.MULTILINE | re.DOTALL)
METHODS = "fork spawn forkserver"


class WrongRun(Exception):
    """A run did not come out as its page says: the page can't be published."""


@dataclass(frozen=True)
class Run:
    """A run as a page asks for it, and what must come out of it.

    Attributes:
        program: The program, as a path below `examples/`.
        arguments: Its command-line arguments, as typed in a shell.
        status: The exit status it must have.
        total: The number that its last line must say, after `Total: `.
        says: What its output, or the stacks of its processes, must contain.
        hangs: Whether it must hang.
        quick: Further arguments in a quick build, which does a hundredth of the work.
        bound: Seconds after which it is ended.
    """

    program: str
    arguments: str = ""
    status: int = 0
    total: int | None = None
    says: str = ""
    hangs: bool = False
    quick: str = ""
    bound: float = BOUND

    @property
    def request(self) -> store.Request:
        """What the recorder is asked for."""
        arguments = f"{self.arguments} {self.quick}" if QUICK else self.arguments
        words = tuple(shlex.split(arguments))
        return store.Request(self.program, words, self.hangs, self.bound)

    def check(self, recording: Recording) -> None:
        """Compare what came out with what must come out.

        Raises:
            WrongRun: They differ. The message names the page, the command, what was expected,
                and what it printed.
        """
        wrong = []
        if self.hangs != recording.hung:
            wrong.append(
                ("that it hangs", "it ended") if self.hangs else ("an end", "it hung")
            )
        elif not self.hangs and recording.status != self.status:
            wrong.append((f"exit status {self.status}", str(recording.status)))
        if self.total is not None:
            total = self.total // 100 if QUICK and self.quick else self.total
            last = recording.lines[-1].text if recording.lines else "no output"
            if last != f"Total: {total:,}":
                wrong.append((f"Total: {total:,}", last))
        stacks = [line for process in recording.processes for line in process.stack]
        if self.says not in "\n".join([recording.output, *stacks]):
            wrong.append((repr(self.says), "none of it"))
        if recording.left_behind:
            wrong.append(("no process left behind", str(recording.left_behind)))
        if recording.dropped:
            wrong.append((f"at most {KEPT:,} bytes", f"{recording.dropped:,} more"))
        if wrong:
            said = "; ".join(f"expected {expected}, got {got}" for expected, got in wrong)
            pages = " and ".join(sorted({page for page, run, _ in planned() if run == self}))
            printed = "\n".join([*recording.output.splitlines()[-20:], *stacks])
            raise WrongRun(f"{pages}: {recording.command}: {said}. It printed:\n{printed}")


def each(
    program: str, methods: str = METHODS, arguments: str = "", **expected: Any
) -> list[Run]:
    """A run under each of the start methods that this platform has."""
    here = [method for method in methods.split() if method in available()]
    return [Run(program, f"--start-method {m} {arguments}".strip(), **expected) for m in here]


def available() -> list[str]:
    """The start methods of this platform."""
    return multiprocessing.get_all_start_methods()


def run(program: str, arguments: str = "", **expected: Any) -> Recording:
    """The recording of a program of `examples/`: kept from before, or made now.

    Args:
        program: The program, as a path below `examples/`.
        arguments: Its command-line arguments, as typed in a shell.
        **expected: What must come out of it; see [Run][recorder.pages.Run]. All are literals:
            the build reads them off the pages to know how many runs there are.

    Raises:
        WrongRun: The run did not come out as expected. It is not kept.
        FileNotFoundError: There is no such program.
    """
    return recorded(Run(program, arguments, **expected))


def run_each(program: str, methods: str = METHODS, **expected: Any) -> list[Recording]:
    """The recordings of a program under each of the start methods that this platform has.

    Args:
        program: The program, as a path below `examples/`. It takes `--start-method`.
        methods: The start methods, with spaces between them.
        **expected: What must come out of each run; see [Run][recorder.pages.Run].

    Raises:
        WrongRun: A run did not come out as expected. It is not kept.
        FileNotFoundError: There is no such program.
    """
    return [recorded(wanted) for wanted in each(program, methods, **expected)]


def recorded(wanted: Run) -> Recording:
    """The recording of a run that a page asks for, checked; see `run`."""
    if wanted in failures:  # a page asks again: no need to wait for it again
        raise WrongRun(failures[wanted])
    file = wanted.request.file()
    recording = known.get(file) or store.load(file) or progress.record(wanted.request)
    try:
        wanted.check(recording)
    except WrongRun as error:
        file.unlink(missing_ok=True)
        failures[wanted] = str(error)
        raise
    known[file] = recording
    return recording


known: dict[Path, Recording] = {}  # what this process has loaded and checked, by its file
failures: dict[Run, str] = {}  # what came out wrong in this build, and must stop it


def planned() -> Iterator[tuple[str, Run, bool]]:
    """Every run that a page asks for, read off its blocks.

    Yields:
        The page's name, the run, and whether it is one of those of a `run_each`.
    """
    for page in sorted(DOCS.rglob("*.md")):
        name = page.relative_to(DOCS.parent).as_posix()
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            yield from ((name, *found) for found in asked_in(block))


@functools.cache
def asked_in(block: str) -> list[tuple[Run, bool]]:
    """The runs that a block asks for, and whether each is one of those of a `run_each`."""
    found = []
    for call in ast.walk(ast.parse(block)):
        called = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
        if isinstance(call, ast.Call) and called in ("run", "run_each"):
            values = [ast.literal_eval(value) for value in call.args]
            named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            runs = [Run(*values, **named)] if called == "run" else each(*values, **named)
            found += [(run, called == "run_each") for run in runs]
    return found


def sayings(folder: str, label: str) -> Iterator[tuple[Path, str, str]]:
    """What the pages of a folder say on a line that starts with `**LABEL:**`.

    Yields:
        The page, its title, and the text behind the label.
    """
    for page in sorted((DOCS / folder).glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found = re.search(rf"^\*\*{label}:\*\* (.+)$", text, re.MULTILINE)
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        if found and title:
            yield page, title[1], found[1]


def bites(page: Path) -> list[str]:
    """The start methods under which a page runs a broken program to show that it fails."""
    name = page.relative_to(DOCS.parent).as_posix()
    found = [
        run.request.arguments[1]
        for asking, run, each_method in planned()
        if asking == name and each_method and run.program.endswith("_broken.py")
    ]
    return list(dict.fromkeys(found))


def every_run() -> list[Recording]:
    """The recordings of all runs that the pages ask for, in the order of the pages, each once."""
    recordings = [recorded(wanted) for wanted in dict.fromkeys(run for _, run, _ in planned())]
    return list(dict.fromkeys(recordings))


class Progress:
    """Shows which program runs, the how-manyth of how many, and for how long."""

    def __init__(self) -> None:
        self.seconds = 0.0  # the programs' own time in this build
        self.done = 0
        self.missing: set[store.Request] = set()  # when the first program of this build ran

    def record(self, request: store.Request) -> Recording:
        """Record a run, and show on standard error how it goes on."""
        if not self.missing:
            asked = {run.request for _, run, _ in planned()}
            self.missing = {other for other in asked if not other.file().exists()}
        self.missing.add(request)
        self.done += 1
        label = f"[{self.done}/{len(self.missing)}] {request.command}"
        live = sys.stderr.isatty()
        if not live:
            print(label, file=sys.stderr, flush=True)

        def tick(seconds: float) -> None:
            if live:
                print(f"\r{label} {seconds:.0f} s", end="", file=sys.stderr, flush=True)

        recording = store.record(request, tick)
        self.seconds += recording.wall
        start = "\r" if live else ""
        print(f"{start}{label} {recording.wall:.2f} s", file=sys.stderr, flush=True)
        return recording


progress = Progress()


def new_build() -> None:
    """Forget what went wrong and how long it took: `mkdocs serve` builds again and again."""
    global progress
    failures.clear()
    progress = Progress()
