"""Run one program in a fresh process and an empty folder, and watch it from outside.

The program is not changed and not told. Its output is read as it comes, its process tree is
sampled with psutil, and the run ends in one of three ways: by itself; by a hang, as soon as
the kernel shows that no process can ever go on (see `recorder.waits`); or at its timeout. In
the last two every process says where it is stuck, and the whole tree is ended. The parent of
it all is `recorder.supervisor`, so that nothing is left however the recorder itself ends.
"""

import contextlib
import datetime
import functools
import marshal
import math
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from recorder import supervisor, trace, waits
from recorder.machine import interpreter, path_scrubber, short_temporary_folder, this_machine
from recorder.recording import Line, Pipe, Process, Recording

TIMEOUT = 60.0  # seconds a run may take
STALL_SECONDS = 5.0  # of stillness, after which an expected hang is believed without proof
GRACE = 2.0  # seconds that processes may take to end after the program has
DUMPING = 2.0  # seconds that a process may take to print its stacks
OLD = 60.0  # seconds after which a run's folder without a supervisor is nobody's
ENDING = 30.0  # seconds that a run may take to end and remove everything
MAX_OUTPUT_BYTES = 256 * 1024  # bytes of output that are kept
CLOSELY = 0.001  # seconds between two looks for new processes, at least
NEWS = 0.1  # seconds after a process has begun or ended, in which much happens
SHARE = 0.015  # of one core for watching, and a quarter of it in the first two seconds
START = 0.021  # seconds of CPU time beyond: with all else, it is 2 % of a core from 2 s on
SPREAD = 0.1  # seconds in which much of what is left may be spent
MOST_REST = 1.5  # seconds between two samples, of however many processes
EACH = 0.0003  # seconds of CPU time for one more process, from its first sight to its end
WEIGHING = 0.0004  # seconds of CPU time to ask for a process's share of memory
MOST_HANDLES = 250  # processes whose end is told at once
RUN_VARIABLE = "RECORDED_RUN"  # in the environment of every process of a run: its folder
HELPER = re.compile(r"multiprocessing\.(resource_tracker|forkserver)")
C_STACK = "Current thread's C stack trace"  # it ends what faulthandler prints, from 3.14 on


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
    traced: bool = False,
    timed: bool = False,
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
            wait, stillness for `STALL_SECONDS` is then taken for the hang.
        start_method: The start method that it uses; by default that of the Python.
        python: The interpreter that runs it.
        traced: Whether its processes note their calls. No time of such a run is a figure.
        timed: Whether its time is a figure: then workers of some milliseconds may be missed.
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
    with (
        raise_on_termination(),
        contextlib.closing(
            Run((program, *beside), arguments, interpreter(python).executable, traced, timed)
        ) as run,
    ):
        ended, evidence = run.watch(timeout, STALL_SECONDS if hangs else math.inf, progress)
        output = run.output
        if ended != "exit":
            run.dump_stacks()
        left_behind = run.end_tree(GRACE if ended == "exit" else 0)
        calls = trace.read_calls(run.notes, run.started) if run.notes else ()
    place = os.path.dirname(run.folder)
    folders = {f"{run.folder}/run": "", f"{run.folder}/tmp": "<tmp>", run.folder: "<tmp>"}
    scrub = path_scrubber(folders, python)
    look = run.look if ended == "hang" else None
    observed = sorted(run.known.values(), key=lambda process: process.started)
    processes = tuple(one.to_process(run.wall, scrub, look) for one in observed)
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
        wall=run.wall,
        cpu=round(max(run.reaped_cpu, sum(one.samples[-1][1] for one in processes)), 3),
        peak_memory=run.weight or run.resident,
        left_behind=left_behind if ended == "exit" else 0,
        processes=processes,
        leftover=tuple(path.replace(place, "<tmp>", 1) for path in run.left),
        pipes=run.pipes.found(run.full_pipes),
        chain=look.links() if look else (),
        traced=calls,
    )


@contextlib.contextmanager
def raise_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt.

    So `finally` runs. A signal that the caller ignores (`nohup`) stays ignored.
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:
                    stack.callback(signal.signal, number, signal.signal(number, leave))
        yield


class Output:
    """What a run writes to its one pipe, and when; of more than fits only the beginning."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.times: list[float] = []  # when each line's end came, and the last piece
        self.read = 0

    def add(self, at: float, piece: bytes) -> None:
        """Take in what was read."""
        self.read += len(piece)
        if kept := piece[: MAX_OUTPUT_BYTES - len(self.text)]:
            self.text += kept
            self.times[-1:] = [at] * (kept.count(b"\n") + 1)

    def lines(self) -> list[tuple[float, str]]:
        """Each line, with the moment at which its end came."""
        lines = self.text.removesuffix(b"\n").split(b"\n") if self.text else []
        texts = (line.decode(errors="backslashreplace") for line in lines)
        return list(zip(self.times, texts, strict=False))


@dataclass
class ObservedProcess:
    """A process of a run, as far as it has been seen."""

    pid: int
    parent: int
    started: float
    role: str = "worker"
    image: object = None  # for which it was asked for its role
    ended: float | None = None
    samples: list[tuple[float, float]] = field(default_factory=list)
    threads: dict[int, list[tuple[float, str]]] = field(default_factory=dict)
    searched: set[object] = field(default_factory=set)  # when its pipes were looked for
    stack: list[str] = field(default_factory=list)
    exit: int | None = None

    def note_threads(self, at: float, alone: bool) -> tuple[bool, object]:
        """Note what each thread does; `alone` says that there is only one.

        Returns:
            Whether all of them wait without a time limit; and what changes when there may be
            a pipe that was not there before.
        """
        seen = waits.reasons(self.pid, alone)
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
        tids = sorted({*self.threads, *frames}, key=lambda tid: (tid != self.pid, tid))
        return Process(
            pid=self.pid,
            parent=self.parent,
            role=self.role,
            started=min(self.started, ended),
            ended=ended,
            samples=tuple(self.samples) or ((ended, 0.0),),
            stack=stack,
            exit=self.exit,
            threads=tuple(
                waits.thread(tid, self.threads.get(tid, ()), look, frames.get(tid, ()))
                for tid in tids
            ),
        )


class Run:
    """One run under way: its supervisor, its output, and every process seen so far.

    To close it ends the run. The supervisor needs no more for that than the end of the pipe
    from here, which also comes when this process dies.
    """

    def __init__(
        self,
        files: Sequence[Path],
        arguments: Sequence[str],
        python: str,
        traced: bool,
        timed: bool,
    ) -> None:
        place = short_temporary_folder()
        sweep(place)
        self.folder = os.path.join(place, f"run-{secrets.token_hex(8)}")
        self.output = Output()
        self.known: dict[int, ObservedProcess] = {}
        self.first = 0  # the program's process ID
        self.status: int | None = None
        self.wall = self.reaped_cpu = self.created = 0.0
        self.resident = self.weighed = self.weight = 0  # see `weigh`
        self.began = time.thread_time()
        self.ending = False  # the recorder ends what is left
        self.over = False  # the supervisor has ended
        self.error = "the supervisor of the run was killed"  # until it says something else
        self.left: list[str] = []  # files that it could not remove
        self.reports = b""  # what is read of its next one
        self.timed = timed
        self.handles: dict[int, ObservedProcess] = {}
        self.last_news = -1.0  # when a process was seen to begin or to end
        self.newest: object = None  # of the machine, when new processes were looked for
        self.again = False  # they are to be looked for once more
        self.look: waits.Look | None = None  # the last one at waiting threads
        self.full_pipes: list[Pipe] = []  # at the end of a hang
        self.started = time.monotonic()
        copied = [str(file.absolute()) for file in files]
        command = [sys.executable, "-I", "-S", supervisor.__file__, self.folder]
        try:
            self.notes = trace.open_notes(self.folder) if traced else None
            self.supervisor = subprocess.Popen(
                [*command, str(len(copied)), *copied, python, *arguments],
                env=environment(self.folder, traced),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:  # there is nobody else to remove it
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        ends = self.supervisor.stdin, self.supervisor.stdout, self.supervisor.stderr
        self.ends = [end for end in ends if end]
        self.pipes = waits.Pipes(*(os.fstat(end.fileno()).st_ino for end in self.ends))
        self.selector = selectors.PollSelector()
        self.selector.register(self.ends[1], selectors.EVENT_READ, self.take_reports)
        self.selector.register(self.ends[2], selectors.EVENT_READ, self.take_output)

    def close(self) -> None:
        """End the run, and wait until its supervisor has removed everything."""
        for end in (*self.ends, *filter(None, [self.notes])):
            end.close()
        for handle in self.handles:
            os.close(handle)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.supervisor.wait(ENDING)

    def now(self) -> float:
        """Seconds since the start of the program."""
        return round(time.monotonic() - self.started, 4)

    def left_to_spend(self) -> float:
        """Seconds of CPU time that may still be spent now on watching, to disturb nobody."""
        at = self.now()
        granted = START + SHARE * max(at / 4, at - 1.5) - EACH * len(self.handles)
        return granted - (time.thread_time() - self.began)

    def rest_after(self, began: float, part: float) -> float:
        """Seconds until what has run on the CPU since then may do so again, for a part of all."""
        share = SHARE / 4 if self.now() < 2 else SHARE
        rate = share + max(self.left_to_spend(), 0.0) / SPREAD
        return (time.thread_time() - began) / (part * rate)

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take in what comes, for so long or until something is true; return whether it is."""
        deadline = time.monotonic() + seconds
        while not until():
            rest = deadline - time.monotonic()
            if not self.take(rest) or rest <= 0:
                return until()
        return True

    def drain(self) -> None:
        """Take in all that has come by now: a program can make its pipe larger than one piece."""
        deadline = time.monotonic() + 1
        while self.take(0) and time.monotonic() < deadline:
            pass

    def take(self, seconds: float) -> bool:
        """Take in what comes first, within so many seconds; return whether anything came."""
        ready = self.selector.select(max(0.0, seconds))
        for key, _ in ready:
            key.data(key.fileobj)
        return bool(ready)

    def read(self, pipe: IO[bytes]) -> bytes:
        """What is in a pipe; nothing at its end."""
        piece = os.read(pipe.fileno(), 65536)
        if not piece:
            self.selector.unregister(pipe)
        return piece

    def take_output(self, pipe: IO[bytes]) -> None:
        """Take in a piece of the output."""
        self.output.add(self.now(), self.read(pipe))

    def take_reports(self, pipe: IO[bytes]) -> None:
        """Take in what the supervisor says; at its end all is over."""
        piece = self.read(pipe)
        *lines, self.reports = (self.reports + piece).split(b"\n")
        for line in lines:
            self.note(*marshal.loads(bytes.fromhex(line.decode())))
        self.over = not piece

    def take_end(self, handle: int) -> None:
        """Take in that a process has ended."""
        self.selector.unregister(handle)
        observed = self.handles[handle]
        if observed.ended is None and not self.ending:
            observed.ended = self.last_news = self.now()
            observed.exit = waits.exit_of(observed.pid, handle)
        if observed.exit is not None:
            os.close(handle)
            del self.handles[handle]

    def note(self, what: str, *values: Any) -> None:
        """Note what the supervisor says."""
        if what == "start":
            self.first, self.started = values
            self.observe(self.first)
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
                self.status, self.wall = status, round(at - self.started, 4)

    def watch(
        self, timeout: float, stall_seconds: float, progress: Callable[[float], None]
    ) -> tuple[str, str]:
        """Sample the run until it ends; return how, and the evidence of a hang."""

        def ended() -> bool:
            return self.status is not None or self.over

        if not self.pump(ENDING, lambda: self.over or bool(self.first)):
            raise TimeoutError("the supervisor of the run does not start")
        before: object = None
        moved = 0.0
        due = math.inf if self.timed else 0.0
        while not self.pump(0, ended):
            at, began = self.now(), time.thread_time()
            state, waiting = self.sample(at)
            look = None
            stands = waiting and state == before  # only then it is worth a look
            if stands:
                look = waits.look(self.first, self.find_processes(), self.look)
            if not stands or (look and look.waits is waits.Waits.LIMITED):
                moved = at
            before, self.look, self.wall = state, look, at
            progress(at)
            proven = look is not None and look.proves
            still = at - moved >= stall_seconds
            evidence = "kernel" if proven else "stillness" if still else ""
            if evidence or at >= timeout:
                if self.pump(0, ended):
                    break
                self.full_pipes = list(look.full_pipes(at)) if look and evidence else []
                return ("hang" if evidence else "timeout"), evidence
            # Often where processes begin and end, and never more than the share in the end.
            usual = min(at / 20, 0.1) if at - self.last_news > NEWS else 0.0
            pause = min(max(0.005, usual, self.rest_after(began, 0.75)), MOST_REST)
            wake = at + min(pause, max(timeout - at, 0.0))
            while (now := self.now()) < wake and not ended():
                began = time.thread_time()
                self.take(min(wake, max(due, now + CLOSELY)) - now)
                if self.now() >= due:
                    self.find_new()
                    part = 1 if now - self.last_news < NEWS else 0.25
                    due = self.now() + self.rest_after(began, part)
        return "exit", ""

    def find_new(self) -> None:
        """Begin to observe each process that is new, where the machine has one at all."""
        before, self.newest = self.newest, waits.newest()  # what comes now is looked for again
        changed = self.newest != before
        if changed or self.again:  # it counts an instant before it is in the list
            for pid in self.find_processes():
                if pid not in self.known:
                    self.observe(pid)
                    self.known[self.first].searched.clear()
        self.again = changed

    def observe(self, pid: int) -> None:
        """Begin to observe a process, that may have ended by now."""
        now = self.now()
        self.known[pid] = observed = ObservedProcess(pid, self.supervisor.pid, now)
        handle = waits.handle_of(pid) if len(self.handles) < MOST_HANDLES else None
        if handle is not None:
            self.handles[handle] = observed
            self.selector.register(handle, selectors.EVENT_READ, self.take_end)
        if used := waits.used(pid):
            observed.parent = used.parent
            self.created = self.created or used.started
            observed.started = round(max(used.started - self.created, 0.0), 4)
        elif handle is None:
            observed.ended = now
        if pid == self.first:
            observed.started, observed.role = 0.0, "parent"
        else:
            self.last_news = now

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
            used = waits.used(pid)
            if not used or not used.alive:
                observed.ended = at
                continue
            if used.image != observed.image:
                self.find_role(observed, used.image)
            memory += used.memory
            observed.samples.append((at, used.cpu))
            state.append((pid, used.cpu))
            if observed.role != "helper":
                waits_forever, now = observed.note_threads(at, used.threads == 1)
                waiting &= waits_forever
                if now not in observed.searched:
                    observed.searched.add(now)
                    self.pipes.find(pid)
        self.weigh(at, memory, [pid for pid, _ in state])
        self.pipes.sample(at)
        return (state, self.output.read), waiting

    def weigh(self, at: float, resident: int, living: Sequence[int]) -> None:
        """Note the memory of all; and what is shared once, when it has grown and may be asked.

        To ask costs more than all the rest of a sample: so only after a growth by a quarter.
        """
        self.resident = max(self.resident, resident)
        cost = WEIGHING * len(living)
        if resident > 1.25 * self.weighed and self.left_to_spend() > cost:
            self.weighed = resident
            self.weight = max(self.weight, waits.memory_of(living))

    def find_role(self, observed: ObservedProcess, image: object) -> None:
        """Find what a process is: by its command line, if that is not what its parent has."""
        parent, words = self.known.get(observed.parent), ["forked"]
        if not parent or image != parent.image:
            words = []
            with contextlib.suppress(psutil.NoSuchProcess):
                words = psutil.Process(observed.pid).cmdline()[:3]
        if words:  # else it is about to end, and has lost its memory
            observed.image = image
            if observed.pid != self.first:
                observed.role = "helper" if HELPER.search(" ".join(words)) else "worker"

    def dump_stacks(self) -> None:
        """Let each process print where it is stuck, the parent first, and end it.

        Faulthandler, enabled in the environment, answers SIGABRT with every thread's stack.
        All are stopped before the first is asked: so none moves on when another one ends.
        """
        self.ending = True
        living = [one for one in self.known.values() if one.ended is None]
        for observed in living:
            waits.send(observed.pid, signal.SIGSTOP)
        self.drain()
        for observed in living:
            mapped = supervisor.shared_memory(observed.pid)
            with contextlib.suppress(OSError):  # the supervisor was killed
                self.ends[0].write("".join(f"{inode} " for inode in mapped).encode())
        for observed in living:
            if observed.role == "helper":
                continue
            self.output = Output()
            waits.send(observed.pid, signal.SIGABRT, signal.SIGCONT)
            deadline = time.monotonic() + DUMPING
            while is_alive(observed.pid) and time.monotonic() < deadline:
                self.pump(0.002)  # nothing tells its end: its parent need not wait for it
            self.drain()
            observed.stack = stack_of_python([text for _, text in self.output.lines()])
        self.output = Output()

    def end_tree(self, grace: float) -> int:
        """End every process that is left after the grace, and return how many were."""
        left = 0
        if not self.pump(grace, lambda: self.over):
            self.find_new()
            left = max(1, sum(map(is_alive, self.known)))
            self.drain()
            self.output = Output()  # what they say because they are ended
        self.ending = True
        self.ends[0].close()
        self.supervisor.send_signal(signal.SIGCONT)  # the program may have stopped it
        self.pump(ENDING, lambda: self.over)
        self.drain()
        if self.error or not supervisor.SEES_ALL:
            deadline = time.monotonic() + ENDING
            while (count := kill_marked(self.folder)) and time.monotonic() < deadline:
                left = max(left, count)  # and again: they may start others
        if self.error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise OSError(self.error)
        for handle, observed in self.handles.items():
            if observed.ended is not None:  # by itself: its own parent alone was told how
                observed.exit = waits.exit_of(observed.pid, handle)
        return left

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
    for folder in Path(place).glob("run-" + 16 * "[0-9a-f]"):
        # Another user's, or another recorder was faster; or what is too deep for `rmtree`.
        with contextlib.suppress(OSError, RecursionError):
            if supervisor.SEES_ALL and time.time() - folder.stat().st_mtime > OLD:
                handle = os.open(folder, os.O_RDONLY)
                try:
                    supervisor.lock(handle)
                    kill_marked(str(folder))
                    shutil.rmtree(folder)
                finally:
                    os.close(handle)


def stack_of_python(lines: Sequence[str]) -> list[str]:
    """What faulthandler printed of Python's own frames: no address in the interpreter."""
    return "\n".join(lines).partition(C_STACK)[0].rstrip().splitlines()


def kill_marked(folder: str) -> int:
    """Kill what has a run's mark in its environment; return how many there were."""
    count = 0
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get(RUN_VARIABLE) == folder:
            with contextlib.suppress(psutil.Error):
                process.kill()
                count += 1
    return count


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    used = waits.used(pid)
    return used is not None and used.alive


def environment(folder: str, traced: bool) -> dict[str, str]:
    """The environment of a run: the recorder's, whatever the shell exports."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": f"{folder}/run",
        "LANG": "C.UTF-8",
        "PYTHONFAULTHANDLER": "1",
        RUN_VARIABLE: folder,
        **dict.fromkeys(("TEMP", "TMP", "TMPDIR"), f"{folder}/tmp"),
        **(trace.environment(folder) if traced else {}),
    }
