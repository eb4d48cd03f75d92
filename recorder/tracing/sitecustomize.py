"""Notes each call with which the processes of a traced run exchange data, from inside.

Every interpreter of such a run imports this as it starts, because PYTHONPATH leads here: the
parent, and its workers under each start method. It imports nothing of multiprocessing, but
wraps some functions as soon as the program itself has imported their module. Where CPython
has no such function, nothing is noted.

Each process writes into its own part of one file that all map into their memory. A note is a
few stores there, and no system call: a call of the system would let another thread run, and the
program would do otherwise than without the notes. What a killed process wrote stays.
`recorder.trace` reads it.
"""

import os
import sys
import time
from _frozen_importlib_external import PathFinder
from _thread import get_native_id  # the other number is soon used again by another thread
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:  # it is not imported here: a program would find it
    from typing import Any

PART = 262144  # bytes of each process: a multiple of any system's page
RECORD = 64
RECORDS = (
    PART // RECORD
)  # the first is about the process; half of the others keep its first calls
HALF = RECORDS // 2  # and half its last ones
PROCESS = "=QQ48s"  # process ID, length of its name, its name
CALL = "=QQQQBBQqB"  # number, began, thread, channel, what, feeder, ended, size, failed
END, BEGUN = "=QqB", 34  # its last three, and where they stand
KINDS = (
    "", "run", "pipe", "start", "join", "put", "get", "empty", "wait", "send", "recv", "write", "read",
)  # fmt: skip
LARGE = 16384  # bytes: what is asked for beyond that is a message, not its length


class Notes:
    """What this process has noted: the process itself begins anew after a fork."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin with nothing."""
        self.memory: Any = (
            None  # bytes that are shared with the recorder; False: there are none
        )
        self.numbers = count(1)
        self.feeders: set[int] = set()  # threads
        self.ends: set[int] = getattr(self, "ends", set())  # files that are channels
        self.within: dict[int, str] = {}  # thread: the call it is in that others are part of

    def open(self) -> None:
        """Take the next part of the file."""
        self.memory = False
        try:
            import mmap
            from struct import Struct

            self.begun, self.done = Struct(CALL).pack_into, Struct(END).pack_into
            self.number_at, self.named = Struct("=Q").unpack_from, Struct(PROCESS).pack_into
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            file = os.open(os.environ["RECORDED_CALLS"], flags, 0o600)
            try:
                if os.write(file, bytes(PART)) == PART:
                    place = os.lseek(file, 0, os.SEEK_CUR) - PART
                    self.memory = mmap.mmap(file, PART, offset=place)
                    self.name("")
            finally:
                os.close(file)
        except (ImportError, KeyError, OSError):
            pass  # the run is over, or the disk is full

    def name(self, name: str) -> int:
        """Say how the program calls this process; it has no channel."""
        if self.memory is None:
            self.open()
        if self.memory:
            text = name.encode(errors="replace")[:48]
            self.named(self.memory, 0, os.getpid(), len(text), text)
        return 0

    def begin(self, what: int, channel: int, size: int) -> int:
        """Note that a call begins; return its number."""
        if self.memory is None:
            self.open()
        if not self.memory:
            return 0
        number, thread = next(self.numbers), get_native_id()
        place, feeder = place_of(number), thread in self.feeders
        now = time.monotonic_ns()
        self.begun(self.memory, place, number, now, thread, channel, what, feeder, 0, size, 0)
        return number

    def change(self, number: int, size: int, ended: int = 0, failed: int = 0) -> None:
        """Note what became of a call, if it still has a place."""
        if number and self.memory:
            place = place_of(number)
            if number < HALF or self.number_at(self.memory, place)[0] == number:
                self.done(self.memory, place + BEGUN, ended, size, failed)


def place_of(number: int) -> int:
    """Where the record of a call is: the first ones stay, the later ones take turns."""
    return RECORD * (number if number < HALF else HALF + (number - HALF) % HALF)


notes = Notes()


def none(*_: object) -> int:
    """No channel, or no size."""
    return 0


def wrap(
    owner: "Any",
    name: str,
    what: str,
    channel_of: "Any" = none,
    size_of: "Any" = none,
    result_of: "Any" = None,
    outer: bool = False,
    only: "Any" = None,
) -> None:
    """Let each call of a function be noted.

    Args:
        owner: The class or module that has it.
        name: Its name there.
        what: A word of KINDS.
        channel_of, size_of: Gives that from the call's arguments.
        result_of: Gives the size from what it returned, and its arguments.
        outer: Whether a call of it within another such one is only a part of that one.
        only: Says from the arguments whether a call is to be noted.
    """
    function = getattr(owner, name, None)
    if function is None:
        return
    kind = KINDS.index(what)

    def noting(*args: "Any", **options: "Any") -> "Any":
        thread, number, size = get_native_id(), 0, 0
        around = notes.within.get(thread)
        # A fork server is told with messages whom to start: they are no messages of the program.
        part = around if outer else around == "start"
        if outer and not part:
            notes.within[thread] = what
        try:
            if not part and (only is None or only(*args)):
                size = size_of(*args)
                number = notes.begin(kind, channel_of(*args), size)
                if what == "recv":
                    args[0]._noted_call = number
        except Exception:  # wrong arguments: the function says so
            pass
        try:
            result = function(*args, **options)
        except BaseException as error:
            notes.change(number, size, time.monotonic_ns(), 1)
            hide(error)
            raise
        else:
            ended = time.monotonic_ns()
            if number:
                notes.change(number, result_of(result, *args) if result_of else size, ended)
            return result
        finally:
            if outer and not part:
                notes.within.pop(thread, None)

    for key in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(noting, key, getattr(function, key, None))
    noting.__wrapped__ = function  # type: ignore[attr-defined]
    setattr(owner, name, noting)


def hide(error: BaseException) -> None:
    """Let the traceback of an error that is raised again show the same lines as without this."""
    if error.__traceback__:
        error.__traceback__ = error.__traceback__.tb_next


def channel(connection: "Any", *_: object) -> int:
    """What both ends of a pipe share."""
    found: int = getattr(connection, "_noted_channel", 0)
    if not found:
        try:
            connection._noted_channel = found = os.fstat(connection.fileno()).st_ino
        except (AttributeError, OSError):  # it is closed
            return 0
    return found


def is_end(file: int, *_: object) -> bool:
    """Whether a file is an end of a channel, which the program itself reads or writes."""
    return file in notes.ends


def inode(file: int, *_: object) -> int:
    """The same of a file as `channel` of a connection."""
    return os.fstat(file).st_ino


def written(queue: object, *_: object) -> int:
    """The pipe of a queue, at the end where it is written."""
    return channel(getattr(queue, "_writer", None))


def read(queue: object, *_: object) -> int:
    """The pipe of a queue, at the end where it is read."""
    return channel(getattr(queue, "_reader", None))


def wrap_connection(module: "Any") -> None:
    """Note what passes, and who waits for it."""
    connection: Any = getattr(module, "Connection", None)
    wrap(connection, "_send_bytes", "send", channel, lambda self, data, *_: len(data))
    wrap(
        connection, "_recv_bytes", "recv", channel,
        result_of=lambda data, *_: data.getbuffer().nbytes if data else 0,
    )  # fmt: skip
    wrap(os, "read", "read", inode, none, lambda data, *_: len(data), only=is_end)
    wrap(os, "write", "write", inode, none, lambda size, *_: size, only=is_end)
    wrap(module, "wait", "wait", result_of=lambda ready, *_: len(ready), outer=True)
    receive: Any = getattr(connection, "_recv", None)
    pipe: Any = getattr(module, "Pipe", None)
    make: Any = getattr(connection, "__init__", None)

    def noting_init(self: "Any", handle: int, *args: "Any", **options: "Any") -> None:
        notes.ends.add(handle)
        make(self, handle, *args, **options)

    def noting_receive(self: "Any", size: int, *args: "Any") -> "Any":
        if size > LARGE:
            notes.change(getattr(self, "_noted_call", 0), size)
        try:
            return receive(self, size, *args)
        except BaseException as error:
            hide(error)
            raise

    def noting_pipe(*args: "Any", **options: "Any") -> "Any":
        try:
            ends = pipe(*args, **options)
        except BaseException as error:
            hide(error)
            raise
        notes.change(
            notes.begin(KINDS.index("pipe"), channel(ends[0]), 0),
            channel(ends[1]),
            time.monotonic_ns(),
        )
        return ends

    if connection:
        connection.__init__ = noting_init
    if receive:
        connection._recv = noting_receive
    if pipe:
        module.Pipe = noting_pipe


def wrap_queues(module: "Any") -> None:
    """Note what is put and taken; and which thread is a queue's own."""
    for name in ("Queue", "JoinableQueue", "SimpleQueue"):
        kind = getattr(module, name, None)
        for method, channel_of in (("put", written), ("get", read), ("empty", read)):
            if method in vars(kind or object):
                result_of = (lambda empty, *_: int(empty)) if method == "empty" else None
                wrap(kind, method, method, channel_of, result_of=result_of, outer=True)
    queue: Any = getattr(module, "Queue", None)
    feed: Any = getattr(queue, "_feed", None)
    if feed:

        def noting_feed(*args: "Any") -> None:
            notes.feeders.add(get_native_id())
            try:
                feed(*args)
            except BaseException as error:
                hide(error)
                raise
            finally:
                notes.feeders.discard(get_native_id())

        queue._feed = staticmethod(noting_feed)


def wrap_process(module: "Any") -> None:
    """Note the life of each process."""
    process = getattr(module, "BaseProcess", None)
    wrap(process, "start", "start", result_of=lambda _, self, *__: self.pid or 0, outer=True)
    wrap(process, "join", "join", none, lambda self, *_: self.pid or 0, outer=True)
    wrap(process, "_bootstrap", "run", lambda self, *_: notes.name(self.name))


WRAPPERS = {
    "multiprocessing.connection": wrap_connection,
    "multiprocessing.queues": wrap_queues,
    "multiprocessing.process": wrap_process,
}


class Finder:
    """Finds the modules to be wrapped, as Python does, and wraps them when they are loaded."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """What the import system asks for."""
        if name not in WRAPPERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: "Any") -> None:
                load(module)
                try:  # noqa: SIM105  # contextlib is not imported here
                    WRAPPERS[name](module)
                except Exception:  # another Python, with other private names
                    pass

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def main() -> None:
    """Begin, and hand on to the sitecustomize that would have been imported without this one."""
    sys.meta_path.insert(0, Finder)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    this = sys.modules.pop(__name__)
    try:  # noqa: SIM105
        __import__(__name__)
    except ImportError:
        pass
    sys.modules.setdefault(__name__, this)


main()
