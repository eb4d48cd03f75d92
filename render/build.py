"""One build of the site: it has each run recorded once, checks it, and remembers what is wrong."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from recorder import store
from recorder.machine import cores, this_machine
from recorder.recording import Recording
from recorder.store import RunSpec
from render.runs import PageError, Run, read_runs
from render.screen import terminal_line

SIDE_BY_SIDE = 3  # runs on each core, whose time is no figure: they wait more than they work


class Build:
    """The runs of the site, and what came out of them in this build.

    Attributes:
        page: The page that is being made, as a path below the project; "" when nobody says.
        failures: One message for each thing that is wrong and must stop the build.
        seconds: How long programs ran in this build: untimed ones side by side, then timed ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # one page asks at a time: no program runs twice
        self.begin()

    def begin(self) -> None:
        """Forget everything: `mkdocs serve` builds again and again."""
        self.page = ""
        self.failures: dict[str, None] = {}
        self.seconds = 0.0
        self.progress = Progress()
        self._runs: dict[str, Run] | None = None
        self._recordings: dict[RunSpec, Recording] = {}
        self._wrong: dict[str, str] = {}  # what came out wrong, by the run's name

    @property
    def runs(self) -> dict[str, Run]:
        """Every run of the site, by its name."""
        if self._runs is None:
            self._runs = read_runs()
        return self._runs

    def run(self, name: str) -> Run:
        """The run of that name.

        Raises:
            PageError: `runs.toml` has none, or is wrong itself.
        """
        if name not in self.runs:
            raise PageError(f"examples/runs.toml has no run named {name!r}")
        return self.runs[name]

    def recordings(self, name: str, everywhere: bool = False) -> list[Recording]:
        """The recordings of a run, one for each of its start methods: kept from before, or made now.

        Args:
            name: The run.
            everywhere: On each Python that it is run on, and not on the first of them only.

        Raises:
            PageError: There is no such run, or it did not come out as `runs.toml` says.
        """
        specs = self.run(name).specs(everywhere)
        with self._lock:
            if not all(spec in self._recordings for spec in specs):
                self._load_all()
        if name in self._wrong:
            raise PageError(self._wrong[name])
        return [self._recordings[spec] for spec in specs]

    def fail(self, error: PageError) -> str:
        """Remember that the build must not be published; return the message, with its page."""
        first, _, rest = str(error).partition("\n")
        if any(rest and said.endswith(rest) for said in self.failures):
            rest = "(as above)"  # several pages show the same run
        where = f"{self.page}: " if self.page else ""
        message = f"{where}{first}\n{rest}".rstrip("\n")
        self.failures[message] = None
        return message

    def _load_all(self) -> None:
        """Load each recording of the site, and record what is missing: all of it, not page by page."""
        missing: list[tuple[Run, RunSpec]] = []
        for run in self.runs.values():
            for spec in run.specs(everywhere=True):
                if kept := store.load(spec.file()):
                    self._keep(run, spec, kept)
                else:
                    missing.append((run, spec))
        self.progress.of += len(missing)
        # Those that may take long come first: none of them is left over for the end.
        missing.sort(key=lambda one: -one[0].timeout)
        started = time.perf_counter()
        with ThreadPoolExecutor(SIDE_BY_SIDE * cores()) as pool:
            try:
                list(pool.map(self._record, [one for one in missing if not one[0].timed]))
            except BaseException:
                self.progress.stopped = True
                pool.shutdown(cancel_futures=True)
                raise
        for one in missing:
            if one[0].timed:
                self._record(one)
        self.seconds += time.perf_counter() - started

    def _record(self, one: tuple[Run, RunSpec]) -> None:
        """Run a program now, and keep the recording if it came out as it must."""
        run, spec = one
        own = spec.python == sys.executable
        where = "" if own else f" on {this_machine(spec.python).python}"
        with self.progress.shown(spec.command + where) as tick:
            recording = store.record(spec, tick)
        self._keep(run, spec, recording)

    def _keep(self, run: Run, spec: RunSpec, recording: Recording) -> None:
        """Check what came out; pages have it as a terminal shows it."""
        lines = (replace(line, text=terminal_line(line.text)) for line in recording.lines)
        recording = replace(recording, lines=tuple(lines))
        try:
            run.check(recording, spec.start_method)
        except PageError as error:
            self._wrong[run.name] = str(error)
            spec.file().unlink(missing_ok=True)  # it is run again, also if nothing changes
        self._recordings[spec] = recording


class Progress:
    """Shows on standard error which programs run, for how long, and how many have run of how many."""

    def __init__(self) -> None:
        self.stopped = False  # set: each program that still runs is ended
        self.begun = self.of = 0
        self._running: dict[str, float] = {}  # since when
        self._lock = threading.Lock()
        self._live = sys.stderr is not None and sys.stderr.isatty()

    @contextmanager
    def shown(self, command: str) -> Iterator[Callable[[float], None]]:
        """Show a program as long as the block lasts; gives what is to be called as time goes on."""
        with self._lock:
            self.begun += 1
            label = f"[{self.begun}/{self.of}] {command}"
            self._running[label] = time.perf_counter()
            if not self._live:
                self._print(label)
        yield self._tick
        with self._lock:
            took = time.perf_counter() - self._running.pop(label)
            self._print(f"{label} {took:.2f} s")

    def _tick(self, _: float) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        if self._live:
            with self._lock:
                now = time.perf_counter()
                line = ", ".join(
                    f"{one} {now - at:.0f} s" for one, at in self._running.items()
                )
                self._print(line[: shutil.get_terminal_size().columns - 1], end="")

    def _print(self, text: str, end: str = "\n") -> None:
        if sys.stderr is not None:  # it is None when somebody has closed it
            start = "\r\x1b[K" if self._live else ""
            print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


build = Build()  # the one that pages ask; each build of MkDocs begins it anew
