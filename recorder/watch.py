"""Run one program in a fresh process and an empty folder, and watch it from outside.

The program is not changed and not told. Its output is read as it comes, its process tree is
sampled with psutil, and the run ends in one of three ways: by itself; by a hang, as soon as
the kernel shows that no process can ever go on (see `recorder.waits`); or at its timeout. In
the last two every process says where it is stuck, and the whole tree is ended. The parent of
it all is `recorder.supervisor`, so that nothing is left however the recorder itself ends.
"""

import ast
import bisect
import contextlib
import datetime
import functools
import glob
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from recorder import supervisor, trace, waits
from recorder.machine import path_scrubber, short_temporary_folder, this_machine
from recorder.recording import Line, Pipe, Process, Recording

TIMEOUT = 60.0  # seconds a run may take
STALL_SECONDS = 5.0  # of stillness, after which an expected hang is believed without proof
GRACE = 2.0  # seconds that processes may take to end after the program has
SETTLING = 2.0  # seconds in which a new process may become what it is, by exec
DUMPING = 2.0  # seconds that a process may take to print its stacks
C_STACK = (
    "Current thread's C stack trace"  # from Python 3.14 on it ends what faulthandler prints
)
OLD = 60.0  # seconds after which a run's folder without a supervisor is nobody's
ENDING = 30.0  # seconds that it may take to end and remove everything
MAX_OUTPUT_BYTES = 256 * 1024  # bytes of output that are kept
CLOSELY = 0.001  # seconds between two looks for new processes, where a hang is expected
ENDINGS = 0.1  # seconds after a process has ended, in which much happens
SAMPLING_SHARE = 0.015  # of one core: with all else, the watcher stays below 2 % of one
SAMPLING_START = 0.02  # seconds of CPU time for many samples at the start
WEIGHING = 0.0004  # seconds of CPU time to ask for a process's share of memory
MOST_HANDLES = 250  # processes whose end is told at once
RUN_ID_VARIABLE = "RECORDED_RUN"  # in the environment of every process of a run
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


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
    traced: bool = False,
    progress: Callable[[float], None] = lambda seconds: None,
) -> Recording:
    """Run `python PROGRAM ARGUMENTS` to its end, its proven hang or its timeout.

    It may be called from several threads at once. A hang that the kernel proves ends the run
    at once, whether it is expected or not.

    Args:
        program: The file to run. It is copied to an empty folder and run there.
        arguments: Its command-line arguments.
        beside: Files that are copied into the folder with it.
        name: What to call it in the recording; by default the file's name.
        timeout: Seconds after which the run is ended.
        hangs: Whether it is expected to hang: where the kernel can't tell how its threads
            wait, stillness for `stall_seconds` is then taken for the hang.
        start_method: The start method that it uses; by default that of the Python.
        python: The interpreter that runs it.
        stall_seconds: More than any wait in the program can take.
        traced: Whether its processes note their calls. No time of such a run is a figure.
        progress: Called after each sample with the seconds since the start. An exception that
            it raises ends the run.

    Returns:
        The recording. No process of the run is left, also when this function is interrupted.

    Raises:
        FileNotFoundError: There is no such program, or no such interpreter.
        OSError: The run could not be started, or its supervisor was killed.
    """
    with program.open("rb"):
        machine = this_machine(python)  # what can't be read or run is the caller's error
    recorded = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with raise_on_termination(), Watcher((program, *beside), arguments, python, traced) as run:
        ended, evidence = run.watch(timeout, stall_seconds if hangs else math.inf, progress)
        output = run.output
        if ended != "exit":
            run.dump_stacks()
        left_behind = run.end_tree(GRACE if ended == "exit" else 0)
        run.ask_for_exits()
        traced_processes = trace.read_calls(run.notes, run.started) if run.notes else ()
    scrub = path_scrubber(run.folders, python)
    wall = round(run.wall, 4)
    observed = sorted(run.known.values(), key=lambda process: process.started)
    look = run.look if ended == "hang" else None
    processes = tuple(process.to_process(wall, scrub, look) for process in observed)
    return Recording(
        program=name or program.name,
        arguments=tuple(arguments),
        recorded=recorded,
        machine=machine,
        start_method=start_method or machine.start_method,
        lines=tuple(Line(at, scrub(text)) for at, text in output.lines()),
        dropped=output.read - len(output.text),
        status=run.status if ended == "exit" else None,
        ended=ended,
        evidence=evidence,
        wall=wall,
        cpu=round(max(run.reaped_cpu, sum(p.samples[-1][1] for p in processes)), 3),
        peak_memory=run.weight or run.resident,
        left_behind=left_behind if ended == "exit" else 0,
        processes=processes,
        leftover=tuple(f"<tmp>/{os.path.relpath(path, run.place)}" for path in run.left),
        pipes=run.pipes_seen.found(run.full_pipes),
        chain=look.links() if look else (),
        traced=traced_processes,
    )


@contextlib.contextmanager
def raise_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt.

    So `finally` runs. A signal that the caller ignores (`nohup`) stays ignored.
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Output:
    """What a run writes to its one pipe, and when; of more than fits only the beginning."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.ends: list[tuple[int, float]] = []  # where each piece ends, and when it came
        self.read = 0

    def add(self, at: float, piece: bytes) -> None:
        """Take in what was read."""
        self.read += len(piece)
        if kept := piece[: MAX_OUTPUT_BYTES - len(self.text)]:
            self.text += kept
            self.ends.append((len(self.text), at))

    def lines(self) -> list[tuple[float, str]]:
        """Each line, with the moment at which its end came."""
        found, end = [], 0
        for line in self.text.removesuffix(b"\n").split(b"\n") if self.text else []:
            end = min(end + len(line) + 1, len(self.text))
            _, at = self.ends[bisect.bisect_left(self.ends, (end,))]
            found.append((at, line.decode(errors="backslashreplace")))
        return found


@dataclass
class ObservedProcess:
    """A process of a run, as far as it has been seen; `process` is None when it never was."""

    pid: int
    parent: int
    started: float
    process: psutil.Process | None = None
    role: str = "worker"
    ended: float | None = None
    samples: list[tuple[float, float]] = field(default_factory=list)
    threads: dict[int, list[tuple[float, str]]] = field(default_factory=dict)
    searched: set[object] = field(default_factory=set)  # when its pipes were looked for
    stack: list[str] = field(default_factory=list)
    exit: int | None = None

    def note_threads(self, at: float) -> tuple[bool, object]:
        """Note what each thread does.

        Returns:
            Whether all of them wait without a time limit; and what changes when there may be
            a pipe that was not there before.
        """
        seen = waits.reasons(self.pid)
        for tid in self.threads.keys() | seen.keys():
            samples, (what, _) = self.threads.setdefault(tid, []), seen.get(tid, ("", True))
            if what != (samples[-1][1] if samples else ""):
                samples.append((at, what))
        writes = any(what == "room" for what, _ in seen.values())
        return all(forever for _, forever in seen.values()), (len(self.threads), writes)

    def to_process(
        self, wall: float, scrub: Callable[[str], str], look: waits.Look | None
    ) -> Process:
        """What the recording says of it."""
        ended = wall if self.ended is None else min(self.ended, wall)
        stack = tuple(map(scrub, self.stack))
        pointers = look.stack_pointers(self.pid) if look else {}
        frames = waits.match_stacks(stack, self.pid, pointers)
        tids = sorted(
            self.threads.keys() | frames.keys(), key=lambda tid: (tid != self.pid, tid)
        )
        return Process(
            pid=self.pid,
            parent=self.parent,
            role=self.role,
            started=round(min(self.started, ended), 4),
            ended=round(ended, 4),
            samples=tuple(self.samples) or ((round(ended, 4), 0.0),),
            stack=stack,
            exit=self.exit,
            threads=tuple(
                waits.thread(tid, self.threads.get(tid, ()), look, frames.get(tid, ()))
                for tid in tids
            ),
        )


class Watcher:
    """One run under way: its supervisor, its output, and every process seen so far.

    Leaving the `with` block ends the run. The supervisor needs no more for that than the end
    of the pipe from here, which also comes when this process dies.
    """

    def __init__(
        self, files: Sequence[Path], arguments: Sequence[str], python: str, traced: bool
    ) -> None:
        self.run_id = secrets.token_hex(8)
        self.place = short_temporary_folder()
        sweep(self.place)
        self.folder = os.path.join(self.place, f"run-{self.run_id}")
        run_folder, temporary = (os.path.join(self.folder, name) for name in ("run", "tmp"))
        self.folders = {run_folder: "", temporary: "<tmp>", self.folder: "<tmp>"}
        self.output = Output()
        self.known: dict[int, ObservedProcess] = {}
        self.first = 0  # the program's process ID
        self.status: int | None = None
        self.wall = self.reaped_cpu = 0.0
        self.resident = self.weighed = self.weight = 0  # see `weigh`
        self.spent = 0.0  # seconds of CPU time for samples
        self.ending = False  # the recorder ends what is left
        self.over = False  # the supervisor has ended
        self.error = "the supervisor of the run was killed"  # until it says something else
        self.left: list[str] = []  # files that it could not remove
        self.reports = b""
        self.traced = traced
        self.notes: BinaryIO | None = None  # of a traced run: read when its folder is removed
        self.started = time.monotonic()
        interpreter = [sys.executable, "-I", "-S", supervisor.__file__]
        copied = [str(file.absolute()) for file in files]
        self.supervisor = subprocess.Popen(
            [*interpreter, self.folder, str(len(copied)), *copied, python, *arguments],
            env=environment(run_folder, self.run_id, temporary)
            | (trace.environment(self.folder) if traced else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        pipes = self.supervisor.stdin, self.supervisor.stdout, self.supervisor.stderr
        self.pipes = [pipe for pipe in pipes if pipe]
        self.source = self.pipes[2].fileno()  # of the output
        self.pipes_seen = waits.Pipes(*(os.fstat(pipe.fileno()).st_ino for pipe in self.pipes))
        self.handles: dict[int, ObservedProcess] = {}
        self.last_end = -1.0  # when a process was seen to end
        self.look: waits.Look | None = None  # the last one at waiting threads
        self.full_pipes: list[Pipe] = []  # at the end of a hang
        self.poll = select.poll()
        for pipe in self.pipes[1:]:
            self.poll.register(pipe, select.POLLIN)

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *exception: object) -> None:
        for pipe in (*self.pipes, *filter(None, [self.notes])):
            pipe.close()
        for handle in self.handles:
            os.close(handle)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.supervisor.wait(ENDING)

    def now(self) -> float:
        """Seconds since the start of the program."""
        return round(time.monotonic() - self.started, 4)

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take in what comes, for so long or until something is true; return whether it is."""
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
        """Read what there is in one of the pipes, but not for ever; or note who has ended."""
        if descriptor in self.handles:
            self.poll.unregister(descriptor)
            observed = self.handles[descriptor]
            if observed.ended is None and not self.ending:
                observed.ended = self.last_end = self.now()
                observed.exit = waits.exit_of(observed.pid, descriptor)
            if observed.exit is not None:
                os.close(descriptor)
                del self.handles[descriptor]
            return
        chunk = os.read(descriptor, 65536)
        if not chunk:
            self.poll.unregister(descriptor)
        if descriptor == self.source:
            self.output.add(self.now(), chunk)
        else:
            *lines, self.reports = (self.reports + chunk).split(b"\n")
            for line in lines:
                self.note(*ast.literal_eval(line.decode()))
            self.over = not chunk

    def note(self, what: str, *values: Any) -> None:
        """Note what the supervisor says."""
        if what == "start":
            self.first, self.started = values
            self.observe(self.first)
            if self.traced:
                self.notes = trace.create(self.folder)
        elif what == "done":
            self.error, self.left = values
        elif what == "exit":
            pid, status, at, cpu = values
            self.reaped_cpu += cpu
            if self.ending:
                return  # by the recorder, at a time that is not the program's
            if pid in self.known:
                self.known[pid].exit = status
            if pid == self.first:
                self.status, self.wall = status, at - self.started

    def watch(
        self, timeout: float, stall_seconds: float, progress: Callable[[float], None]
    ) -> tuple[str, str]:
        """Sample the run until it ends; return how, and the evidence of a hang."""

        def ended() -> bool:
            return self.status is not None or self.over

        self.pump(ENDING, lambda: self.over or bool(self.first))
        before = None
        moved = 0.0
        while not self.pump(0, ended):
            at, began = self.now(), time.thread_time()
            state, waiting = self.sample(at)
            look, kind = None, waits.Waits.LIMITED
            if state == before and waiting:  # only now it is worth a look
                look = waits.look(self.first, self.find_processes(), self.look)
                kind = look.waits if look else waits.Waits.UNKNOWN
            if kind is waits.Waits.LIMITED:
                moved = at
            proven = look is not None and look.proves
            self.spent += time.thread_time() - began
            before, self.look = state, look
            self.wall = at
            progress(at)
            still = at - moved >= stall_seconds
            if at >= timeout or still or proven:
                if self.pump(0, ended):
                    break
                evidence = "kernel" if proven else "stillness" if still else ""
                self.full_pipes = list(look.full_pipes(at)) if look and evidence else []
                return ("hang" if evidence else "timeout"), evidence
            # Often at the start and where processes end, and never more than the share in the end.
            rested = (self.spent - SAMPLING_START) / SAMPLING_SHARE - at
            usual = min(at / 20, 0.1) if at - self.last_end > ENDINGS else 0.0
            pause = max(0.005, usual, rested)
            self.rest(min(pause, max(timeout - at, 0.0)), stall_seconds < math.inf, ended)
        return "exit", ""

    def rest(self, seconds: float, closely: bool, ended: Callable[[], bool]) -> None:
        """Wait for what comes; closely: see also processes that live for some milliseconds."""
        closely &= self.now() < SETTLING
        deadline = time.monotonic() + seconds
        while not self.pump(min(seconds, CLOSELY) if closely else seconds, ended):
            if time.monotonic() >= deadline:
                break
            self.find_new()

    def find_new(self) -> None:
        """Begin to observe each process that is new."""
        for pid in self.find_processes():
            if pid not in self.known:
                self.observe(pid)
                self.pipes_seen.find(self.first)

    def observe(self, pid: int) -> None:
        """Begin to observe a process, that may have ended by now."""
        self.known[pid] = observed = ObservedProcess(pid, self.supervisor.pid, self.now())
        first = self.known[self.first]
        if observed is first:
            observed.started, observed.role = 0.0, "parent"
        handle = waits.handle_of(pid) if len(self.handles) < MOST_HANDLES else None
        if handle is not None:
            self.handles[handle] = observed
            self.poll.register(handle, select.POLLIN)
        with contextlib.suppress(psutil.NoSuchProcess):
            observed.process = process = psutil.Process(pid)
            observed.parent = process.ppid()
            if first.process:
                created = process.create_time() - first.process.create_time()
                observed.started = max(created, 0.0)

    def sample(self, at: float) -> tuple[object, bool]:
        """Note what each process has used, and how it waits.

        Returns:
            What changes as long as any of them works; and whether all wait without a limit.
        """
        self.find_new()
        memory, state, waiting = 0, [], self.known[self.first].ended is None
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
                    memory += process.memory_info().rss
                    if pid != self.first and at - observed.started < SETTLING:
                        observed.role = self.role(observed, process)
            except psutil.NoSuchProcess:
                observed.ended = at
            else:
                cpu = times.user + times.system
                observed.samples.append((at, round(cpu, 2)))
                # One that runs, or waits for the disk, is not stuck, even without CPU time.
                busy = status in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
                state.append((pid, cpu, at if busy else None))
                if observed.role != "helper":
                    waits_forever, now = observed.note_threads(at)
                    waiting &= waits_forever
                    if now not in observed.searched:
                        observed.searched.add(now)
                        self.pipes_seen.find(pid)
        self.weigh(at, memory)
        self.pipes_seen.sample(at)
        return (state, self.output.read), waiting

    def weigh(self, at: float, resident: int) -> None:
        """Note the memory of all; and what is shared once, when it has grown and may be asked.

        To ask costs more than all the rest of a sample: so only after a growth by a quarter.
        """
        self.resident = max(self.resident, resident)
        living = [pid for pid, observed in self.known.items() if observed.ended is None]
        left = SAMPLING_START + SAMPLING_SHARE * at - self.spent
        if resident > 1.25 * self.weighed and left > WEIGHING * len(living):
            self.weighed = resident
            self.weight = max(self.weight, waits.memory_of(living))

    def role(self, observed: ObservedProcess, process: psutil.Process) -> str:
        """What a process is, by its command line, which a fork server's children share."""
        parent = self.known.get(observed.parent)
        forked = parent is not None and parent.role == "helper"
        command = " ".join(process.cmdline()[:3])
        if not command:  # it is about to end, and has lost its memory
            return observed.role
        return "helper" if not forked and any(map(command.count, HELPERS)) else "worker"

    def dump_stacks(self) -> None:
        """Let each process print where it is stuck, the parent first, and end it.

        Faulthandler, enabled in the environment, answers SIGABRT with every thread's stack.
        All are stopped before the first is asked: so none moves on when another one ends.
        """
        self.ending = True
        left = [p for p in self.known.values() if p.ended is None and p.role != "helper"]
        stuck = [(observed, observed.process) for observed in left if observed.process]
        for _, process in stuck:
            send(process, signal.SIGSTOP)
        self.pump(0)
        for observed, process in stuck:
            self.output = Output()
            send(process, signal.SIGABRT, signal.SIGCONT)
            deadline = time.monotonic() + DUMPING
            while is_alive(process) and time.monotonic() < deadline:
                self.pump(0.002)  # nothing tells its end: its parent need not wait for it
            self.pump(0)
            observed.stack = stack_of_python([text for _, text in self.output.lines()])
        self.output = Output()

    def end_tree(self, grace: float) -> int:
        """End every process that is left after the grace, and return how many were."""
        left = 0
        if not self.pump(grace, lambda: self.over):
            for pid in self.find_processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    left += is_alive(psutil.Process(pid))
            left = max(1, left)
        self.ending = True
        self.pipes[0].close()
        self.pump(ENDING, lambda: self.over)
        self.pump(0)
        if self.error or not supervisor.SEES_ALL:
            deadline = time.monotonic() + ENDING
            while (count := kill_marked(self.run_id)) and time.monotonic() < deadline:
                left = max(left, count)  # and again: they may start others
        if self.error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OSError(self.error)
        return left

    def ask_for_exits(self) -> None:
        """Ask how those have ended whose own parent alone was told."""
        for handle, observed in self.handles.items():
            if observed.ended is not None and observed.exit is None:
                observed.exit = waits.exit_of(observed.pid, handle)

    def find_processes(self) -> list[int]:
        """Every process of the run at this moment."""
        if supervisor.SEES_ALL:
            return supervisor.descendants(self.supervisor.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.supervisor.pid).children(recursive=True)
            return [process.pid for process in below]
        return []


@functools.cache
def sweep(place: str) -> None:
    """End and remove what is left of runs whose supervisor was killed, with the recorder."""
    for folder in glob.glob(os.path.join(glob.escape(place), f"run-{16 * '[0-9a-f]'}")):
        with contextlib.suppress(OSError):  # another user's, or another recorder was faster
            if supervisor.SEES_ALL and time.time() - os.stat(folder).st_mtime > OLD:
                import fcntl  # not on Windows

                handle = os.open(folder, os.O_RDONLY)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a supervisor holds it
                    kill_marked(folder.rpartition("-")[2])
                    shutil.rmtree(folder)
                finally:
                    os.close(handle)


def send(process: psutil.Process, *signals: int) -> None:
    """Send signals to a process that may have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for number in signals:
            process.send_signal(number)


def stack_of_python(lines: Sequence[str]) -> list[str]:
    """What faulthandler printed of Python's own frames: no address in the interpreter."""
    end = next((i for i, line in enumerate(lines) if line.startswith(C_STACK)), len(lines))
    return "\n".join(lines[:end]).rstrip().splitlines()


def kill_marked(run_id: str) -> int:
    """Kill what has a run's mark in its environment; return how many there were."""
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(RUN_ID_VARIABLE) == run_id and is_alive(process):
                process.kill()
                count += 1
    return count


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(folder: str, run_id: str, temporary: str) -> dict[str, str]:
    """The environment of a run: the recorder's, whatever the shell exports."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": folder,
        "LANG": "C.UTF-8",
        "PYTHONFAULTHANDLER": "1",
        RUN_ID_VARIABLE: run_id,
        **dict.fromkeys(("TEMP", "TMP", "TMPDIR"), temporary),
    }
