"""Say who waits for whom in a Python program that stands still. Linux only.

python who_waits.py 4242                       a process ID: any one of the program's processes
python who_waits.py my_program.py              or its name
python who_waits.py -- python my_program.py    start it, and wait until somebody is stuck

It only looks, through /proc, and stops nobody. What it started after `--` it ends when it is
interrupted (with --once after the report); killed itself, it leaves it behind. With py-spy there,
each thread that waits gets its line. What processes of other users hold only root sees.
"""

import argparse
import contextlib
import ctypes
import functools
import itertools
import json
import os
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISFIFO

CALLS = {  # system calls that wait, the argument that holds a time limit: x86-64, and arm64
    "read": ((0, 19, 45, 47), (63, 65, 207, 212)),
    "accept": ((43, 288), (202, 242)),
    "write": ((1, 20, 44, 46), (64, 66, 206, 211)),
    "wait4": ((61,), (260,)),
    "waitid": ((247,), (95,)),
    "futex 3": ((202,), (98,)),
    "poll 2": ((7, 271), (73,)),
    "select 4": ((23, 270), (72,)),
    "epoll 3": ((232, 281, 441), (22, 441)),
    "sleep": ((35, 230, 219), (101, 115, 128)),
    "open": ((257,), (56,)),
    "lock": ((72, 73), (25, 32)),
    "signal": ((34, 130), (133,)),
    "signal 2": ((128,), (137,)),
}
MACHINE = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), -1)
NAMES = {n: call for call, numbers in CALLS.items() if MACHINE >= 0 for n in numbers[MACHINE]}
MILLISECONDS = ((7, 232, 281), (22,))[MACHINE]  # calls whose limit is a number; else a pointer
PLAIN = {  # what needs no further look: may somebody come, and what is said of it
    "busy": ("live", "runs"),
    "limit": ("live", "sleeps, or waits with a time limit"),
    "alarm": ("outside", "waits, and a timer may wake it"),
    "stopped": ("outside", "is stopped by a signal; SIGCONT lets it go on"),
    "unreadable": ("outside", "can't be read by you"),
}
PIDFD_GETFD = 438  # the system call, on both
SIGNALS = {1: "SIGHUP", 10: "SIGUSR1", 12: "SIGUSR2", 15: "SIGTERM", 17: "SIGCHLD"}


@dataclass
class Wait:
    """What a thread waits for, and the processes that could give it.

    Its kind is "end" (of a process), "data", "room", "semaphore", "lock" (of a file), "own"
    (another thread), "request" (from within), or what is no hang: "live", or "outside": somebody
    else could wake it (by the name of a FIFO: then `by` has our own), or that can't be told.
    """

    kind: str
    what: str
    by: set[int] = field(default_factory=set)
    key: object = None  # which pipe, which semaphore


@dataclass
class Thread:
    """A thread, and the call in which it waits; `ran` changes whenever it has run."""

    pid: int
    tid: int
    call: str
    values: list[int] = field(default_factory=list)
    ran: object = None
    signals: str = ""  # for which its process has a handler: only a main thread runs it
    waits: list[Wait] = field(default_factory=list)

    @property
    def place(self):
        """Where it stands in order: a main thread first, as numbers begin again at the highest."""
        return self.tid != self.pid, self.tid


def read(name):
    """The text of a file of /proc; "" if it is not there or may not be read."""
    with contextlib.suppress(OSError):
        file = os.open(f"/proc/{name}", os.O_RDONLY)  # half as dear as open()
        try:
            return b"".join(iter(lambda: os.read(file, 16384), b"")).decode(errors="replace")
        finally:
            os.close(file)
    return ""


def listed(name):
    """The numbers that a folder of /proc holds."""
    with contextlib.suppress(OSError):
        return sorted(int(entry) for entry in os.listdir(f"/proc/{name}") if entry.isdigit())
    return []


def stat(pid):
    """The fields of a process from its state on: state, parent, and last its exit status."""
    return read(f"{pid}/stat").rpartition(")")[2].split() or ["X", "0", "0"]


def command(pid):
    return read(f"{pid}/cmdline").split("\0")[:-1]


def executable(pid):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe")
    return None


def is_tracker(words):
    return "multiprocessing.resource_tracker " in " ".join(words)


def first_of(pid):
    """The first process of the program to which a process of multiprocessing belongs."""
    while executable(pid) and executable(parent := int(stat(pid)[1])) == executable(pid):
        words = command(pid)
        if words != command(parent) and "from multiprocessing." not in " ".join(words):
            break
        pid = parent
    return pid


def above(pid):
    """A process, and those from which it descends."""
    return [pid, *above(int(stat(pid)[1]))] if pid else []


def family(root):
    """A process and all that descend from it, but for this one."""
    children, found = {}, [root]
    for pid in listed(""):
        children.setdefault(int(stat(pid)[1]), []).append(pid)
    for pid in found:
        found += [child for child in children.get(pid, ()) if child != os.getpid()]
    return found


def read_call(pid, tid):
    """The system call in which a thread is blocked, its arguments, and whether it has a limit."""
    number, *values = read(f"{pid}/task/{tid}/syscall").split() or [""]
    if not values:
        return ("busy" if number else "unreadable"), [], False
    values = [int(value, 16) for value in values]
    call, _, limit = NAMES.get(int(number), "").partition(" ")
    if not limit:
        return call or f"call {number}", values, call == "sleep"
    value = values[int(limit)]
    limited = not value & 0x8000_0000 if int(number) in MILLISECONDS else value != 0
    return call, values, limited


def read_thread(pid, tid):
    """One thread and the call in which it waits; None if it has ended."""
    lines = read(f"{pid}/task/{tid}/status").splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    state = status.get("State", "X")[0]
    if state in "ZX":
        return None
    call, values, limited = read_call(pid, tid)
    if state in "Tt":
        call = "stopped"
    elif call not in PLAIN:
        if state != "S":
            call = "busy"
        elif limited:
            call = "limit"
        elif int(status["SigCgt"], 16) >> 13 & 1 or read(f"{pid}/timers"):
            call = "alarm"
    ran = [line for line in lines if "ctxt_switches" in line]
    caught = int(status["SigCgt"], 16) if tid == pid else 0
    handled = " or ".join(SIGNALS[n] for n in SIGNALS if caught >> n - 1 & 1)
    return Thread(pid, tid, call, values, [call, *values, *ran], handled)


def descriptors(pid, call, values):
    """The descriptors for which a call waits, and whether it waits to write to them."""
    if call in ("read", "write", "accept", "lock"):
        return [(values[0], call == "write")]
    if call == "epoll":
        lines = [line.split() for line in read(f"{pid}/fdinfo/{values[0]}").splitlines()]
        return [(int(one[1]), False) for one in lines if one and one[0] == "tfd:"]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        if call == "poll":
            memory.seek(values[0])
            array = struct.iter_unpack("=ihH", memory.read(8 * values[1]))
            return [(number, bool(events & 4)) for number, events, _ in array if number >= 0]
        found = []
        for at, address in enumerate(values[1:3] if call == "select" else ()):
            if address:
                memory.seek(address)
                bits = int.from_bytes(memory.read((values[0] + 63) // 64 * 8), "little")
                found += [(n, at == 1) for n in range(values[0]) if bits >> n & 1]
        return found


def peer(inode):
    """The inode of the other end of a local socket; 0 where there is none. See sock_diag(7).

    Of a connection that nobody has accepted yet: minus the inode of the socket that listens.
    """
    request = struct.pack("=BBHIIIII", 1, 0, 0, 0xFFFFFFFF, inode, 4, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(request), 20, 1, 0, 0) + request)
        answer = netlink.recv(4096)
    position = 32
    while position + 8 <= len(answer):
        length, kind, value = struct.unpack_from("=HHI", answer, position)
        if kind == 2 and length == 8:
            rows = [line.split() for line in read("net/unix").splitlines()]
            paths = [*{one[7] for one in rows if one[6] == "0" and len(one) > 7}]
            listen = [one[6] for one in rows if one[3] == "00010000" and one[7:] == paths]
            return value or -int(listen[0] if len(listen) == 1 else 0)
        position += max(4, length + 3 & ~3)
    return 0


def tcp_peer(pid, inode):
    """The same for a TCP connection within this machine."""
    lines = (read(f"{pid}/net/tcp") + read(f"{pid}/net/tcp6")).splitlines()
    rows = [one for one in map(str.split, lines) if len(one) > 9]
    mine = next((one[2:0:-1] for one in rows if one[9] == str(inode)), None)
    state, other = next(((one[3], int(one[9])) for one in rows if one[1:3] == mine), ("", 0))
    if state == "01" and not other:  # established, and not accepted
        port = mine[0][-5:]
        listen = [int(one[9]) for one in rows if one[3] == "0A" and one[1].endswith(port)]
        return -listen[0] if len(listen) == 1 else 0
    return other


class Look:
    """One look at a program: its threads, what each waits for, and who can never go on.

    Args:
        root (int): Its first process.
        before (Look | None): An earlier look. Who has run since then is not stuck.
        pids (list[int] | None): Its processes, where all are known; else those of another
            Python that hold what it waits for are looked at, too.
    """

    def __init__(self, root, before=None, pids=None):
        self.root, found = root, pids or family(root)
        self.everybody = set() if pids else {*listed("")} - {os.getpid()}
        self.look_at(found)
        while more := [pid for pid in self.others if self.belongs(pid)]:
            self.look_at(found := found + more)
        earlier = before.threads if before else {}
        self.stuck = self.find_stuck(earlier)
        self.managers = {one.pid for one in self.threads.values() if self.is_manager(one)}
        self.served = self.named = []  # if managers only answer; if nobody else opens a FIFO
        if not self.stuck:
            self.served = self.managers and self.find_stuck(earlier, self.managers)
            self.named = self.find_stuck(earlier, named=True)
        self.still = self.stuck or self.served or self.named

    def look_at(self, pids):
        """Look at these processes, and note in `others` who else could wake them."""
        self.others, self.holders, self.maps = set(), {}, {}
        pids = {pid: command(pid) for pid in pids}
        ended = [pid for pid in pids if stat(pid)[0] == "Z" and len(listed(f"{pid}/task")) < 2]
        self.zombies = {pid: int(stat(pid)[-1]) for pid in ended}
        self.trackers = {pid for pid, one in pids.items() if pid in ended or is_tracker(one)}
        self.commands = {pid: one for pid, one in pids.items() if pid not in self.trackers}
        self.parents = {pid: int(stat(pid)[1]) for pid in self.commands}
        self.watched = self.everybody.union(self.commands) - self.trackers
        for pid in self.watched:
            self.note_descriptors(pid)
        tids = ((pid, tid) for pid in self.commands for tid in listed(f"{pid}/task"))
        self.threads = {one.tid: one for one in itertools.starmap(read_thread, tids) if one}
        for thread in self.threads.values():
            try:
                thread.waits = self.waits_of(thread)
            except (OSError, ValueError, OverflowError, struct.error):  # or it has ended
                thread.waits = [Wait("outside", "waits for what can't be read")]
        for thread in self.threads.values():
            kinds = {wait.kind for one in self.of(thread.pid) for wait in one.waits}
            by = {pid for wait in thread.waits for pid in wait.by}
            if thread.signals and by == {thread.pid} and kinds <= {"own", "data"}:
                thread.waits = [Wait("outside", f"waits, and {thread.signals} may wake it")]

    def belongs(self, pid):
        """Whether a process that is not below the first one is of the program, all the same."""
        return (
            pid not in above(self.root)
            and executable(pid) == executable(self.root) is not None
        )

    def note_descriptors(self, pid, wanted=("pipe:", "socket:")):
        """Note which pipes and sockets, or other files, a process holds, and how."""
        for number in listed(f"{pid}/fd"):
            with contextlib.suppress(OSError):
                link = f"/proc/{pid}/fd/{number}"
                target = os.readlink(link)
                if target.startswith(wanted):
                    rights = os.lstat(link).st_mode >> 7 & 3  # 2: to read, 1: to write
                    entry = (pid, number, (None, 1, 0, 2)[rights])
                    self.holders.setdefault(target, set()).add(entry)

    def ends(self, target, *modes):
        """The processes that hold an end of a pipe: to read (0), to write (1), or both (2)."""
        if target not in self.holders and not target.startswith("socket:"):
            self.holders[target] = set()
            for pid in self.watched:
                self.note_descriptors(pid, target)
        return {pid for pid, _, mode in self.holders.get(target, ()) if mode in modes}

    def of(self, pid):
        """The threads of a process, its main thread first."""
        return [thread for thread in self.threads.values() if thread.pid == pid]

    def is_forked(self, pid):
        return self.commands.get(pid) == self.commands.get(self.parents.get(pid), "")

    def is_copy(self, pid):
        """Whether it was forked with all that its parent had, and not by the fork server."""
        return self.is_forked(pid) and not self.is_server(self.parents[pid])

    def is_server(self, pid):
        """Whether this is the fork server, and not a worker that it forked."""
        words = " ".join(self.commands.get(pid, ()))
        return "multiprocessing.forkserver " in words and not self.is_forked(pid)

    def waits_of(self, thread):
        """What a thread waits for: any one of these wakes it."""
        pid, call, values = thread.pid, thread.call, thread.values
        if call in PLAIN:
            return [Wait(*PLAIN[call])]
        if self.is_server(pid):
            return [Wait("end", "serves the others", set(self.commands) - {pid})]
        if call in ("wait4", "waitid"):
            children = {one for one, parent in self.parents.items() if parent == pid}
            which = values[0] if call == "wait4" else values[1] * (values[0] == 1)
            if not children:  # the resource tracker, or one that is new
                return [Wait("outside", "waits for another process to end")]
            return [self.end_of({which} & children or children)]
        if call == "futex":
            return [self.futex(pid, values)]
        if call == "accept" and "SigBlk:\tf" in read(f"{pid}/task/{thread.tid}/status"):
            inode = os.stat(f"/proc/{pid}/fd/{values[0]}").st_ino
            if re.search(
                f" {inode} .*/pymp-", read("net/unix")
            ):  # a thread of multiprocessing
                what = "waits to be asked for a Connection that was sent"
                return [Wait("request", what, set(self.commands))]
        if call in ("open", "lock"):
            return [(self.opening if call == "open" else self.file_lock)(pid, values)]
        if call in ("read", "write", "accept") and has_limit(pid, values[0], call == "write"):
            return [Wait(*PLAIN["limit"])]
        found = [self.descriptor(pid, *one) for one in descriptors(pid, call, values)]
        what = "for a signal" if call == "signal" else f"in system {call}"
        return found or [Wait("outside", f"waits {what}")]

    def end_of(self, pids):
        return Wait("end", f"waits for {self.name(pids, 'or')} to end", pids)

    def futex(self, pid, values):
        """Tell a lock of the process's own threads from a semaphore that others share."""
        key = None if values[1] & 128 else self.shared_memory(pid, values[0])
        if key is None:
            what = "a lock of its own threads, and has no other: nobody can release it"
            if len(self.of(pid)) > 1:
                what = "another of its threads, or a lock of theirs"
            return Wait("own", f"waits for {what}", {pid})
        by = {one for one in self.watched if key[0] in self.maps_of(one)}
        if others := by - set(self.commands):
            return self.outside("waits for a semaphore (a lock of processes)", others)
        who = f"Only {others}" if (others := self.name(by - {pid})) else "Nobody else"
        what = f"waits for a semaphore (a lock of processes). {who} could release it"
        return Wait("semaphore", what, by, key)

    def opening(self, pid, values):
        """What it is to wait in open(): for who opens the other end of a FIFO."""
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(values[1])
            name = os.fsdecode(memory.read(4096).partition(b"\0")[0])
        place = "root" if name.startswith("/") else "cwd"
        if not S_ISFIFO(os.stat(f"/proc/{pid}/{place}/{name}").st_mode):
            return Wait("outside", f"waits in open() of {name}")
        deed = "read" if values[2] & 3 else "write"
        what = f"waits until somebody opens the FIFO {name} to {deed}: anybody may"
        return Wait("outside", what, set(self.commands))

    def file_lock(self, pid, values):
        """What it is to wait for a lock of a file: its holders' descriptors tell of it."""
        link = f"/proc/{pid}/fd/{values[0]}"
        target, inode = os.readlink(link), os.stat(link).st_ino
        self.ends(target)
        told = {(one, read(f"{one}/fdinfo/{n}")) for one, n, _ in self.holders[target]}
        by = {one for one, lines in told if re.search(f"lock:.*:{inode} ", lines)}
        what = f"waits for the lock of the file {target}"
        if not by or by - set(self.commands):
            return self.outside(what, by - set(self.commands))
        who = self.name(by - {pid}) or "this process itself"
        return Wait("lock", f"{what}, held by {who}", by, target)

    def maps_of(self, pid):
        if pid not in self.maps:
            self.maps[pid] = read(f"{pid}/maps")
        return self.maps[pid]

    def shared_memory(self, pid, address):
        """Which memory of several processes lies at an address, and where in it, or None."""
        for line in self.maps_of(pid).splitlines():
            area, flags, offset, device, inode = line.split()[:5]
            low, high = (int(one, 16) for one in area.split("-"))
            if low <= address < high and flags.endswith("s"):
                return f" {device} {inode} ", address - low + int(offset, 16)
        return None

    def descriptor(self, pid, number, to_write):
        """What it is to wait for a descriptor."""
        link = f"/proc/{pid}/fd/{number}"
        target = os.readlink(link)
        kind, _, inode = target.partition(":[")
        what = "waits for room in" if to_write else "waits for data from"
        ends, named = (0 if to_write else 1, 2), False
        if kind == "pipe":
            by, where = self.ends(target, *ends), "a pipe"
        elif kind == "socket":
            other = peer(int(inode[:-1])) or tcp_peer(pid, int(inode[:-1]))
            by = self.ends(f"socket:[{abs(other)}]", 0, 1, 2)
            where = "a connection that is not accepted yet" if other < 0 else "a socket"
        elif target == "anon_inode:[pidfd]":
            which = read(f"{pid}/fdinfo/{number}").partition("Pid:")[2].split()
            if not (by := {int(which[0])} & set(self.commands)):
                return Wait("outside", "waits for another process to end")
            return self.end_of(by)
        elif target == "anon_inode:[eventfd]":  # without a name: only from within
            by, where = self.ends(target, 0, 1, 2) & set(self.commands), "an eventfd"
        elif S_ISFIFO(os.stat(link).st_mode):
            by, where = self.ends(target, *ends), f"the FIFO {target}"
            named = not target.endswith(" (deleted)")
        else:
            by, where = set(), target
        if not by or not by <= set(self.commands):
            return self.outside(f"{what} {where}", by - set(self.commands))
        if named:
            what += f" {where}. Its other end is open in {self.name(by)}; anybody may open it"
            return Wait("outside", what, by, target)
        if kind == "pipe" and not to_write and (servers := [*filter(self.is_server, by)]):
            # The fork server writes there when a worker has ended.
            return self.end_of(self.workers_of(servers[0], int(inode[:-1])))
        return Wait("room" if to_write else "data", f"{what} {where}", by, target)

    def outside(self, what, others):
        """What it is to wait for what others than the program could bring."""
        self.others |= others
        who = f", {self.name(others, 'or')}" if others else ""
        return Wait("outside", f"{what}: it may come from outside the program{who}")

    def workers_of(self, server, inode):
        """The worker whose sentinel is this pipe: the next pipe made is the one that it reads."""
        workers = {pid for pid, parent in self.parents.items() if parent == server}
        return self.ends(f"pipe:[{inode + 1}]", 0) & workers or workers

    def is_manager(self, thread):
        """Whether this is like the process of a Manager: it looks around, and a thread accepts."""
        main, own = self.threads.get(thread.pid), thread.pid == self.root
        return thread.call == "accept" and not own and main and main.call == "limit"

    def find_stuck(self, before, managers=(), named=False):
        """The threads that nobody can wake: those that could are all among them.

        With managers: all threads, if those of managers only do what they are asked for.
        Named: those of several processes, if nobody else opens the FIFOs that have a name.
        """
        serves = (one for one in self.threads.values() if one.pid in managers)
        serving = {one.tid for one in serves if one.tid == one.pid or one.call == "accept"}
        stuck = {
            tid
            for tid, thread in self.threads.items()
            if tid in before and thread.ran == before[tid].ran
            if all(w.kind not in ("live", "outside") or (named and w.by) for w in thread.waits)
        }
        calm = stuck | serving
        while more := {tid for tid in stuck if not {w.tid for w in self.wakers(tid)} <= calm}:
            stuck -= more
            calm = stuck | serving
        found = [self.threads[tid] for tid in self.threads if tid in stuck]
        if managers and len(calm) < len(self.threads):  # who is not could ask them
            return []
        found = [thread for thread in found if not self.is_server(thread.pid)]
        # Who waits for a FIFO alone, and has both ends, or opens one, waits for somebody else.
        by_name = [(one, w) for one in found for w in one.waits if w.kind == "outside"]
        if named and len({one.pid for one, _ in by_name}) < 2:
            return found if any(w.key and w.by - {one.pid} for one, w in by_name) else []
        return found

    def wakers(self, tid):
        """The threads that could wake a thread."""
        by = {pid for wait in self.threads[tid].waits for pid in wait.by}
        return [one for one in self.threads.values() if one.pid in by and one.tid != tid]

    def name(self, pids, conjunction="and"):
        """Processes in words."""
        words = [self.name_of(pid) for pid in sorted(pids)]
        if len(words) > 4:
            words[3:] = [f"{len(words) - 3} others"]
        *most, last = words or [""]
        return f"{', '.join(most)} {conjunction} {last}" if most else last

    def name_of(self, pid):
        if pid == self.root:
            return "the parent" if self.zombies or len(self.commands) > 1 else "the process"
        if self.is_server(pid):
            return "the fork server"
        words = self.commands.get(pid) or command(pid) or ["process"]
        ours = self.is_forked(pid) or "multiprocessing." in " ".join(words)
        return f"worker {pid}" if ours else f"process {pid} ({Path(words[0]).name})"

    def chain(self):
        """The stuck threads from one to the next that it waits for, and where the ring begins."""
        stuck = self.still
        path, at = [], min(stuck, key=lambda one: (one.pid != self.root, *one.place))
        while at not in path:
            path.append(at)
            wakers = [one for one in self.wakers(at.tid) if one in stuck]
            if not wakers:
                return path, None
            at = min(wakers, key=lambda one: self.rank(path, one))
        return path, path.index(at)

    def rank(self, path, one):
        """Who is to come next in a chain: the least of those who could wake the last one."""
        at, seen, kind = path[-1], [other.pid for other in path], one.waits[0].kind
        if one.pid == at.pid:  # no other process, and rather not what waits for a thread, too
            return True, kind in ("own", "request"), len(one.waits), *one.place
        wait, new = at.waits[0], one.pid not in seen
        # It serves, and has no request.
        idle = kind == "request" or (one.pid in self.managers and kind == "data")
        # Who hands on, if it is the only one. Who holds a lock, perhaps: it reads or writes. Then
        # who closes a ring, then a main thread.
        hands_on = kind == wait.kind in ("data", "semaphore") and wait.key != one.waits[0].key
        hands_on &= wait.by - {at.pid, self.root} == {one.pid} and not self.is_copy(at.pid)
        holds = wait.kind == "semaphore" and kind in ("room", "data") and new
        order = (
            idle,
            not self.face(at, one),
            not hands_on,
            not holds,
            new,
            one.pid != self.root,
        )
        return False, *order, *one.place

    def relays(self, thread):
        """Whether somebody who could send to a thread waits for data of another channel."""
        return any(
            wait.kind == "data" and one.pid != thread.pid and wait.key != thread.waits[0].key
            for one in self.wakers(thread.tid)
            for wait in one.waits
        )

    def face(self, one, other):
        """Whether each of two threads waits for room, or a semaphore, that the other could give."""
        return any(
            its.kind == wait.kind in ("room", "semaphore", "lock")
            and its.key != wait.key
            and (one.pid in its.by and other.pid in wait.by and one.pid != other.pid)
            for wait in one.waits
            for its in other.waits
        )


LOST = ["dead-worker", "worker-exception", "unpicklable-put"]
KEPT = "an end of a Pipe that who reads from it keeps open, too"
CROSSED = "two locks that are taken in opposite orders"
EVENTS = "two Events or Semaphores, each set by who waits for the other"
TAKEN = "a lock of threading that is taken twice"
UNREAD = "output of a subprocess that nobody reads: take communicate(), or close it"
UNCLOSED = "input of a subprocess that is not flushed or closed"
UNSET = "a lock or an Event that nobody is left to release or set"
OWN = "a queue.Queue, Event or executor that each process has for itself"
REMADE = "a Queue that each process makes for itself, as its module is run in each"
PAGES = (  # of the site, by what the threads of a chain wait for, one after the other
    (".*faced-room.*", ["two-way-deadlock"]),
    (".*faced-threads-semaphore.*", ["full-queue", "two-way-deadlock"]),
    (".*faced-semaphore.*", [CROSSED, EVENTS, "event-set"]),
    (".*faced-lock.*", [CROSSED]),
    (".*accepted", ["a connection that nobody accepts"]),
    (".* foreign-room", [UNREAD]),
    ("((end|data|any|own) )+foreign-data", [UNCLOSED]),
    ("(loop )?(end )+(own )?((threads-)?semaphore )?room|loop own room", ["join-before-get"]),
    ("(end )+threads-semaphore", ["join-before-get"]),
    ("(end )+(own )?data", ["sentinel-too-few"]),
    ("own self-room", ["ctrl-c", "a Queue from which nobody is left to read"]),
    ("own self-threads-semaphore", ["full-queue", UNSET]),
    ("self-room lost", ["large-argument"]),
    ("self-room", ["a put() or send() before somebody can receive"]),
    ("(loop )?(own )?self-data|self-any|data( data)+", LOST),
    ("(data )+(own )?(threads-)?semaphore", ["killed-holding-lock"]),
    ("threads-semaphore data", ["joinable-queue"]),
    ("(own )?self-threads-semaphore( own)?", ["full-queue", "joinable-queue"]),
    ("self-semaphore killed", ["killed-holding-lock"]),
    ("self-semaphore", [UNSET]),
    ("((end|data|any|pool) )+copied", ["fork-with-threads", TAKEN, OWN]),
    ("((end|data|any|pool) )+alone", [TAKEN, OWN]),
    ("pool (any|data) threads-semaphore", ["full-queue"]),
    ("pool ((self-)?any|self-data|(any|data)( semaphore)? data)", ["pool-hangs"]),
)


def pages_like(look):
    """The pages of the site that it looks like, by the first pattern that fits."""
    path, _ = look.chain()
    text = " ".join(word_for(look, thread) for thread in path)
    ended = [0 if code & 127 else 1 if code else 2 for code in look.zombies.values()]
    if text == "self-room" and (ended or any(map(look.is_server, look.commands))):
        text += " lost"
    if text == "self-semaphore" and 0 in ended:
        text += " killed"
    pages = next((pages for pattern, pages in PAGES if re.fullmatch(pattern, text)), [])
    has_queue = "/sem." in look.maps_of(look.root) or "/sem." in look.maps_of(path[-1].pid)
    own = sum(one.waits[0].kind == "own" for one in look.of(look.root))
    if pages == LOST and "own " in text and own > 1:  # threads among themselves
        return []
    if pages == LOST:  # killed, failed, or ended well: one of the three
        lost = LOST if has_queue else [*LOST[:2], KEPT]
        # Nobody has a feeder thread, and of each channel one other process has the other end.
        first = "self" not in text and all(
            len(look.of(one.pid)) == 1 == len(one.waits[0].by - {one.pid}) for one in path
        )
        either = ["each receives before the other has sent"] if first else lost
        either = [lost[min(ended)]] if ended else either
        spawned = has_queue and any(is_tracker(command(pid)) for pid in look.trackers)
        return either + [REMADE] * (spawned and either[-1] == LOST[2])
    last, alike = path[-1], len(path) > 1 and path[-1].waits[0].key == path[-2].waits[0].key
    if pages == ["sentinel-too-few"] and look.relays(last):
        return []
    if pages == ["pool-hangs"] and last.pid != look.root:  # who waits for a task, and so here:
        idle = last.waits[0].by == {look.root} and str(last.waits[0].key).startswith("pipe:")
        return pages if idle else []
    kept = "(end )+(data )*its-self-data" + "|(end )+data data" * alike
    if re.fullmatch(kept, text) and not has_queue:
        return [KEPT]
    return pages


def word_for(look, thread):
    """What a thread waits for, in one word of those patterns."""
    wait, pid = thread.waits[0], thread.pid
    threads = look.of(pid)
    if thread.call == "epoll" or len(thread.waits) > 1:
        by = {pid for one in thread.waits for pid in one.by}
        return "loop" if len(thread.waits) == 1 else "any" if by - {pid} else "self-any"
    if wait.kind == "own":
        helped = any(one.call != "epoll" and len(one.waits) > 1 for one in threads)
        kinds = [one.waits[0].kind for one in threads if len(one.waits) == 1]
        helped &= kinds.count("own") > 1 >= kinds.count("data")  # one has no task for the Pool
        alone = "copied" if look.is_copy(pid) else "alone"
        foreign = "foreign-" * look.name_of(pid).startswith("process ")
        return foreign + alone if len(threads) == 1 else "pool" if helped else "own"
    kind = next((word for word in ("eventfd", "accepted") if word in wait.what), wait.kind)
    if kind == "semaphore" and len(threads) > 1:
        kind = "threads-semaphore"  # it may have put something: then there is a feeder
    others = [one for one in look.wakers(thread.tid) if one.pid != pid and one in look.stuck]
    if any(look.face(thread, one) for one in others):
        return f"faced-{kind}"
    if kind != "end" and wait.by == {pid}:
        return f"self-{kind}" if pid == look.root else f"its-self-{kind}"
    if look.name_of(pid).startswith("process"):
        return f"foreign-{kind}"
    return kind


@functools.cache
def libc():
    """The C library. While it is called no other thread runs, so that a loan is short."""
    return ctypes.PyDLL(None, use_errno=True)


def borrow(pid, number):
    """A copy of a descriptor of another process, if it may be asked."""
    process = os.pidfd_open(pid)
    try:
        end = libc().syscall(PIDFD_GETFD, process, number, 0)
    finally:
        os.close(process)
    if end < 0:
        raise OSError(ctypes.get_errno(), "it is not lent")
    return end


def has_limit(pid, number, to_write):
    """Whether a socket has a time limit of its own, which a call for it does not show."""
    with contextlib.suppress(OSError):  # it is not lent: Python sets none
        if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            with socket.socket(fileno=borrow(pid, number)) as end:
                option = socket.SO_SNDTIMEO if to_write else socket.SO_RCVTIMEO
                return any(end.getsockopt(socket.SOL_SOCKET, option, 16))
    return False


def measure(end):
    """The bytes to be read at an end, which is closed; and how many fit: 0 if it is a socket."""
    import fcntl  # not there on Windows
    import termios

    try:
        (held,) = struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, bytes(4)))
        is_pipe = S_ISFIFO(os.fstat(end).st_mode)
        return held, fcntl.fcntl(end, fcntl.F_GETPIPE_SZ) if is_pipe else 0
    finally:
        os.close(end)


def fill(look, target):
    """What `measure` tells of a pipe, or of the way out of a local socket.

    Nothing is changed while all stand still.
    """
    kind, _, inode = target.partition(":[")
    if kind == "socket":
        target = f"socket:[{peer(int(inode[:-1]))}]"
    for pid, number, _ in look.holders.get(target, ()):
        with contextlib.suppress(OSError):
            if kind == "socket":
                return measure(borrow(pid, number))
            return measure(os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_NONBLOCK))
    return None


def lines_of(pid):
    """The line of the program in which each thread of a process is, as py-spy sees it."""
    command = ["py-spy", "dump", "--nonblocking", "--json", "--pid", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=5, check=True)
        threads = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    found = {}
    for thread in threads:
        for frame in reversed(thread["frames"]):  # the innermost that is not Python's own
            file = Path(frame["filename"])
            if file.suffix == ".py" and "/lib/python" not in frame["filename"]:
                where = f"{file.name}, line {frame['line']}, in {frame['name']}"
                found[thread["os_thread_id"]] = where
    return found


class Report:
    """What a look comes to, in words."""

    def __init__(self, look):
        self.look = look
        seen = look.commands if shutil.which("py-spy") else ()
        self.lines = {tid: at for pid in seen for tid, at in lines_of(pid).items()}

    def print(self):
        wrapper = textwrap.TextWrapper(79, subsequent_indent="  ", break_on_hyphens=False)
        for paragraph in self.paragraphs():
            print(wrapper.fill(paragraph), flush=True)

    def paragraphs(self):
        look, words = self.look, self.look.commands.get(self.look.root, ["it has ended"])
        title = Path(next((word for word in words if word.endswith(".py")), words[0])).name
        threads = look.still
        stuck = {one.pid for one in threads}
        processes = set(look.commands) - set(filter(look.is_server, look.commands))
        state = f"{len(stuck)} of {len(processes)} processes stuck"
        if look.served:
            state = f"nobody is stuck, unless {look.name(look.managers)} is a Manager: then all the others"
        elif look.named:
            state += ", unless somebody else opens the FIFO"
        yield f"{title}, process {look.root}: {state if stuck else 'nobody is stuck'}."
        yield ""
        path, ring = look.chain() if stuck else ([], None)
        for before, thread in zip([None, *path], path, strict=False):
            yield self.sentence(thread, before)
        if ring is not None:
            yield f"A ring: the last waits for {self.who(path[ring])}, and nobody can wake another."
        elif path:
            yield "Nobody else could wake the last one."
        for thread in list(look.threads.values())[:50]:
            if thread not in path and not look.is_server(thread.pid):
                yield self.sentence(thread) + " It is stuck, too." * (thread in threads)
        for pid, code in look.zombies.items():
            how = f"killed by signal {code & 127}" if code & 127 else f"exit code {code >> 8}"
            yield f"Process {pid} has ended ({how}); its parent has not waited for it."
        if stuck and (pages := pages_like(look)):
            yield ""
            files = [page if " " in page else f"faults/{page}.html" for page in pages]
            site = " of the site Between Processes" * (files != pages)
            yield f"It looks like {' or '.join(sorted(files, key=lambda one: one not in pages))}{site}."

    def who(self, thread, before=None):
        name = self.look.name_of(thread.pid)
        if thread.pid == thread.tid:
            return name
        own = before and before.pid == thread.pid
        return f"its thread {thread.tid}" if own else f"thread {thread.tid} of {name}"

    def sentence(self, thread, before=None):
        """What a thread does, and who could wake it."""
        wait = min(thread.waits, key=lambda one: one.kind != "outside")
        by = {pid for one in thread.waits for pid in one.by} - {thread.pid}
        others = self.look.name(by, "or") or "this process itself"
        what = wait.what
        if len(thread.waits) > 1 and wait.kind != "outside":
            many = len(thread.waits)
            what = f"waits for any of {many} things. Only {others} could bring one"
        elif wait.kind in ("data", "room"):
            verb = "write to" if wait.kind == "data" else "read"
            still = wait.kind == "room" and thread in self.look.stuck
            if still and (full := fill(self.look, wait.key)):
                fits = f" of {full[1]:,}" * (full[1] > 0)
                what += f" that is full: {full[0]:,}{fits} bytes"
            what += f". Only {others} could {verb} it"
        where = f" ({self.lines[thread.tid]})" if thread.tid in self.lines else ""
        text = f"{self.who(thread, before)}{where} {what}."
        return text[0].upper() + text[1:]


def find(word):
    """The first process of the program with this process ID or name, if there is one only."""
    if word.isdigit():
        if not command(int(word)):
            raise LookupError(f"there is no process {word}")
        return first_of(int(word))
    named = {
        first_of(pid)
        for pid in {*listed("")}.difference(above(os.getpid()))
        for one in command(pid)[:4]
        if word in (Path(one).name, Path(one).stem)
    }
    roots = sorted(named - {pid for one in named for pid in family(one)[1:]})
    if len(roots) != 1:
        several = f"several processes match {word}: {', '.join(map(str, roots))}"
        raise LookupError(several if roots else f"there is no process called {word}")
    return roots[0]


def watch(words, once):
    """Start a program, and report whenever somebody in it has been stuck for a second."""
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    python = [sys.executable] if words[0] == "python" else words[:1]
    process = subprocess.Popen(python + words[1:])
    before, last, told, same = None, set(), set(), 0
    try:
        while process.poll() is None and not pressed:
            began = time.monotonic()
            look = Look(process.pid, before)
            if pressed:  # by now they end, too
                break
            stuck = {one.tid for one in look.still}
            same = same + 1 if stuck == last else 0
            if same == 2 and stuck - told:
                Report(look).print()
                told = stuck
                if once:
                    return
            before, last = look, stuck
            time.sleep(max(0.5, 9 * (time.monotonic() - began)))
        if pressed and not told and before:  # what they did
            Report(before).print()
    finally:
        end(process)
    if pressed:
        raise KeyboardInterrupt
    if not told:
        print(f"It has ended, exit status {process.returncode}: nobody was stuck.")


def end(process):
    """End what was started, with all that it has started."""
    for number in [signal.SIGSTOP] * 2 + [signal.SIGKILL]:  # who is stopped starts nobody
        for pid in family(process.pid) if process.poll() is None else ():
            if not is_tracker(command(pid)):  # it ends by itself, when it has cleaned up
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
    process.wait()


def main(word):
    """Report on a running program, by its process ID or name."""
    root = find(word)
    before = Look(root)
    time.sleep(0.3)
    look = Look(root, before)
    if all(one.call == "unreadable" for one in look.threads.values()):
        why = "can't be read by you: try sudo, or start it with --"
        raise LookupError(f"process {root} {why if look.threads else 'has ended'}")
    Report(look).print()


if __name__ == "__main__":
    words = [*sys.argv[1:], "--"]
    own, started = words[: words.index("--")], words[words.index("--") + 1 : -1]
    parser = argparse.ArgumentParser(
        description="Who waits for whom in a Python program that stands still?",
        usage="%(prog)s (PID | NAME | [--once] -- COMMAND ...)",
    )
    parser.add_argument("program", nargs="?", help="a process ID, or a name: my_program.py")
    parser.add_argument("--once", action="store_true", help="end COMMAND after the report")
    args = parser.parse_args(own)
    if bool(args.program) == bool(started):
        parser.error("one of PID, NAME, -- COMMAND is needed")
    if sys.platform != "linux" or MACHINE < 0:
        print("who_waits.py needs Linux on x86-64 or arm64: take py-spy dump", file=sys.stderr)
        sys.exit(2)
    try:
        watch(started, args.once) if started else main(args.program)
    except (LookupError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
