"""Run one program in a fresh process and an empty folder, and watch it from outside.

The program is not changed and not told. Its output is read as it comes, its process tree is
sampled with psutil, and the run ends in one of three ways: by itself; by a hang, as soon as the
kernel shows that no process can ever go on (see `recorder.kernel`); or at its timeout. In the last
two every process says where it is stuck, and the whole tree is ended. `recorder.supervisor` is the
parent of it all, so that nothing is left however the recorder itself ends.
"""

import ast
import contextlib
import datetime
import math
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from recorder import supervisor
from recorder.kernel import Waits, look
from recorder.machine import this_machine
from recorder.paths import path_scrubber, short_temporary_folder
from recorder.recording import Line, Process, Recording

TIMEOUT = 60.0  # seconds a run may take
STALL_SECONDS = (
    5.0  # seconds of stillness after which an expected hang is believed without proof
)
GRACE = 2.0  # seconds that processes may take to end after the program has
ENDING = 30.0  # seconds that it may take to end and remove everything
MAX_OUTPUT_BYTES = 256 * 1024  # bytes of output that are kept
SAMPLING_SHARE = 0.015  # of one core: with all else, the watcher stays below 2 % of one
SAMPLING_START = 0.02  # seconds of CPU time for many samples at the start
RUN_ID_VARIABLE = "RECORDED_RUN"  # in the environment of every process of a run
RESOURCE_TRACKER = "multiprocessing.resource_tracker"
HELPERS = (RESOURCE_TRACKER, "multiprocessing.forkserver")


def watch(
    program: Path,
    arguments: Sequence[str] = (),
    *,
    beside: Sequence[Path] = (),
    name: str = "",
    timeout: float = TIMEOUT,
    hangs: bool = False,
    start_method: str = "",
    python: str = sys.executable,
    stall_seconds: float = STALL_SECONDS,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Recording:
    """Run `python PROGRAM ARGUMENTS` to its end, its proven hang or its timeout.

    It may be called from several threads at once. A hang that the kernel proves ends the run at
    once, whether it is expected or not.

    Args:
        program: The file to run. It is copied to an empty folder and run there.
        arguments: Its command-line arguments.
        beside: Files that are copied into the folder with it.
        name: What to call it in the recording; by default the file's name.
        timeout: Seconds after which the run is ended.
        hangs: Whether it is expected to hang: where the kernel can't tell how its threads wait,
            stillness for `stall_seconds` is then taken for the hang.
        start_method: The start method that it uses; by default this Python's.
        python: The interpreter that runs it.
        stall_seconds: More than any wait in the program can take.
        progress: Called after each sample with the seconds since the start. An exception that it
            raises ends the run.

    Returns:
        The recording. No process of the run is left, also when this function is interrupted.

    Raises:
        FileNotFoundError: There is no such program.
        OSError: The run could not be started, or its supervisor was killed.
    """
    with program.open("rb"):
        pass  # a program that can't be read is the caller's error, not the run's
    recorded = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with raise_on_termination(), Watcher(python) as run:
        run.start((program, *beside), arguments)
        ended, evidence = run.watch(timeout, stall_seconds if hangs else math.inf, progress)
        if ended != "exit":
            run.dump_stacks()
        left_behind = run.end_tree(GRACE if ended == "exit" else 0)
    scrub = path_scrubber(run.folders, python)
    processes = sorted(run.known.values(), key=lambda process: process.started)
    return Recording(
        program=name or program.name,
        arguments=tuple(arguments),
        recorded=recorded,
        machine=this_machine(),
        start_method=start_method or this_machine().start_method,
        lines=tuple(Line(round(at, 4), scrub(text)) for at, text in run.output.lines),
        dropped=run.output.dropped,
        status=run.status if ended == "exit" else None,
        ended=ended,
        evidence=evidence,
        wall=round(run.wall, 4),
        cpu=round(max(run.reaped_cpu, sum(p.samples[-1][1] for p in processes)), 3),
        peak_memory=run.peak_memory,
        left_behind=left_behind if ended == "exit" else 0,
        processes=tuple(process.to_process(run.wall, scrub) for process in processes),
        leftover=tuple(f"<tmp>/{path}" for path in run.leftover),
    )


@contextlib.contextmanager
def raise_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt: `finally` runs.

    A signal that the caller ignores (`nohup`) stays ignored.
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Output:
    """What a run writes to its one pipe: each line, with the moment it came."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.pending = b""
        self.room = MAX_OUTPUT_BYTES
        self.read = self.dropped = 0
        self.closed = False  # what comes now is not the program's any more

    def add(self, at: float, chunk: bytes) -> None:
        """Take in what was read."""
        self.read += len(chunk)
        if self.closed:
            return
        *whole, self.pending = (self.pending + chunk).split(b"\n")
        for line in whole:
            self.keep(at, line)
        if len(self.pending) > MAX_OUTPUT_BYTES:  # one endless line must not fill the memory
            self.flush(at)

    def keep(self, at: float, line: bytes) -> None:
        if len(line) > self.room:
            self.dropped += len(line) + 1
            self.room = 0  # what follows a gap is no longer what the program wrote
        else:
            self.room -= len(line) + 1
            self.lines.append((at, line.decode(errors="backslashreplace")))

    def flush(self, at: float) -> None:
        """Keep a last line that has no line feed."""
        if self.pending:
            self.keep(at, self.pending)
            self.pending = b""

    def cut(self, count: int) -> list[str]:
        """Take away, and return, all lines but the first ones."""
        texts = [text for _, text in self.lines[count:]]
        del self.lines[count:]
        return texts


@dataclass
class ObservedProcess:
    """A process of a run, as far as it has been seen; `process` is None when it never was."""

    pid: int
    parent: int
    started: float
    process: psutil.Process | None = None
    role: str = ""
    ended: float | None = None
    samples: list[tuple[float, float]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)
    exit: int | None = None

    def to_process(self, wall: float, scrub: Callable[[str], str]) -> Process:
        """What the recording says of it."""
        ended = wall if self.ended is None else min(self.ended, wall)
        return Process(
            pid=self.pid,
            parent=self.parent,
            role=self.role,
            started=round(min(self.started, ended), 4),
            ended=round(ended, 4),
            samples=tuple((round(at, 4), round(cpu, 2)) for at, cpu in self.samples),
            stack=tuple(scrub(line) for line in self.stack),
            exit=self.exit,
        )


class Watcher:
    """One run under way: its supervisor, its output, and every process seen so far.

    Leaving the `with` block ends the run. The supervisor needs no more for that than the end of the
    control pipe, which also comes when this process dies.
    """

    def __init__(self, python: str) -> None:
        self.python = python
        self.run_id = uuid.uuid4().hex
        self.folder = os.path.join(short_temporary_folder(), f"run-{secrets.token_hex(4)}")
        self.run_folder = os.path.join(self.folder, "run")
        self.temporary = os.path.join(self.folder, "tmp")
        self.folders = {self.run_folder: "", self.temporary: "<tmp>", self.folder: "<tmp>"}
        self.output = Output()
        self.known: dict[int, ObservedProcess] = {}
        self.first = 0  # the program's process ID
        self.status: int | None = None
        self.wall = self.reaped_cpu = self.spent = 0.0
        self.peak_memory = 0
        self.leftover: list[str] = []
        self.ending = False  # the recorder ends what is left
        self.done = self.over = False  # the supervisor has said all; it has ended
        self.error = ""
        self.reports = b""
        self.descriptors: dict[str, int] = {}
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.started = time.monotonic()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *exception: object) -> None:
        for name in list(self.descriptors):
            self.close(name)
        if self.supervisor:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.supervisor.wait(ENDING)

    def close(self, name: str) -> None:
        """Close one of the descriptors, if it is open."""
        if name in self.descriptors:
            os.close(self.descriptors.pop(name))

    def start(self, files: Sequence[Path], arguments: Sequence[str]) -> None:
        """Start the supervisor, which starts the first of the files, a program, beside the others."""
        theirs = []
        for name in ("control", "report", "output"):
            ends = list(pipe())
            theirs.append(ends.pop(0 if name == "control" else 1))
            self.descriptors |= {name: ends[0], f"their {name}": theirs[-1]}
        interpreter = (sys.executable, "-I", "-S", supervisor.__file__)
        command = (
            *map(str, theirs),
            self.folder,
            str(len(files)),
            *(str(file.absolute()) for file in files),
            self.python,
            *arguments,
        )
        self.supervisor = subprocess.Popen(
            [*interpreter, *command],
            env=environment(self.run_folder, self.run_id, self.temporary),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=theirs,
            start_new_session=True,
        )
        for name in ("control", "report", "output"):
            self.close(f"their {name}")
        self.inode = os.fstat(self.descriptors["output"]).st_ino
        self.poll = select.poll()
        for name in ("report", "output"):
            os.set_blocking(self.descriptors[name], False)
            self.poll.register(self.descriptors[name], select.POLLIN)
        self.pump(ENDING, lambda: self.over or bool(self.first))

    def now(self) -> float:
        """Seconds since the start of the program."""
        return time.monotonic() - self.started

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take in what comes from the run, for so long or until something is true; return whether."""
        deadline = time.monotonic() + seconds
        while not until():
            rest = deadline - time.monotonic()
            events = self.poll.poll(max(0.0, rest) * 1000)
            for descriptor, _ in events:
                self.receive(descriptor)
            if rest <= 0 and (not events or seconds > 0 or rest < -1):
                return until()
        return True

    def receive(self, descriptor: int) -> None:
        """Read what there is in one of the pipes, but not for ever."""
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        if descriptor == self.descriptors["output"]:
            self.output.add(self.now(), chunk)
        else:
            *lines, self.reports = (self.reports + chunk).split(b"\n")
            for line in lines:
                self.note(*ast.literal_eval(line.decode()))
            self.over = not chunk
        if not chunk:
            self.poll.unregister(descriptor)

    def note(self, what: str, *values: Any) -> None:
        """Note what the supervisor says."""
        if what == "start":
            self.first, self.started = values
            self.known[self.first] = self.observe(self.first)
        elif what == "exit":
            pid, status, at, cpu = values
            self.reaped_cpu += cpu
            if self.ending:
                return  # by the recorder, at a time that is not the program's
            if pid in self.known:
                self.known[pid].exit = status
            if pid == self.first:
                self.status, self.wall = status, at - self.started
        elif what == "left":
            self.leftover += [
                os.path.relpath(path, os.path.dirname(self.folder)) for path in values
            ]
        elif what == "error":
            (self.error,) = values
        elif what == "done":
            self.done = True

    def watch(
        self, timeout: float, stall_seconds: float, progress: Callable[[float], None]
    ) -> tuple[str, str]:
        """Sample the run until it ends; return how, and the evidence of a hang."""
        before = looked_before = None
        moved = 0.0
        while not self.pump(0, self.has_ended):
            at = self.now()
            spent = time.thread_time()
            state = self.sample(at)
            waits, looked = Waits.LIMITED, None
            if state == before:  # only now it is worth a look
                aside = {pid for pid, seen in self.known.items() if seen.role == "helper"}
                waits, looked = look(self.find_processes(), aside, self.inode)
            if state != before or waits is Waits.LIMITED:
                moved = at
            proven = waits is Waits.FOREVER and looked == looked_before
            self.spent += time.thread_time() - spent
            before, looked_before = state, looked
            self.wall = at
            progress(at)
            still = at - moved >= stall_seconds
            if at >= timeout or still or proven:
                if self.pump(0, self.has_ended):
                    break
                evidence = "kernel" if proven else "stillness" if still else ""
                return ("hang" if evidence else "timeout"), evidence
            # Often at the start, then less often, and never more than the share in the end.
            rested = (self.spent - SAMPLING_START) / SAMPLING_SHARE - at
            pause = max(0.005, min(at / 20, 0.1), rested)
            self.pump(min(pause, max(timeout - at, 0.0)), self.has_ended)
        return "exit", ""

    def has_ended(self) -> bool:
        """Whether the program has ended, or its supervisor has."""
        return self.status is not None or self.over

    def observe(self, pid: int) -> ObservedProcess:
        """Begin to observe a process, that may have ended by now."""
        assert self.supervisor
        observed = ObservedProcess(pid, self.supervisor.pid, self.now())
        with contextlib.suppress(psutil.NoSuchProcess):
            observed.process = process = psutil.Process(pid)
            observed.parent = process.ppid()
            first = self.known.get(self.first)
            if first and first.process:
                created = process.create_time() - first.process.create_time()
                observed.started = max(created, 0.0)
        if pid == self.first:
            observed.started, observed.role = 0.0, "parent"
        return observed

    def sample(self, at: float) -> object:
        """Note what each process has used so far; return what changes as long as any of them works."""
        for pid in self.find_processes():
            if pid not in self.known:
                self.known[pid] = self.observe(pid)
        memory, state = 0, []
        for pid, observed in self.known.items():
            if observed.ended is not None:
                continue
            try:
                if (process := observed.process) is None:
                    raise psutil.NoSuchProcess(pid)
                with process.oneshot():
                    status, times = process.status(), process.cpu_times()
                    if status == psutil.STATUS_ZOMBIE:
                        raise psutil.NoSuchProcess(pid)
                    cpu = times.user + times.system
                    memory += process.memory_info().rss
                    if len(observed.samples) < 3:  # later it is what it will be
                        observed.role = self.role(observed)
            except psutil.NoSuchProcess:
                observed.ended = at
                observed.samples = observed.samples or [(at, 0.0)]
                observed.role = observed.role or "worker"
            else:
                observed.samples.append((at, cpu))
                # One that runs, or waits for the disk, is not stuck, even if it gets no CPU time.
                busy = status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
                state.append((pid, cpu, at if busy else None))
        self.peak_memory = max(self.peak_memory, memory)
        return state, self.output.read

    def role(self, observed: ObservedProcess) -> str:
        if observed.pid == self.first:
            return "parent"
        parent = self.known.get(observed.parent)
        if parent is not None and parent.role == "helper":
            return "worker"  # forked by the fork server, with its command line
        helper = observed.process and started_as(observed.process, *HELPERS)
        return "helper" if helper else "worker"

    def dump_stacks(self) -> None:
        """Let each process print where it is stuck, the parent first, and end it.

        Faulthandler, enabled in the environment, answers SIGABRT with every thread's stack. All of
        them are stopped before the first is asked, so that none moves on when another one ends.
        """
        self.ending = True
        self.output.room += MAX_OUTPUT_BYTES
        stuck = [p for p in self.known.values() if p.ended is None and p.role != "helper"]
        self.send(stuck, signal.SIGSTOP)
        self.pump(0)
        self.output.flush(self.wall)
        count = len(self.output.lines)
        for observed in stuck:
            self.send([observed], signal.SIGABRT)
            self.send([observed], signal.SIGCONT)
            self.wait_for_exit([observed], 2)
            self.pump(0)
            self.output.flush(self.wall)
            observed.stack = self.output.cut(count)
        self.output.closed = True

    def send(self, processes: list[ObservedProcess], number: int) -> None:
        for observed in processes:
            if observed.process:
                with contextlib.suppress(psutil.NoSuchProcess):
                    observed.process.send_signal(number)

    def wait_for_exit(self, processes: list[ObservedProcess], grace: float) -> None:
        """Wait for the processes to end, which may be children of others, but not for ever."""
        deadline = time.monotonic() + grace
        while any(p.process and is_alive(p.process) for p in processes):
            if time.monotonic() > deadline:
                break
            self.pump(0.002)

    def end_tree(self, grace: float) -> int:
        """End every process of the run that is left after the grace, and return how many were."""
        left = 0
        if not self.pump(grace, lambda: self.over):
            for pid in self.find_processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    left += is_alive(psutil.Process(pid))
            left = max(1, left)
        self.ending = True
        self.close("control")
        self.pump(ENDING, lambda: self.over)
        self.pump(0)
        self.output.flush(self.now())
        if not supervisor.SEES_ALL or not self.done:
            left = self.kill_marked(left)
        if self.error or not self.done:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OSError(self.error or "the supervisor of the run was killed")
        return left

    def find_processes(self) -> list[int]:
        """Every process of the run at this moment."""
        assert self.supervisor
        if supervisor.SEES_ALL:
            return supervisor.descendants(self.supervisor.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            return [
                p.pid for p in psutil.Process(self.supervisor.pid).children(recursive=True)
            ]
        return []

    def kill_marked(self, left: int) -> int:
        """Kill what has the run's mark in its environment: where the supervisor can't see all."""
        for _ in range(1000):
            found = []
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError):
                    known = self.known.get(process.pid)
                    marked = process.environ().get(RUN_ID_VARIABLE) == self.run_id
                    if (marked or (known and known.process == process)) and is_alive(process):
                        process.kill()
                        found.append(process)
            if not found:
                break
            left = max(left, len(found))
            time.sleep(0.002)
        return left


def is_alive(process: psutil.Process) -> bool:
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


def environment(folder: str, run_id: str, temporary: str = "") -> dict[str, str]:
    """The environment of a run: the recorder's, whatever the shell exports."""
    needed = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
    inherited = {name: os.environ[name] for name in needed if name in os.environ}
    own = dict.fromkeys(("TEMP", "TMP", "TMPDIR"), temporary) if temporary else {}
    return (
        inherited
        | own
        | {
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PYTHONFAULTHANDLER": "1",
            RUN_ID_VARIABLE: run_id,
        }
    )


def pipe() -> tuple[int, int]:
    """A pipe that takes no standard stream's place, even where those are closed."""
    import fcntl  # not on Windows

    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
