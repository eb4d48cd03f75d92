"""How the threads of a run wait, and how full its pipes are, as Linux tells it from outside.

What is read, and what it means, stands in `examples/recipes/who_waits.py`, a program that its
readers take away. Here is what only a recorder needs: samples for a picture, the proof of a
hang, and both as data.

Nothing is changed in the run. To see how full a pipe is, its writing end is borrowed for an
instant, so that an end of file may come some microseconds later; never the reading end, which
would hide a broken pipe.

What Linux does not tell: that an alarm without a handler will end a process, so that one which
waits for it goes on. Such a run is taken for a hang.
"""

import contextlib
import enum
import functools
import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import psutil

from examples.recipes import who_waits
from recorder.recording import Frame, Pipe, Thread, Wait

AVAILABLE = who_waits.MACHINE >= 0 and os.path.exists("/proc/self/syscall")
PIDFD_GET_INFO = 0xC040FF0B  # linux/pidfd.h; it tells how a process ended from Linux 6.15 on
PIDFD_INFO_EXIT = 1 << 3
TICK, PAGE = (
    (1 / os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"))
    if sys.platform == "linux"
    else (0.0, 0)
)
TGKILL = (234, 131)[who_waits.MACHINE]
UNKNOWN = -1  # bytes in a pipe to which nobody can write any more
MOST_PIPES = 16  # whose filling is sampled
SOME = 3  # empty ones that are looked at in each sample
MOST_SEARCHED = 200  # descriptors of a run: five workers have fewer, a hundred many


class Waits(enum.Enum):
    """How a tree of processes waits."""

    FOREVER = "every thread waits without a time limit, for something that only this tree has"
    LIMITED = "a thread runs, or waits with a time limit"
    UNKNOWN = "neither can be told"


class Look(who_waits.Look):
    """One look at a run.

    Args:
        first: The program's process ID.
        pids: The processes of the run.
        before: The look before this one.
    """

    def __init__(self, first: int, pids: Sequence[int], before: "Look | None" = None) -> None:
        super().__init__(first, before, pids=pids)

    @property
    def waits(self) -> Waits:
        """How the processes wait, by this look alone."""
        found = {wait.kind for thread in self.threads.values() for wait in thread.waits}
        stopped = any(thread.call == "stopped" for thread in self.threads.values())
        if not found or "live" in found or stopped:
            return Waits.LIMITED
        return Waits.UNKNOWN if "outside" in found else Waits.FOREVER

    @property
    def proves(self) -> bool:
        """Whether nobody can ever go on, and nobody ran since the look before."""
        others = [one for one in self.threads.values() if not self.is_server(one.pid)]
        return self.waits is Waits.FOREVER and 0 < len(others) == len(self.stuck)

    def wait_list(self, tid: int) -> tuple[Wait, ...]:
        """What a thread waits for."""
        found = self.threads[tid].waits if tid in self.threads else ()
        return tuple(
            Wait(one.kind, tuple(sorted(one.by)), one.key if isinstance(one.key, str) else "")
            for one in found
        )

    def stack_pointers(self, pid: int) -> dict[int, int]:
        """Where the stack of each thread of a process is, which the kernel tells last but one."""
        return {one.tid: one.values[-2] for one in self.of(pid) if len(one.values) > 1}

    def full_pipes(self, at: float) -> Iterator[Pipe]:
        """The pipes for whose data or room somebody waits, and sockets; while all stand still."""
        waiting = [wait for one in self.threads.values() for wait in one.waits]
        told = {wait.key: wait for wait in waiting if isinstance(wait.key, str)}
        for target, wait in sorted(told.items()):
            is_pipe = target.startswith("pipe")
            held = who_waits.fill(self, target) if is_pipe or wait.kind == "room" else None
            if held:
                readers = self.ends(target, 0, 2) if is_pipe else wait.by
                ends = (tuple(sorted(pids)) for pids in (readers, self.ends(target, 1, 2)))
                yield Pipe(target, held[1], ((at, held[0]),), *ends)

    def links(self) -> tuple[int, ...]:
        """The chain of threads of which each can only be woken by the next."""
        if not self.stuck:
            return ()
        path, ring = self.chain()
        return tuple(one.tid for one in path + ([] if ring is None else [path[ring]]))


def look(first: int, pids: Sequence[int], before: Look | None) -> Look | None:
    """One look at a run, where the system allows it."""
    return Look(first, pids, before) if AVAILABLE else None


class Used(NamedTuple):
    """What a process is and has used; `image` is its parent's until it executes something."""

    alive: bool
    parent: int
    started: float
    cpu: float
    memory: int
    threads: int
    image: object


def used(pid: int) -> Used | None:
    """What a process has used; None when there is none, or it isn't told of one that has ended."""
    if sys.platform == "linux":  # one file tells all
        state, *words = who_waits.stat(pid)
        if len(words) < 25:
            return None
        parent, user, system, threads, started, pages, stack = (
            int(words[n]) for n in (0, 10, 11, 16, 18, 20, 24)
        )
        cpu, image = round((user + system) * TICK, 2), stack or object()  # 0: it isn't told
        return Used(
            state not in "ZX", parent, started * TICK, cpu, pages * PAGE, threads, image
        )
    with contextlib.suppress(psutil.NoSuchProcess):
        one = psutil.Process(pid)
        with one.oneshot():
            cpu, memory = round(sum(one.cpu_times()[:2]), 2), one.memory_info().rss
            alive = one.status() != psutil.STATUS_ZOMBIE
            return Used(alive, one.ppid(), one.create_time(), cpu, memory, 0, one.cmdline())
    return None


@functools.cache
def load_average() -> int:
    """A file that also tells which process ID was given out last."""
    return os.open("/proc/loadavg", os.O_RDONLY)


def newest() -> object:
    """What changes when the machine has a new process or thread; always, where none tells."""
    with contextlib.suppress(OSError):
        return os.pread(load_average(), 99, 0).split()[-1]
    return object()


def reasons(pid: int, alone: bool = False) -> dict[int, tuple[str, bool]]:
    """What each thread of a process does at this moment: see `reason`."""
    tids = [pid] if alone else who_waits.listed(f"{pid}/task")
    return {tid: reason(pid, tid) for tid in tids} if AVAILABLE else {}


def reason(pid: int, tid: int) -> tuple[str, bool]:
    """What a thread does at this moment, in one word; and whether it waits without a limit."""
    call, values, limited = who_waits.read_call(pid, tid)
    if call in ("busy", "unreadable", "call -1"):  # the last is no call: it waits for memory
        return ("", True) if call == "unreadable" else ("runs", False)
    if call in ("wait4", "waitid"):
        return "end", True
    if call == "futex":
        return ("own" if values[1] & 128 else "semaphore"), not limited
    try:
        wanted = who_waits.descriptors(pid, call, values)
        targets = [os.readlink(f"/proc/{pid}/fd/{number}") for number, _ in wanted]
    except (OSError, ValueError, OverflowError, struct.error):
        return "outside", not limited
    if not any(target.startswith(("pipe:", "socket:")) for target in targets):
        file = call != "lock" and any(
            os.path.isfile(f"/proc/{pid}/fd/{number}") for number, _ in wanted
        )
        return ("sleeps" if limited else "runs" if file else "outside"), not limited
    return ("room" if any(to_write for _, to_write in wanted) else "data"), not limited


def memory_of(pids: Iterable[int]) -> int:
    """The memory of processes in bytes, in which what they share counts once; 0: not told."""
    found = (who_waits.read(f"{pid}/smaps_rollup").partition("\nPss:")[2] for pid in pids)
    return sum(1024 * int(text.split()[0]) for text in found if text)


def handle_of(pid: int) -> int | None:
    """A descriptor that becomes readable when a process ends, where there are such."""
    if sys.platform == "linux":
        import resource

        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            if handle < resource.getrlimit(resource.RLIMIT_NOFILE)[0] / 2:
                return handle
            os.close(handle)  # others are needed, to look at all processes
    return None


def exit_of(pid: int, handle: int | None) -> int | None:
    """The exit code of a process that has ended; negative for a signal; None if it isn't told."""
    state, *_, status = who_waits.stat(pid)
    if state == "Z":  # nobody has reaped it yet
        return os.waitstatus_to_exitcode(int(status))
    if handle is not None:
        import fcntl  # not on Windows

        with contextlib.suppress(OSError):
            asked = struct.pack("=Q56x", PIDFD_INFO_EXIT)
            mask, status = struct.unpack("=Q52xi", fcntl.ioctl(handle, PIDFD_GET_INFO, asked))
            if mask & PIDFD_INFO_EXIT:
                return os.waitstatus_to_exitcode(status)
    return None


def send(pid: int, *signals: int) -> None:
    """Send signals to the main thread of a process that may have ended.

    Without a GIL, faulthandler prints no other stack than that of who takes the signal.
    """
    with contextlib.suppress(ProcessLookupError):
        for number in signals:
            if not AVAILABLE or who_waits.libc().syscall(TGKILL, pid, pid, number):
                os.kill(pid, number)


class Pipes:
    """The pipes between the processes of a run, and how full they were."""

    def __init__(self, *ours: int) -> None:
        self.ours = {f"pipe:[{inode}]" for inode in ours}  # these are the recorder's own
        self.searched = self.turn = 0
        self.ends: dict[str, list[tuple[int, int]]] = {}  # who can write: process, descriptor
        self.seen: dict[str, tuple[int, list[tuple[float, int]]]] = {}

    def find(self, pid: int) -> None:
        """Note the pipes to which a process can write, but not for ever new processes."""
        numbers = who_waits.listed(f"{pid}/fd") if self.searched < MOST_SEARCHED else []
        self.searched += len(numbers)
        for number in numbers:
            with contextlib.suppress(OSError):
                link = f"/proc/{pid}/fd/{number}"
                target = os.readlink(link)
                if not target.startswith("pipe:") or target in self.ours:
                    continue
                known = target in self.ends or len(self.ends) < MOST_PIPES
                if known and os.lstat(link).st_mode & 0o200:  # it can write there
                    holders = self.ends.setdefault(target, [])
                    if (pid, number) not in holders:
                        holders.append((pid, number))

    def sample(self, at: float) -> None:
        """Note how full they are: of those that were empty a few at a time, in turn."""
        self.turn += SOME
        empty = [one for one in self.ends if not self.seen.get(one, (0, [(0, 0)]))[1][-1][1]]
        others = [empty[(self.turn + n) % len(empty)] for n in range(min(SOME, len(empty)))]
        for target in {*self.ends}.difference(empty).union(others):
            holders = self.ends[target]
            while holders:
                try:
                    held, capacity = fill(target, *holders[-1])
                except OSError:  # it has closed this end, or has ended
                    holders.pop()
                    continue
                if held or target in self.seen:
                    self.note(target, capacity, at, held)
                break
            else:
                if target in self.seen:
                    self.note(target, self.seen[target][0], at, UNKNOWN)

    def note(self, target: str, capacity: int, at: float, held: int) -> None:
        """Note how full a pipe is, if that has changed."""
        _, samples = self.seen.setdefault(target, (capacity, []))
        if not samples or samples[-1][1] != held:
            samples.append((at, held))

    def found(self, last: Sequence[Pipe]) -> tuple[Pipe, ...]:
        """What was seen, with what a last look at some of them says."""
        for pipe in last:
            self.note(pipe.name, pipe.capacity, *pipe.samples[0])
        ends = {pipe.name: (pipe.readers, pipe.writers) for pipe in last}
        return tuple(
            Pipe(name, capacity, tuple(samples), *ends.get(name, ()))
            for name, (capacity, samples) in self.seen.items()
        )


def fill(target: str, pid: int, number: int) -> tuple[int, int]:
    """The bytes in a pipe, and how many fit, by a descriptor that a process has.

    Raises:
        OSError: It has not that one any more, or may not be asked.
    """
    if sys.platform != "linux":
        raise OSError("only Linux lends a descriptor")
    end = who_waits.borrow(pid, number)
    if f"pipe:[{os.fstat(end).st_ino}]" != target:
        os.close(end)
        raise OSError("the number is another descriptor's by now")
    held, capacity = who_waits.measure(end)
    return held, capacity


THREAD = re.compile(r"^(?:(?:Current thread|Thread) (0x[0-9a-f]+)|Stack) ")
FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')


def match_stacks(
    stack: Sequence[str], pid: int, pointers: Mapping[int, int]
) -> dict[int, tuple[Frame, ...]]:
    """The frames of each thread of a process, by its ID, as far as that is certain.

    Faulthandler names a thread by the address of its control block, which the C library keeps
    at the upper end of the thread's stack: it is the next one above the stack pointer. The main
    thread is the one that is left.
    """
    frames: dict[int, list[Frame]] = {}
    for line in stack:
        if head := THREAD.match(line):
            frames[int(head[1] or "0", 16)] = []
        elif frames and (one := FRAME.search(line)):
            frames[[*frames][-1]].append(Frame(one[1], int(one[2]), one[3]))
    if not frames:
        return {}
    if not pointers or len(frames) == 1:
        return {pid: tuple([*frames.values()][-1])}
    above = {
        tid: min((address for address in frames if address > pointer), default=0)
        for tid, pointer in pointers.items()
        if tid != pid
    }
    left = set(frames) - set(above.values())
    if len(left) != 1 or len(above) != len(frames) - 1:
        return {}
    return {
        tid: tuple(frames[address]) for tid, address in (above | {pid: left.pop()}).items()
    }


def thread(
    tid: int,
    samples: Sequence[tuple[float, str]],
    look: Look | None,
    frames: Sequence[Frame],
) -> Thread:
    """What the recording says of a thread."""
    waits = look.wait_list(tid) if look else ()
    kinds = {wait.kind for wait in waits} - {"live", "outside", "lock", "request"}
    if samples and len(kinds) == 1:  # the look knows more: an end by which pipe comes data
        samples = [*samples[:-1], (samples[-1][0], kinds.pop())]
    return Thread(tid, tuple(samples), waits, tuple(frames))
