"""What Linux says of waiting processes: whether all of them wait, and none of them to a time limit.

`/proc/PID/task/TID/syscall` names the system call in which a thread is blocked, with its arguments.
When every thread of every process is blocked in a call without a time limit, and all that these
calls wait for lies within the processes, then nothing can ever wake them. Two equal looks prove that
nobody ran in between: a thread that was woken has one more context switch.

What can't be told from outside counts as unknown, not as proof: files, terminals, network sockets
and local sockets whose other end is elsewhere, timers that end in a signal (`signal.alarm` is seen by
the handler of SIGALRM only), calls that are not listed here. Not seen are a time limit that is set
on a socket itself (SO_RCVTIMEO), and a semaphore that a foreign process has opened by its name.
"""

import contextlib
import enum
import os
import platform
import socket
import struct
from collections.abc import Iterable

SIGALRM_BIT = 1 << 13
UNIX_SOCKET = struct.Struct("=BBHIIIII")  # a unix_diag_req of linux/unix_diag.h
# What a call's descriptors are read from, its time limit (the number of the argument that holds it,
# in milliseconds or as a pointer), and its numbers on x86-64 and on arm64.
CALLS = (
    # read, write, readv, writev, recvfrom, recvmsg, sendto, sendmsg, accept, accept4, flock, fcntl
    (
        "descriptor",
        "",
        (0, 1, 19, 20, 45, 47, 44, 46, 43, 288, 73, 72),
        (63, 64, 65, 66, 207, 212, 206, 211, 202, 242, 32, 25),
    ),
    ("", "", (61, 247), (260, 95)),  # wait4, waitid
    ("", "pointer 3", (202,), (98,)),  # futex
    ("poll", "milliseconds 2", (7,), ()),
    ("poll", "pointer 2", (271,), (73,)),  # ppoll
    ("select", "pointer 4", (23, 270), (72,)),  # select, pselect6
    ("epoll", "milliseconds 3", (232, 281), (22,)),  # epoll_wait, epoll_pwait
    ("epoll", "pointer 3", (441,), (441,)),  # epoll_pwait2
    (
        "",
        "always",
        (35, 230, 219),
        (101, 115, 128),
    ),  # nanosleep, clock_nanosleep, restart_syscall
)
COLUMN = {"x86_64": 2, "aarch64": 3}.get(platform.machine(), 0)
AVAILABLE = bool(COLUMN) and os.path.exists("/proc/self/syscall")
KINDS = {
    int(number): (str(c[0]), str(c[1]))
    for c in CALLS
    for number in (c[COLUMN] if COLUMN else ())
}


class Waits(enum.Enum):
    """How a tree of processes waits."""

    FOREVER = "every thread waits without a time limit, for something that only this tree has"
    LIMITED = "a thread runs, or waits with a time limit"
    UNKNOWN = "neither can be told"


def look(pids: Iterable[int], aside: set[int], output: int) -> tuple[Waits, object]:
    """Say how the processes wait, and return what stays equal as long as none of them ran.

    Args:
        pids: The processes of a run.
        aside: Those of them that only serve others: they have to wait, for whatever it is.
        output: The inode of the pipe that the caller reads: to wait for it is no hang.
    """
    if not AVAILABLE:
        return Waits.UNKNOWN, None
    tree = Tree(list(pids), output)
    waits, seen = Waits.FOREVER, []
    try:
        for pid in tree.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                status = dict(
                    line.split(":\t", 1)
                    for line in read(pid, f"task/{task}/status").splitlines()
                )
                if status["State"][0] == "Z":
                    continue  # it waits to be reaped, and does nothing any more
                number, *arguments = read(pid, f"task/{task}/syscall").split()
                if status["State"][0] != "S" or number == "running":
                    return Waits.LIMITED, None
                source, limit = KINDS.get(int(number), ("unknown", ""))
                values = [int(argument, 16) for argument in arguments]
                if has_limit(limit, values):
                    return Waits.LIMITED, None
                alarm = int(status["SigCgt"], 16) & SIGALRM_BIT or timers(pid)
                if alarm or not (pid in aside or tree.holds(pid, source, values)):
                    waits = Waits.UNKNOWN
                switches = [
                    status[f"{kind}_ctxt_switches"] for kind in ("voluntary", "nonvoluntary")
                ]
                seen.append((pid, task, number, arguments, switches))
    except (FileNotFoundError, ProcessLookupError):
        return Waits.LIMITED, None  # one of them has just ended
    except (OSError, ValueError, KeyError):
        return Waits.UNKNOWN, None  # this system doesn't let us look
    return waits, seen


def has_limit(limit: str, arguments: list[int]) -> bool:
    """Whether a call with these arguments ends after a time."""
    how, _, index = limit.partition(" ")
    if how == "milliseconds":
        return not arguments[int(index)] & 0x8000_0000  # a negative int is no limit
    return how == "always" or (how == "pointer" and arguments[int(index)] != 0)


def read(pid: int, name: str) -> str:
    """The text of a file of /proc."""
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def timers(pid: int) -> bool:
    """Whether a process has a timer of its own, where the kernel lists them."""
    return os.path.exists(f"/proc/{pid}/timers") and bool(read(pid, "timers"))


class Tree:
    """Processes, and whether what one of them waits for lies within them."""

    def __init__(self, pids: list[int], output: int) -> None:
        self.pids = pids
        self.output = output
        self.sockets: set[str] = set()  # of all processes, read when first asked for

    def holds(self, pid: int, source: str, arguments: list[int]) -> bool:
        """Whether all that a call waits for lies within the tree."""
        if source == "unknown":
            return False
        return all(self.holds_descriptor(pid, n) for n in descriptors(pid, source, arguments))

    def holds_descriptor(self, pid: int, number: int) -> bool:
        target = os.readlink(f"/proc/{pid}/fd/{number}")
        kind, _, inode = target.partition(":")
        if kind == "pipe":  # without a name, so only the tree can have opened it
            return int(inode.strip("[]")) != self.output
        if kind == "socket":
            return f"socket:[{peer(int(inode.strip('[]')))}]" in self.all_sockets()
        return target in ("anon_inode:[eventfd]", "anon_inode:[pidfd]")

    def all_sockets(self) -> set[str]:
        if not self.sockets:
            for pid in self.pids:
                with contextlib.suppress(OSError):  # one that has ended holds none
                    for number in os.listdir(f"/proc/{pid}/fd"):
                        self.sockets.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        return self.sockets


def descriptors(pid: int, source: str, arguments: list[int]) -> list[int]:
    """The descriptors that a blocked call waits for."""
    if source == "descriptor":
        return arguments[:1]
    if source == "epoll":
        lines = read(pid, f"fdinfo/{arguments[0]}").splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
    if not source:
        return []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        if source == "poll":
            memory.seek(arguments[0])
            array = memory.read(8 * arguments[1])
            return [number for number, _ in struct.iter_unpack("=iI", array) if number >= 0]
        found = set()
        for address in filter(None, arguments[1:4]):  # select's three sets
            memory.seek(address)
            bits = int.from_bytes(memory.read((arguments[0] + 7) // 8), "little")
            found |= {number for number in range(arguments[0]) if bits >> number & 1}
        return sorted(found)


def peer(inode: int) -> int:
    """The inode of the other end of a connected local socket; 0 where there is none."""
    request = UNIX_SOCKET.pack(
        socket.AF_UNIX, 0, 0, 0xFFFFFFFF, inode, 4, 0xFFFFFFFF, 0xFFFFFFFF
    )
    header = struct.pack("=IHHII", 16 + len(request), 20, 1, 0, 0)  # SOCK_DIAG_BY_FAMILY
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:  # NETLINK_SOCK_DIAG
        netlink.send(header + request)
        answer = netlink.recv(4096)
    position = 16 + 16  # behind nlmsghdr and unix_diag_msg
    while position + 4 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, position)
        if kind == 2 and length == 8:  # UNIX_DIAG_PEER
            return int(struct.unpack_from("=I", answer, position + 4)[0])
        position += max(4, length + 3 & ~3)
    return 0
