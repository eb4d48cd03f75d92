"""Reads `examples/runs.toml`: every run of the site, said once, and what must come out of it."""

import dataclasses
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from recorder.machine import Interpreter, interpreter
from recorder.recording import Recording, decode
from recorder.store import RunSpec
from recorder.watch import TIMEOUT
from render import interpreters
from render.interpreters import QUICK

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
RUNS_FILE = EXAMPLES / "runs.toml"
LOCK = ROOT / "requirements.txt"
STORE = ROOT / ".recordings"


class PageError(Exception):
    """A page, or what it asks for, is wrong: one line says what, and no site is published."""


@dataclass(frozen=True)
class Outcome:
    """What may come out of a run.

    Attributes:
        status: The exit status.
        total: The number that the last line says after `Total: `, in a full build.
        contains: What the output, or the stacks of the processes, contain.
        lacks: What neither of them contains.
        hangs: Whether it hangs.
        fault: Whether this is the fault that a broken program shows.
        start_methods: The start methods that this holds for; none: all.
        python: The Python versions that this holds for, for example ">=3.13,<3.14"; "": all.
    """

    status: int = 0
    total: int | None = None
    contains: str = ""
    lacks: str = ""
    hangs: bool = False
    fault: bool = True
    start_methods: tuple[str, ...] = ()
    python: str = ""

    def applies(self, start_method: str, python: str) -> bool:
        """Whether this is to be expected under a start method, on a Python, named "CPython 3.14.2"."""
        version = python.split()[1]
        fits = SpecifierSet(self.python).contains(version, prereleases=True)
        return fits and (not self.start_methods or start_method in self.start_methods)

    def differences(self, recording: Recording) -> Iterator[str]:
        """What came out otherwise, in words."""
        text = "\n".join([recording.output, *stacks_of(recording)])
        if self.hangs != recording.hung or recording.ended == "timeout":
            came = {"exit": "it ended", "hang": "it hung", "timeout": "it ran to its timeout"}
            wanted = "that it hangs" if self.hangs else "an end"
            yield f"expected {wanted}, got: {came[recording.ended]}"
        elif not self.hangs and recording.status != self.status:
            yield f"expected exit status {self.status}, got {recording.status}"
        if self.total is not None:
            last = recording.lines[-1].text if recording.lines else "no output"
            if last != f"Total: {self.total:,}":
                yield f"expected Total: {self.total:,}, got {last}"
        if self.contains not in text:
            yield f"expected {self.contains!r}, got none of it"
        if self.lacks and self.lacks in text:
            yield f"expected no {self.lacks!r}"


@dataclass(frozen=True)
class Run:
    """A run of the site, as `runs.toml` says it.

    Attributes:
        name: How pages and tests call it.
        program: The program, as a path below `examples/`.
        beside: Programs that it imports: paths below `examples/`, copied into its folder with it.
        arguments: Its command-line arguments, as typed in a shell.
        quick: Further arguments in a quick build, which does a hundredth of the work.
        start_methods: It is run once under each of these; none: once, with no such option.
        outcomes: What may come out of it: one of those that apply.
        timeout: Seconds after which it is ended.
        timed: Whether its time is a figure: nothing else runs beside it then.
        needs: The versions of Python that it can run on, as ">=3.14"; "": all. Where the build's own
            is none of them, it is run on the newest one that is here.
        pythons: The versions of Python that it is run on besides, each that is here; "": none. A quick
            build has its own Python only.
        traced: Whether its processes note their calls: then no figure comes from it.
    """

    name: str
    program: str
    beside: tuple[str, ...] = ()
    arguments: str = ""
    quick: str = ""
    start_methods: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    timeout: float = TIMEOUT
    timed: bool = False
    needs: str = ""
    pythons: str = ""
    traced: bool = False

    def interpreters(self) -> list[Interpreter]:
        """The Pythons that it is run on, the build's own first; none: it can't be run here."""
        if not self.pythons and fits_version(interpreter(), self.needs):
            return [interpreter()]  # no other need be looked for
        able = [one for one in interpreters.find() if fits_version(one, self.needs)]
        return able[:1] + [
            one for one in able[1:] if self.pythons and fits_version(one, self.pythons)
        ]

    def specs(self, everywhere: bool = False) -> list[RunSpec]:
        """What the recorder is asked for on the first of its Pythons, or on each."""
        found = self.interpreters()
        pythons = found if everywhere else found[:1]
        return [spec for python in pythons for spec in self.specs_on(python)]

    def specs_on(self, python: Interpreter) -> list[RunSpec]:
        """What the recorder is asked for on one Python: a run, or one for each start method that it has."""
        methods = [one for one in self.start_methods if one in python.start_methods]
        return [self.spec(one, python) for one in methods or [""] * (not self.start_methods)]

    def spec(self, start_method: str = "", python: Interpreter | None = None) -> RunSpec:
        """What the recorder is asked for, under one start method, on one Python: by default the build's own."""
        python = python or interpreter()
        text = f"{self.arguments} {self.quick}" if QUICK else self.arguments
        option = ("--start-method", start_method) if start_method else ()
        return RunSpec(
            program=EXAMPLES / self.program,
            beside=tuple(EXAMPLES / one for one in self.beside),
            name=self.program,
            arguments=(*option, *shlex.split(text)),
            hangs=any(one.hangs for one in self.expected(start_method, python.name)),
            timeout=self.timeout,
            traced=self.traced,
            timed=self.timed,
            start_method=start_method,
            python=python.executable,
            lock=LOCK,
            store=STORE,
        )

    def expected(self, start_method: str, python: str = "") -> list[Outcome]:
        """What may come out under a start method, on a Python: by default the build's own."""
        python = python or interpreter().name
        found = [one for one in self.outcomes if one.applies(start_method, python)]
        if QUICK and self.quick:
            found = [dataclasses.replace(o, total=o.total and o.total // 100) for o in found]
        return found

    def check(self, recording: Recording, start_method: str = "") -> None:
        """Compare what came out with what may come out.

        Raises:
            PageError: They differ. The message names the run and the command, and shows the output.
        """
        python = recording.machine.python
        outcomes = [
            "; ".join(one.differences(recording))
            for one in self.expected(start_method, python)
        ]
        wrong = []
        if all(outcomes):  # also where there is none
            no_outcome = f"runs.toml has no outcome for {python} and this start method"
            wrong.append(" or ".join(outcomes) or no_outcome)
        if recording.left_behind:
            wrong.append(f"expected no process left behind, got {recording.left_behind}")
        if recording.dropped:
            wrong.append(f"printed {recording.dropped:,} bytes more than are kept")
        if recording.leftover:
            wrong.append(f"left what can't be removed: {', '.join(recording.leftover)}")
        if wrong:
            printed = "\n".join([*recording.output.splitlines()[-20:], *stacks_of(recording)])
            raise PageError(
                f"run {self.name}: {recording.command}: {'; '.join(wrong)}. It printed:\n{printed}"
            )

    def failing_start_methods(self, python: Interpreter | None = None) -> list[str]:
        """The start methods under which the fault shows on a Python: by default the build's own."""
        python = python or interpreter()
        found = [spec.start_method for spec in self.specs_on(python)]
        return [m for m in found if any(one.fault for one in self.expected(m, python.name))]


def stacks_of(recording: Recording) -> list[str]:
    """The lines of the stacks of all processes of a run that was ended by the recorder."""
    return [line for process in recording.processes for line in process.stack]


def fits_version(python: Interpreter, versions: str) -> bool:
    """Whether a Python is of some versions; "": all."""
    return SpecifierSet(versions).contains(python.version, prereleases=True)


def read_runs(file: Path = RUNS_FILE) -> dict[str, Run]:
    """Every run of the site, by its name, in the order of the file.

    Raises:
        PageError: The file says something that is not known, or names a program that is not there.
    """
    where = f"{file.parent.name}/{file.name}"
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PageError(f"{where}: {error}") from None
    return {name: read_run(name, table, where, file.parent) for name, table in tables.items()}


def read_run(name: str, table: Any, where: str, examples: Path) -> Run:
    """One run, from its table; a key that is none of a run is one of each of its outcomes."""
    whose = {one.name for one in dataclasses.fields(Run)}
    outcomes = table.get("outcomes", [{}]) if isinstance(table, dict) else None
    if not isinstance(outcomes, list) or not all(isinstance(one, dict) for one in outcomes):
        raise PageError(f"{where}: {name}: a run and each of its outcomes are tables")
    try:
        own = {key: value for key, value in table.items() if key in whose}
        shared = {key: value for key, value in table.items() if key not in whose}
        read = [shared | one for one in outcomes]
        run: Run = decode(Run, own | {"name": name, "outcomes": read})
        run.spec()  # its arguments can be read
        SpecifierSet(",".join([run.needs, run.pythons, *(one.python for one in run.outcomes)]))
        for program in (run.program, *run.beside):
            file_of(program, examples)
    except (PageError, TypeError, ValueError) as error:
        raise PageError(f"{where}: {name}: {error}") from None
    return run


def file_of(program: str, examples: Path = EXAMPLES) -> Path:
    """The file of a program, which is named by its path below `examples/`."""
    file = (examples / program).resolve()
    if not file.is_relative_to(examples.resolve()) or not file.is_file():
        raise PageError(f"there is no program examples/{program}")
    return file
