"""Run one program in a fresh process and an empty folder, and watch it from outside.

The program is not changed and not told. Its output is read as it comes, its process tree is
sampled with psutil, and the run is bounded: at the bound, or when a program that is expected to
hang stands still, every process says where it is stuck and the whole tree is ended.
"""

import contextlib
import datetime
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from recorder.machine import this_machine
from recorder.recording import Line, Process, Recording

BOUND = 60.0  # seconds a run may take
STILL = 0.5  # seconds without CPU time or output after which an expected hang has shown itself
GRACE = 2.0  # seconds that processes may take to end after the program has
KEPT = 256 * 1024  # bytes of output that are kept
TAG = "BETWEEN_PROCESSES_RUN"  # in the environment of every process of a run, however far it strays
TRACKER = "multiprocessing.resource_tracker"
HELPERS = (TRACKER, "multiprocessing.forkserver")


def watch(
    program: Path,
    arguments: Sequence[str] = (),
    *,
    name: str = "",
    bound: float = BOUND,
    hangs: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Recording:
    """Run `python PROGRAM ARGUMENTS` to its end, or to the bound, and return what happened.

    Args:
        program: The file to run. It is copied to an empty folder and run there.
        arguments: Its command-line arguments.
        name: What to call it in the recording; by default the file's name.
        bound: Seconds after which the run is ended.
        hangs: Whether it is expected to hang: it is then ended as soon as it stands still.
        progress: Called after each sample with the seconds since the start.

    Returns:
        The recording. No process of the run is left, also when this function is interrupted.

    Raises:
        FileNotFoundError: There is no such program.
    """
    recorded = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with tempfile.TemporaryDirectory() as folder, signals_raise():
        shutil.copy(program, folder)
        run = Run(folder, [program.name, *arguments])
        try:
            hung = run.watch(bound, STILL if hangs else bound, progress)
            if hung:
                run.ask_where()
            left = run.end_tree(0 if hung else GRACE)
            run.output.mark()
        except BaseException:
            run.end_tree(0)
            raise
        finally:
            run.output.close()
    clean = cleaner(folder)
    return Recording(
        program=name or program.name,
        arguments=tuple(arguments),
        recorded=recorded,
        machine=this_machine(),
        start_method=start_method(arguments),
        lines=tuple(Line(round(at, 4), clean(text)) for at, text in run.output.lines),
        dropped=run.output.dropped,
        status=None if hung else run.status,
        hung=hung,
        wall=round(run.wall, 4),
        cpu=round(max(run.waited_cpu, sum(p.samples[-1][1] for p in run.known.values())), 3),
        peak_memory=run.peak_memory,
        left_behind=0 if hung else left,
        processes=tuple(
            process.frozen(run.wall, clean)
            for process in sorted(run.known.values(), key=lambda process: process.started)
        ),
    )


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt: `finally` runs."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    names = ("SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only the main thread may set handlers
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def start_method(arguments: Sequence[str]) -> str:
    """The start method that the arguments name, or else this Python's default."""
    for option, value in itertools.pairwise(arguments):
        if option == "--start-method":
            return value
    return this_machine().start_method


def cleaner(folder: str) -> Callable[[str], str]:
    """Return a function that takes the machine's own paths out of a line of output."""
    library = sysconfig.get_path("stdlib")
    paths = {
        str(Path(folder).resolve()) + os.sep: "",
        folder + os.sep: "",
        sysconfig.get_path("purelib"): "<python>/site-packages",
        library: "<python>",
        os.path.realpath(library): "<python>",
        sys.executable: "python",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        tempfile.gettempdir() + os.sep: "<tmp>/",
        str(Path.home()) + os.sep: "~/",
    }
    longest_first = sorted(paths, key=len, reverse=True)

    def clean(text: str) -> str:
        for path in longest_first:
            text = text.replace(path, paths[path])
        return text

    return clean


class Output:
    """Reads a run's output through one pipe and keeps each line with the moment it came."""

    MARK = b"\0mark\0\n"  # written by the recorder itself, to know what came before it

    def __init__(self, started: float) -> None:
        self.started = started
        self.lines: list[tuple[float, str]] = []
        self.limit = KEPT
        self.dropped = 0
        self.marks: queue.Queue[int] = queue.Queue()
        self.reader, self.writer = os.pipe()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        pending = b""
        while chunk := os.read(self.reader, 65536):
            at = time.perf_counter() - self.started
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                if line.endswith(self.MARK[:-1]):
                    rest = line.removesuffix(self.MARK[:-1])
                    if rest:  # a last line without its line end
                        self.keep(at, rest)
                    self.marks.put(len(self.lines))
                else:
                    self.keep(at, line)
            if len(pending) > KEPT:  # one endless line must not fill the memory
                self.keep(at, pending)
                pending = b""
        os.close(self.reader)

    def keep(self, at: float, line: bytes) -> None:
        if len(line) > self.limit:
            self.dropped += len(line) + 1
            self.limit = 0  # what follows a gap is no longer what the program printed
        else:
            self.limit -= len(line) + 1
            text = line.removesuffix(b"\r").decode(errors="backslashreplace")
            self.lines.append((at, text))

    def mark(self) -> int:
        """Wait until all that was written up to now is read; return the number of lines."""
        os.write(self.writer, self.MARK)
        return self.marks.get(timeout=30)

    def close(self) -> None:
        os.close(self.writer)  # the reader ends when the last process of the run has


@dataclass
class Seen:
    """A process of a run, as far as it has been seen."""

    process: psutil.Process
    parent: int
    started: float
    role: str = ""
    ended: float | None = None
    samples: list[tuple[float, float]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)

    def frozen(self, wall: float, clean: Callable[[str], str]) -> Process:
        ended = wall if self.ended is None else min(self.ended, wall)
        return Process(
            pid=self.process.pid,
            parent=self.parent,
            role=self.role,
            started=round(min(self.started, ended), 4),
            ended=round(ended, 4),
            samples=tuple((round(at, 4), round(cpu, 2)) for at, cpu in self.samples),
            stack=tuple(clean(line) for line in self.stack),
        )


class Run:
    """One run under way: its first process, its output, and every process seen so far."""

    def __init__(self, folder: str, command: Sequence[str]) -> None:
        self.tag = uuid.uuid4().hex
        self.known: dict[int, Seen] = {}
        self.samples = 0
        self.peak_memory = 0
        self.status: int | None = None
        self.wall = 0.0
        self.waited_cpu = 0.0
        self.ended = threading.Event()
        self.started = time.perf_counter()
        self.output = Output(self.started)
        with no_core_files():
            self.first = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env=environment(folder, self.tag),
                stdin=subprocess.DEVNULL,
                stdout=self.output.writer,
                stderr=self.output.writer,
                start_new_session=True,
            )
        self.created = psutil.Process(self.first.pid).create_time()
        self.waiter = threading.Thread(target=self.wait, daemon=True)
        self.waiter.start()

    def wait(self) -> None:
        """Wait for the first process, for the exact moment of its end and its CPU time."""
        if sys.platform == "win32":
            self.status = self.first.wait()
        else:
            _, status, usage = os.wait4(self.first.pid, 0)
            self.first.returncode = self.status = os.waitstatus_to_exitcode(status)
            self.waited_cpu = usage.ru_utime + usage.ru_stime  # its own and its children's
        self.wall = time.perf_counter() - self.started
        self.ended.set()

    def watch(self, bound: float, still: float, progress: Callable[[float], None]) -> bool:
        """Sample the run until it ends (False), or stands still or comes to its bound (True)."""
        before: object = None
        moved = at = 0.0
        before_watching = time.thread_time()
        while at < bound:
            state = self.sample(at)
            if state != before:
                before, moved = state, at
            if at - moved >= still:
                break
            progress(at)
            # Often at the start, then less often, and never more than 2 % of one core in the end.
            spent = time.thread_time() - before_watching
            rested = (spent - 0.02) / 0.015 - at
            if self.ended.wait(max(0.005, min(at / 20, 0.1), rested)):
                return False
            at = time.perf_counter() - self.started
        self.wall = at
        return True

    def sample(self, at: float) -> object:
        """Note what each process has used so far; return what changes as long as any of them works."""
        self.samples += 1
        # To look for new processes costs far more than to look at known ones.
        search = self.samples < 40 or self.samples % 4 == 0
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.first.pid)
            for process in (first, *first.children(recursive=True)) if search else ():
                if process.pid not in self.known:
                    started = max(process.create_time() - self.created, 0.0)
                    self.known[process.pid] = Seen(process, process.ppid(), started)
        memory, state = 0, []
        for pid, seen in self.known.items():
            if seen.ended is not None:
                continue
            try:
                with seen.process.oneshot():
                    status, times = seen.process.status(), seen.process.cpu_times()
                    if status == psutil.STATUS_ZOMBIE:
                        raise psutil.NoSuchProcess(pid)
                    cpu = times.user + times.system
                    memory += seen.process.memory_info().rss
                    if len(seen.samples) < 3:  # later it is what it will be
                        seen.role = self.role(seen)
            except psutil.NoSuchProcess:
                seen.ended = at
                seen.samples = seen.samples or [(at, 0.0)]
                seen.role = seen.role or "worker"
            else:
                seen.samples.append((at, cpu))
                # One that runs, or waits for the disk, is not stuck, even if it gets no CPU time.
                busy = status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
                state.append((pid, cpu, at if busy else None))
        self.peak_memory = max(self.peak_memory, memory)
        return state, len(self.output.lines), self.output.dropped

    def role(self, seen: Seen) -> str:
        if seen.process.pid == self.first.pid:
            return "parent"
        parent = self.known.get(seen.parent)
        if parent is not None and parent.role == "helper":
            return "worker"  # forked by the fork server, with its command line
        return "helper" if started_as(seen.process, *HELPERS) else "worker"

    def ask_where(self) -> None:
        """Let each process print where it is stuck, the parent first, and end it.

        Faulthandler, enabled in the environment, answers SIGABRT with every thread's stack. All of
        them are stopped before the first is asked, so that none moves on when another one ends.
        """
        self.output.limit += KEPT
        if sys.platform == "win32":
            return  # no signal there asks a process for its stack
        alive = [seen for seen in self.known.values() if seen.ended is None]
        stuck = [seen for seen in alive if seen.role != "helper"]
        kept = self.output.mark()
        for seen in stuck:
            with contextlib.suppress(psutil.NoSuchProcess):
                seen.process.send_signal(signal.SIGSTOP)
        for seen in stuck:
            with contextlib.suppress(psutil.NoSuchProcess):
                seen.process.send_signal(signal.SIGABRT)
                seen.process.send_signal(signal.SIGCONT)
                self.gone([seen.process], 2)
            self.output.mark()
            seen.stack = [text for _, text in self.output.lines[kept:]]
            del self.output.lines[kept:]
        # The helpers end by themselves: the resource tracker takes the semaphores away before.
        self.gone([seen.process for seen in alive if seen.role == "helper"], 1)
        self.output.mark()
        del self.output.lines[kept:]

    def end_tree(self, grace: float) -> int:
        """End every process of the run that is left after the grace, and return how many were."""
        left = self.gone(self.tagged(), grace)
        count = len(left)
        while left:
            # The resource tracker ends by itself, when it has taken the semaphores away.
            others = [process for process in left if not started_as(process, TRACKER)]
            for process in others or left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.gone(left, 2)
            left = self.gone(self.tagged(), 0)
        self.waiter.join(2)
        return count

    def tagged(self) -> list[psutil.Process]:
        """Every process with the run's tag in its environment, or seen before."""
        found = {seen.process.pid: seen.process for seen in self.known.values()}
        if not self.ended.is_set():
            with contextlib.suppress(psutil.NoSuchProcess):  # too young to have the tag
                found[self.first.pid] = psutil.Process(self.first.pid)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(TAG) == self.tag:
                    found[process.pid] = process
        return list(found.values())

    def gone(self, processes: list[psutil.Process], grace: float) -> list[psutil.Process]:
        """Wait up to `grace` seconds for the processes to end; return those that have not."""
        deadline = time.perf_counter() + grace
        while left := [process for process in processes if alive(process)]:
            if time.perf_counter() >= deadline:
                break
            time.sleep(0.002)
        return left


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started_as(process: psutil.Process, *modules: str) -> bool:
    """Whether one of these modules stands in the command with which a process was started."""
    with contextlib.suppress(psutil.Error, OSError):
        command = " ".join(process.cmdline()[:3])
        return any(module in command for module in modules)
    return False


def environment(folder: str, tag: str) -> dict[str, str]:
    """The environment of a run: the recorder's, whatever the shell exports."""
    needed = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
    return {name: os.environ[name] for name in needed if name in os.environ} | {
        "HOME": folder,
        "LANG": "C.UTF-8",
        "PYTHONFAULTHANDLER": "1",
        TAG: tag,
    }


@contextlib.contextmanager
def no_core_files() -> Iterator[None]:
    """Let a process that is started now, and asked for its stack later, leave no core file."""
    if sys.platform == "win32":
        yield
        return
    import resource  # not on Windows

    limits: Any = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)
