"""What Linux says of waiting processes: whether all of them wait, and none to a time limit.

`/proc/PID/task/TID/syscall` names the system call in which a thread is blocked, with its
arguments. When every thread of every process is blocked in a call without a time limit, and
all that these calls wait for lies within the processes, nothing can ever wake them. Two equal
looks prove that nobody ran in between: a thread that was woken has one more context switch.

What can't be told from outside is unknown, and no proof: files, terminals, network sockets and
local sockets whose other end is elsewhere, timers that end in a signal (`signal.alarm` is seen
by the handler of SIGALRM only), calls that are not listed here. Not seen are a time limit of a
socket itself (SO_RCVTIMEO), and a semaphore that a foreign process has opened by its name.
"""

import contextlib
import enum
import os
import platform
import socket
import struct
from collections.abc import Sequence

SIGALRM_BIT = 1 << 13
# Calls by their numbers on x86-64 and on arm64; where the descriptors are that they wait for;
# their time limit: always, or the argument that holds it, in milliseconds or as a pointer.
CALLS = [
    # read, write, readv, writev, recvfrom, recvmsg, sendto, sendmsg, accept, accept4
    ("0 1 19 20 45 47 44 46 43 288", "63 64 65 66 207 212 206 211 202 242", "argument", ""),
    ("73 72", "32 25", "argument", ""),  # flock, fcntl
    ("61 247", "260 95", "", ""),  # wait4, waitid
    ("202", "98", "", "pointer 3"),  # futex
    ("7", "", "poll", "milliseconds 2"),
    ("271", "73", "poll", "pointer 2"),  # ppoll
    ("23 270", "72", "select", "pointer 4"),  # select, pselect6
    ("232 281", "22", "epoll", "milliseconds 3"),  # epoll_wait, epoll_pwait
    ("441", "441", "epoll", "pointer 3"),  # epoll_pwait2
    ("35 230 219", "101 115 128", "", "always"),  # nanosleep, clock_nanosleep, restart_syscall
]
COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
AVAILABLE = COLUMN is not None and os.path.exists("/proc/self/syscall")
KINDS = {number: call[2:] for call in CALLS for number in call[COLUMN or 0].split()}


class Waits(enum.Enum):
    """How a tree of processes waits."""

    FOREVER = "every thread waits without a time limit, for something that only this tree has"
    LIMITED = "a thread runs, or waits with a time limit"
    UNKNOWN = "neither can be told"


def look(pids: Sequence[int], aside: set[int], output: int) -> tuple[Waits, object]:
    """Say how the processes wait, and return what stays equal as long as none of them ran.

    Args:
        pids: The processes of a run.
        aside: Those of them that only serve others: they have to wait, for whatever it is.
        output: The inode of the pipe that the caller reads: to wait for it is no hang.
    """
    if not AVAILABLE:
        return Waits.UNKNOWN, None
    waits, seen = Waits.FOREVER, []
    try:
        sockets = sockets_of(pids)
        for pid, task in [(p, t) for p in pids for t in os.listdir(f"/proc/{p}/task")]:
            status = read(pid, f"task/{task}/status")
            fields = dict(line.split(":\t", 1) for line in status.splitlines())
            if fields["State"][0] == "Z":
                continue  # it waits to be reaped, and does nothing any more
            number, *words = read(pid, f"task/{task}/syscall").split()
            arguments = [int(word, 16) for word in words]
            source, limit = KINDS.get(number, ("unknown", ""))
            if fields["State"][0] != "S" or not words or has_limit(limit, arguments):
                return Waits.LIMITED, None
            if int(fields["SigCgt"], 16) & SIGALRM_BIT or has_timer(pid):
                waits = Waits.UNKNOWN
            elif pid not in aside:
                wanted = descriptors(pid, source, arguments)
                if not all(is_within(pid, one, sockets, output) for one in wanted):
                    waits = Waits.UNKNOWN
            switches = [line for line in fields.items() if line[0].endswith("switches")]
            seen.append((pid, task, number, arguments, switches))
    except (FileNotFoundError, ProcessLookupError):
        return Waits.LIMITED, None  # one of them has just ended
    except (OSError, ValueError, KeyError):
        return Waits.UNKNOWN, None  # this system doesn't let us look
    return (waits if seen else Waits.LIMITED), seen


def read(pid: int, name: str) -> str:
    """The text of a file of /proc."""
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def has_limit(limit: str, arguments: list[int]) -> bool:
    """Whether a call with these arguments ends after a time."""
    how, _, index = limit.partition(" ")
    if how == "milliseconds":
        return not arguments[int(index)] & 0x8000_0000  # a negative int is no limit
    return how == "always" or (how == "pointer" and arguments[int(index)] != 0)


def has_timer(pid: int) -> bool:
    """Whether a process has a timer of its own, where the kernel lists them."""
    return os.path.exists(f"/proc/{pid}/timers") and bool(read(pid, "timers"))


def sockets_of(pids: Sequence[int]) -> set[str]:
    """What stands behind the descriptors of the processes."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):  # one that has ended holds none
            found |= {os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd")}
    return found


def is_within(pid: int, descriptor: int | None, sockets: set[str], output: int) -> bool:
    """Whether only the tree can do what a descriptor waits for."""
    if descriptor is None:
        return False
    target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
    kind, _, inode = target.partition(":")
    if kind == "pipe":  # without a name, so only the tree can have opened it
        return inode != f"[{output}]"
    if kind == "socket":
        return f"socket:[{peer(int(inode.strip('[]')))}]" in sockets
    return target in ("anon_inode:[eventfd]", "anon_inode:[pidfd]")


def descriptors(pid: int, source: str, arguments: list[int]) -> Sequence[int | None]:
    """The descriptors that a blocked call waits for; None for what is not known."""
    if source == "argument":
        return arguments[:1]
    if source == "epoll":
        lines = read(pid, f"fdinfo/{arguments[0]}").splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
    if source == "poll":
        array = memory(pid, arguments[0], 8 * arguments[1])
        return [number for number, _ in struct.iter_unpack("=iI", array) if number >= 0]
    if source == "select":
        size = (arguments[0] + 7) // 8
        sets = [memory(pid, address, size) for address in arguments[1:4] if address]
        bits = [int.from_bytes(one, "little") for one in sets]
        return [n for n in range(arguments[0]) if any(one >> n & 1 for one in bits)]
    return [None] if source == "unknown" else []


def memory(pid: int, address: int, size: int) -> bytes:
    """A piece of a process's memory."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(address)
        return file.read(size)


def peer(inode: int) -> int:
    """The inode of the other end of a connected local socket; 0 where there is none."""
    anything = 0xFFFFFFFF
    request = struct.pack(  # linux/unix_diag.h: this socket, of any state; show its peer
        "=BBHIIIII", socket.AF_UNIX, 0, 0, anything, inode, 4, anything, anything
    )
    header = struct.pack("=IHHII", 16 + len(request), 20, 1, 0, 0)  # SOCK_DIAG_BY_FAMILY
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:  # NETLINK_SOCK_DIAG
        netlink.send(header + request)
        answer = netlink.recv(4096).ljust(40, b"\0")
    # Behind two headers of 16 bytes the peer comes first; in the answer to an error that is 0.
    _, kind, number = struct.unpack_from("=HHI", answer, 32)
    return int(number) if kind == 2 else 0  # UNIX_DIAG_PEER
