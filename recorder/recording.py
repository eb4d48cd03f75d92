"""What happened in one run of a program: plain, frozen data that goes to JSON and back."""

import dataclasses
import functools
import json
import shlex
import typing
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """The machine and the Python of a run.

    Attributes:
        cores: The number of cores that a program may use.
        python: The implementation and version of Python, for example "CPython 3.11.7".
        start_method: The start method that this Python takes by default.
    """

    processor: str
    cores: int
    system: str
    python: str
    start_method: str


@dataclass(frozen=True)
class Line:
    """One line of output: the seconds from the run's start to its coming, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Frame:
    """A call that a thread was in: the file, the line, and the function."""

    file: str
    line: int
    function: str


@dataclass(frozen=True)
class Wait:
    """What a thread waited for when its run hung.

    Attributes:
        kind: "end" (of a process), "data", "room", "semaphore" (of several processes), "own"
            (another thread of its process, or a lock of theirs); "outside" when somebody else
            could bring it, or that can't be told; "live" when it ran or had a time limit.
        by: The process IDs of those who could bring it.
        channel: Which pipe or socket, as the kernel names it.
    """

    kind: str
    by: tuple[int, ...] = ()
    channel: str = ""


@dataclass(frozen=True)
class Thread:
    """A thread of a process.

    Attributes:
        tid: Its ID; that of the main thread is the process's own.
        samples: Pairs of (seconds from the start of the run, what it did from then on): a kind
            of wait, "runs", "sleeps", or "" when it had ended.
        waits: What it waited for when the run hung: any one of these would have woken it.
        frames: Where it stood when the recorder ended it, the innermost call first; none when
            it isn't certain which stack is this thread's.
    """

    tid: int
    samples: tuple[tuple[float, str], ...] = ()
    waits: tuple[Wait, ...] = ()
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Pipe:
    """A pipe between the processes that was not empty all the time.

    Attributes:
        name: The kernel's name of it; for a socket pair, of the end to which is written.
        capacity: The bytes that fit; 0 for a socket pair, where that depends on the messages.
        samples: Pairs of (seconds from the start of the run, bytes in it from then on; -1 where
            that can't be told, since nobody could write to it any more).
        readers: When the run hung: the process IDs of those who could read it.
        writers: The same of those who could write to it.
    """

    name: str
    capacity: int
    samples: tuple[tuple[float, int], ...]
    readers: tuple[int, ...] = ()
    writers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Process:
    """The life of one process of a run, as sampled from outside.

    Attributes:
        parent: The process ID of who started it.
        role: "parent" for the program itself, "helper" for multiprocessing's fork server and
            resource tracker, "worker" for every other process.
        started: Seconds from the start of the run to its start.
        ended: Seconds from the start of the run to the first sample without it.
        samples: Pairs of (seconds from the start of the run, CPU seconds used so far).
        stack: Where it was stuck when the recorder ended it: the lines of its threads' stacks.
        exit: Its exit code, negative for a signal; None where it is not known, or not its own.
        threads: Its threads, the main thread first, as far as the system tells.
    """

    pid: int
    parent: int
    role: str
    started: float
    ended: float
    samples: tuple[tuple[float, float], ...]
    stack: tuple[str, ...] = ()
    exit: int | None = None
    threads: tuple[Thread, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call of a traced run, as the process that made it noted it.

    Attributes:
        what: "run" for the life of a started process; "start" and "join" of a process; "put",
            "get" and "empty" of a queue; "wait" for several channels; "send" and "recv" of a
            message by a channel's end, also a queue's; "write" and "read" of bytes, by a program
            that makes its own messages of them; "pipe" for the making of a channel.
        began: Seconds from the start of the run.
        ended: The same for its end; None when it never came.
        failed: Whether it ended with an exception.
        thread: The number of the thread in its process, by first calls.
        feeder: Whether that is the feeder thread of a queue.
        channel: The inode of the channel's end; both ends of a one-way pipe have the same.
        size: The bytes of a message (of one that is not there yet: what its receiver asks
            for); the process ID of what was started or joined; the number of channels that
            have something; 1 when a queue says that it is empty; of a pipe, its other inode.
    """

    what: str
    began: float
    ended: float | None
    failed: bool
    thread: int
    feeder: bool
    channel: int
    size: int


@dataclass(frozen=True)
class TracedProcess:
    """What one process of a traced run noted: its first and its last calls, by their beginning.

    Attributes:
        name: What the program calls it; "" for the parent.
        left_out: How many calls between those were not kept.
    """

    pid: int
    name: str
    calls: tuple[Call, ...]
    left_out: int


@dataclass(frozen=True)
class Recording:
    """One run of one program, watched from outside.

    Attributes:
        program: The program's name, as the caller gave it.
        recorded: When the run started, in UTC, in ISO 8601 form.
        start_method: The start method the run used: what the caller said, else the default.
        lines: Its output, standard output and standard error in the order they came.
        dropped: Bytes of output that came after the recorder's limit and were not kept.
        status: Its exit status; negative when a signal ended it, None when the recorder did.
        ended: How it ended: "exit" by itself, "hang" by the recorder because it hung,
            "timeout" by the recorder because it was not done at its timeout.
        evidence: Why it is said to hang: "kernel" when every thread of every process was
            blocked in a call without a time limit, seen twice; "stillness" when nobody used
            CPU time or wrote anything for longer than the caller allows; else empty.
        wall: Seconds from its start to its end, or to the moment when the recorder ended it.
        cpu: CPU seconds of all its processes together.
        peak_memory: The largest sum of the memory of its processes, in bytes: what they share
            counts once where the system tells (Linux), else for each.
        left_behind: How many processes it left running when it ended. The recorder ended them.
        processes: Every process that was seen, in the order of their starts.
        leftover: What could not be removed of the run's folder.
        pipes: The pipes between its processes, as far as the system tells.
        chain: Where it hung, the IDs of threads of which each can only be woken by the next,
            from the parent on. Where the last could be woken by one of them only, that one
            stands at the end again: a ring.
        traced: What its processes noted of themselves, in a traced run.
    """

    program: str
    arguments: tuple[str, ...]
    recorded: str
    machine: Machine
    start_method: str
    lines: tuple[Line, ...]
    dropped: int
    status: int | None
    ended: str
    evidence: str
    wall: float
    cpu: float
    peak_memory: int
    left_behind: int
    processes: tuple[Process, ...]
    leftover: tuple[str, ...] = ()
    pipes: tuple[Pipe, ...] = ()
    chain: tuple[int, ...] = ()
    traced: tuple[TracedProcess, ...] = ()

    @property
    def hung(self) -> bool:
        """Whether it hung; a run that was only not done at its timeout did not."""
        return self.ended == "hang"

    @property
    def command(self) -> str:
        """The command as a reader types it."""
        return command_of(self.program, self.arguments)

    @property
    def output(self) -> str:
        """All lines of output, each with its line feed."""
        return "".join(f"{line.text}\n" for line in self.lines)

    def to_json(self) -> str:
        """The recording as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recording":
        """The recording that `to_json` wrote.

        Raises:
            ValueError: The text is not such a recording.
        """
        try:
            recording: Recording = decode(cls, json.loads(text))
        except (RecursionError, TypeError) as error:
            raise ValueError(f"not a recording: {error}") from error
        return recording


def command_of(program: str, arguments: tuple[str, ...]) -> str:
    """The command that runs a program in its own folder, as a reader types it."""
    return shlex.join(("python", program.rpartition("/")[2], *arguments))


@functools.cache
def parts_of(kind: Any) -> tuple[dict[str, Any], tuple[Any, ...], bool]:
    """The fields of a type, the types it is made of, and whether it is a tuple of them."""
    fields = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    kinds = (float, int) if kind is float else typing.get_args(kind) or (kind,)
    return fields, kinds, typing.get_origin(kind) is tuple


def decode(kind: Any, value: Any, name: str = "it") -> Any:
    """A value of a type out of what JSON or TOML made of it.

    Raises:
        ValueError: It is no such value: the message says which part of it, by its name.
        TypeError: A field is missing.
    """
    fields, kinds, is_tuple = parts_of(kind)
    if fields and isinstance(value, dict):
        for key in value.keys() - fields.keys():
            raise ValueError(f"unknown key {key!r}")
        return kind(**{key: decode(fields[key], part, key) for key, part in value.items()})
    if is_tuple and isinstance(value, list):
        kinds = kinds[:1] * len(value) if kinds[-1] is ... else kinds
        if len(kinds) == len(value):
            return tuple(
                decode(one, part, name) for one, part in zip(kinds, value, strict=True)
            )
    elif not is_tuple and type(value) in kinds:
        return value
    raise ValueError(f"{name} can't be {value!r:.80}")
