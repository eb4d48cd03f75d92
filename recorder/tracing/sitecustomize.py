"""Notes each call with which the processes of a traced run exchange data, from inside.

Every interpreter of such a run imports this as it starts, because PYTHONPATH leads here: the
parent, and its workers under each start method. It imports nothing of multiprocessing, but
replaces some functions as soon as the program itself has imported their module. Where CPython
has no such function, nothing is noted.

Each process writes into its own part of one file that all map into their memory. A note is a
few stores there, and no system call: a call of the system would let another thread run, and the
program would do otherwise than without the notes. What a killed process wrote stays.
`recorder.trace` reads it.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call, arg-type, method-assign"

import os
import sys
import time
from _frozen_importlib_external import PathFinder
from _struct import Struct
from _thread import get_native_id  # the other number is soon used again by another thread
from itertools import count

PART = 262144  # bytes of each process: a multiple of any system's page
RECORD = 64
# The first record is about the process; half of the others keep its first calls, half its last.
HALF = PART // RECORD // 2
PROCESS = Struct("=QQ48s")  # process ID, length of its name, its name
# Number, began, thread, channel, kind, feeder, ended, size, failed:
CALL = Struct("=QQQQBBQqB")
END, BEGUN = Struct("=QqB"), 34  # its last three, and where they stand
KINDS = (
    "", "run", "pipe", "start", "join", "put", "get", "empty", "wait", "send", "recv", "write", "read",
)  # fmt: skip
LARGE = 16384  # bytes: what is asked for beyond that is a message, not its length


class Notes:
    """What this process has noted."""

    def __init__(self):
        self.ends = {}  # file: the channel that it is an end of
        self.forget()

    def forget(self):
        """Begin anew, as a process does after a fork."""
        self.memory = None  # bytes that are shared with the recorder; False: there are none
        self.numbers = count(1)
        self.latest = {}  # thread: the number of its latest call
        self.feeders = set()  # threads
        self.within = {}  # thread: the call it is in that others are part of

    def open(self):
        """Take the next part of the file, if this process has none; return whether it has one."""
        if self.memory is None:
            self.memory = False
            try:
                import mmap

                with open(os.environ["RECORDED_CALLS"], "ab+", buffering=0) as file:
                    if file.write(bytes(PART)) == PART:
                        place = file.tell() - PART
                        self.memory = mmap.mmap(file.fileno(), PART, offset=place)
                        self.name("")
            except (ImportError, KeyError, OSError):
                pass  # the run is over, or the disk is full
        return bool(self.memory)

    def name(self, name):
        """Say how the program calls this process; it has no channel."""
        if self.open():
            text = name.encode(errors="replace")[:48]
            PROCESS.pack_into(self.memory, 0, os.getpid(), len(text), text)
        return 0

    def begin(self, what, channel, size):
        """Note that a call begins; return its number."""
        if not self.open():
            return 0
        number, thread = next(self.numbers), get_native_id()
        self.latest[thread] = number
        kind, feeder, began = KINDS.index(what), thread in self.feeders, time.monotonic_ns()
        record = (number, began, thread, channel, kind, feeder, 0, size, False)
        CALL.pack_into(self.memory, place_of(number), *record)
        return number

    def change(self, number, size, ended=0, failed=False):
        """Note what became of a call, if it still has a place."""
        if number and self.memory:
            place = place_of(number)
            if CALL.unpack_from(self.memory, place)[0] == number:
                END.pack_into(self.memory, place + BEGUN, ended, size, failed)


def place_of(number):
    """Where the record of a call is: the first ones stay, the later ones take turns."""
    return RECORD * (number if number < HALF else HALF + (number - HALF) % HALF)


notes = Notes()


def replace(owner, name, new):
    """Let calls of a function of a class or module go to another one, which is given it first."""
    function = getattr(owner, name, None)
    if owner is None or function is None:  # in another Python
        return

    def noting(*args, **options):
        try:
            return new(function, *args, **options)
        except BaseException as error:
            for _ in range(2):  # its traceback shows the same lines as without this
                if error.__traceback__:
                    error.__traceback__ = error.__traceback__.tb_next
            raise

    for key in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(noting, key, getattr(function, key, None))
    setattr(owner, name, noting)


def call(what, channel_of=lambda *_: 0, size_of=lambda *_: 0, outer=False):
    """What notes each call of the function that it replaces.

    Args:
        what: A word of KINDS.
        channel_of: Gives that from the call's arguments; an error, and the call is not noted.
        size_of: Gives that from what it returned, or None before, and its arguments.
        outer: Whether a call of it within another such one is only a part of that one.
    """

    def new(function, *args, **options):
        thread, number, size = get_native_id(), 0, 0
        around = notes.within.get(thread)
        # A fork server is told with messages whom to start: they are no messages of the program.
        if around == "start" or (outer and around):
            return function(*args, **options)
        if outer:
            notes.within[thread] = what
        try:
            size = size_of(None, *args)
            number = notes.begin(what, channel_of(*args), size)
        except Exception:  # wrong arguments: the function says so
            pass
        try:
            result = function(*args, **options)
        except BaseException:
            notes.change(number, size, time.monotonic_ns(), failed=True)
            raise
        else:
            ended = time.monotonic_ns()
            if number:
                notes.change(number, size_of(result, *args), ended)
            return result
        finally:
            if outer:
                notes.within.pop(thread, None)

    return new


def note_end(function, self, file, *args, **options):
    """Know a file as an end of a channel: both ends have the same inode."""
    function(self, file, *args, **options)
    try:  # noqa: SIM105  # contextlib is not imported here
        notes.ends[file] = os.fstat(file).st_ino
    except OSError:  # it is not open
        pass


def note_size(function, self, size, *args):
    """Note how much is to come of a message that is under way."""
    if size > LARGE:
        notes.change(notes.latest.get(get_native_id(), 0), size)
    return function(self, size, *args)


def note_pipe(function, *args, **options):
    """Note the making of a channel, whose ends are known only afterwards."""
    ends = function(*args, **options)
    number = notes.begin("pipe", channel(ends[0]), 0)
    notes.change(number, channel(ends[1]), time.monotonic_ns())
    return ends


def note_feeder(function, *args):
    """Know a thread as a queue's own, as long as it is that."""
    notes.feeders.add(get_native_id())
    try:
        function(*args)
    finally:
        notes.feeders.discard(get_native_id())


def channel(connection, *_):
    """The channel of a connection."""
    return notes.ends[connection.fileno()]


def channel_of_file(number, *_):
    """The channel of a file that is an end of one."""
    return notes.ends[number]


def length(data, *_):
    """The size of what came, in bytes or in a buffer."""
    return len(data.getbuffer() if hasattr(data, "getbuffer") else data or b"")


def pid(_, process, *args):
    """The process ID of a process that has been started."""
    return process.pid or 0


QUEUES = ("Queue", "JoinableQueue", "SimpleQueue")
QUEUE_CALLS = {
    "put": call("put", lambda queue, *_: channel(queue._writer), outer=True),
    "get": call("get", lambda queue, *_: channel(queue._reader), outer=True),
    "empty": call(
        "empty", lambda queue: channel(queue._reader), lambda is_so, _: bool(is_so), outer=True
    ),
}
REPLACED = {  # in a module: the owner there, "" for itself, a name, and what takes its place
    "multiprocessing.connection": [
        ("Connection", "__init__", note_end),
        ("Connection", "_send_bytes", call("send", channel, lambda _, self, data: len(data))),
        ("Connection", "_recv_bytes", call("recv", channel, length)),
        ("Connection", "_recv", note_size),
        ("", "Pipe", note_pipe),
        ("", "wait", call("wait", size_of=length, outer=True)),
        ("os", "read", call("read", channel_of_file, length)),
        ("os", "write", call("write", channel_of_file, lambda size, *_: size or 0)),
    ],
    "multiprocessing.queues": [
        ("Queue", "_feed", note_feeder),
        *((kind, what, new) for kind in QUEUES for what, new in QUEUE_CALLS.items()),
    ],
    "multiprocessing.process": [
        ("BaseProcess", "start", call("start", size_of=pid, outer=True)),
        ("BaseProcess", "join", call("join", size_of=pid, outer=True)),
        ("BaseProcess", "_bootstrap", call("run", lambda self, *_: notes.name(self.name))),
    ],
}


def replace_in(module, name):
    """Replace the functions of a module that has just been loaded."""
    for owner, function, new in REPLACED[name]:
        replace(getattr(module, owner, None) if owner else module, function, new)


class Finder:
    """Finds the modules in which functions are replaced, as Python does, when they are loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """What the import system asks for."""
        spec = PathFinder.find_spec(name, path, target) if name in REPLACED else None
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                try:  # noqa: SIM105  # contextlib is not imported here
                    replace_in(module, name)
                except Exception:  # another Python, with other private names
                    pass

            spec.loader.exec_module = exec_module
        return spec


def main():
    """Begin, and hand on to the sitecustomize that would have been imported without this one."""
    os.register_at_fork(after_in_child=notes.forget)
    sys.meta_path.insert(0, Finder)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    this = sys.modules.pop(__name__)
    try:  # noqa: SIM105
        __import__(__name__)
    except ImportError:
        pass
    sys.modules.setdefault(__name__, this)


if __name__ == "sitecustomize":  # and not when the recorder reads what it has noted
    main()
