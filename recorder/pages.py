"""What the blocks on the pages call: ask for a run, and be sure of what came out of it."""

import ast
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
from recorder.watch import KEPT

DOCS = store.ROOT / "docs"
QUICK = bool(os.environ.get("QUICK"))  # a build for writing: a hundredth of the work
BLOCK = re.compile(r'^```python exec="on".*?\n(.*?)^```', re.MULTILINE | re.DOTALL)


class WrongRun(Exception):
    """A run did not come out as its page says: the page can't be published."""


@dataclass(frozen=True)
class Run:
    """A run as a page asks for it, and what must come out of it."""

    request: store.Request
    status: int
    total: int | None

    def check(self, recording: Recording) -> None:
        """Compare what came out with what must come out.

        Raises:
            WrongRun: They differ. The message names the page, the command, what was expected, and
                what it printed.
        """
        hangs, wrong = self.request.hangs, []
        if hangs != recording.hung:
            wrong.append(("that it hangs", "it ended") if hangs else ("an end", "it hung"))
        elif not hangs and recording.status != self.status:
            wrong.append((f"exit status {self.status}", str(recording.status)))
        last = recording.lines[-1].text if recording.lines else ""
        if self.total is not None and last != f"Total: {self.total:,}":
            wrong.append((f"Total: {self.total:,}", last or "no output"))
        if recording.left_behind:
            wrong.append(("no process left behind", str(recording.left_behind)))
        if recording.dropped:
            wrong.append((f"at most {KEPT:,} bytes", f"{recording.dropped:,} more"))
        if wrong:
            said = "; ".join(f"expected {expected}, got {got}" for expected, got in wrong)
            pages = " and ".join(sorted({page for page, run in planned() if run == self}))
            stacks = [line for process in recording.processes for line in process.stack]
            printed = "\n".join([*recording.output.splitlines()[-20:], *stacks])
            raise WrongRun(f"{pages}: {recording.command}: {said}. It printed:\n{printed}")


def asked(
    program: str,
    arguments: str = "",
    *,
    status: int = 0,
    total: int | None = None,
    hangs: bool = False,
    quick: str = "",
) -> Run:
    """What a call of `run` with the same arguments asks for."""
    if QUICK and quick:
        arguments, total = f"{arguments} {quick}", total and total // 100
    request = store.Request(program, tuple(shlex.split(arguments)), hangs)
    return Run(request, status, total)


def run(program: str, arguments: str = "", **expected: Any) -> Recording:
    """The recording of a program of `examples/`: kept from before, or made now.

    Args:
        program: The program, as a path below `examples/`.
        arguments: Its command-line arguments, as typed in a shell.
        **expected: What must come out of it, and how it is run:
            `status` (int, default 0), its exit status;
            `total` (int), the number that its last line must say;
            `hangs` (bool), whether it must hang;
            `quick` (str), further arguments in a quick build, which does a hundredth of the work.
            All are literals: the build reads them off the pages to know how many runs there are.

    Raises:
        WrongRun: The run did not come out as expected. It is not kept.
        FileNotFoundError: There is no such program.
    """
    return recorded(asked(program, arguments, **expected))


def recorded(wanted: Run) -> Recording:
    """The recording of a run that a page asks for, checked; see `run`."""
    file = wanted.request.file()
    recording = known.get(file) or store.load(file) or progress.record(wanted.request)
    try:
        wanted.check(recording)
    except WrongRun as error:
        file.unlink(missing_ok=True)
        failures.append(str(error))
        raise
    known[file] = recording
    return recording


known: dict[Path, Recording] = {}  # what this process has loaded and checked, by its file
failures: list[str] = []  # what came out wrong in this build, and must stop it


def planned() -> Iterator[tuple[str, Run]]:
    """Every run that a page asks for, read off its blocks, with the page's name."""
    for page in sorted(DOCS.rglob("*.md")):
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for call in ast.walk(ast.parse(block)):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "run":
                    values = [ast.literal_eval(value) for value in call.args]
                    named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
                    yield page.relative_to(DOCS.parent).as_posix(), asked(*values, **named)


def every_run() -> list[Recording]:
    """The recordings of all runs that the pages ask for, each once, in the order of the pages."""
    return [recorded(wanted) for wanted in dict.fromkeys(run for _, run in planned())]


class Progress:
    """Shows which program runs, the how-manyth of how many, and for how long."""

    def __init__(self) -> None:
        self.seconds = 0.0  # the programs' own time in this build
        self.done = 0

    def record(self, request: store.Request) -> Recording:
        """Record a run, and show on standard error how it goes on."""
        asked = {run.request for _, run in planned()}
        missing = {other for other in asked if store.load(other.file()) is None} | {request}
        label = f"[{self.done + 1}/{self.done + len(missing)}] {request.command}"
        self.done += 1
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
