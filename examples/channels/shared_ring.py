"""A ring in shared memory: one producer fills slots, any number of consumers read them in place.

from shared_ring import Ring  # or try it: python shared_ring.py --consumers 2

Make the Ring in the parent and give it to its processes as an argument. One of them (or the parent)
takes the part of the producer, the others those of the consumers; a parent without a part closes it:

    with ring.producer() as producer:          with ring.consumer(0) as messages:
        with producer.slot() as view:              for message in messages:
            camera.readinto(view)                      with message as view:
                                                           look_at(view)

Only numbers of slots travel, through pipes. Every consumer sees every message; with no slot free the
producer waits for the slowest. The memory has no name, so nothing of it can stay behind.
"""

import argparse
import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import struct
import sys
import threading
import weakref
import zlib
from multiprocessing import resource_tracker

MESSAGE = struct.Struct("<BQ")  # the number of a slot, and how many of its bytes count
IN_USE = "a view or an array of the slot is still in use: copy what you keep, `del` the rest"


class Ring:
    """Slots in shared memory, between one producer and some consumers.

    Args:
        slots (int): How many messages it holds, from 1 to 255.
        size (int): The bytes of the largest message.
        consumers (int): How many processes read every message.
        context (BaseContext | None): What `get_context()` returns; None: that of the default.
    """

    def __init__(self, slots, size, consumers=1, context=None):
        if not (1 <= slots <= 255 and size >= 1 and consumers >= 1):
            raise ValueError("a ring has 1 to 255 slots, of 1 byte or more, and a consumer")
        if context is None:  # the default, without fixing it for the caller
            method = multiprocessing.get_start_method(allow_none=True)
            context = multiprocessing.get_context(
                method or multiprocessing.get_all_start_methods()[0]
            )
        self.slots, self.size = slots, size
        self.stride = -(-size // 64) * 64  # each slot as well aligned as the first
        self.memory = context.RawArray(ctypes.c_char, slots * self.stride)
        pipes = [context.Pipe(duplex=False) for _ in range(2 * consumers)]
        self.full, self.free = pipes[:consumers], pipes[consumers:]  # (receiver, sender) each
        self.watcher = None  # the process that watches its parent

    @contextlib.contextmanager
    def producer(self):
        """Be the producer in a `with` block; its end, without an exception, ends the messages."""
        consumers = {free[0]: full[1] for free, full in zip(self.free, self.full, strict=True)}
        self.close(*consumers.keys(), *consumers.values())
        producer = Producer(self, consumers)
        try:
            yield producer
            producer.send_to_all(b"")
        finally:
            self.close()

    @contextlib.contextmanager
    def consumer(self, number):
        """Be one of the consumers in a `with` block; it gets an iterator of the messages."""
        receiver, sender = self.full[number][0], self.free[number][1]
        self.close(receiver, sender)
        with receiver, sender:
            yield read(self, receiver, sender)

    def close(self, *mine):
        """Close the others' ends: a copy of them anywhere hides that their owner has ended."""
        for end in {end for pipe in self.full + self.free for end in pipe} - set(mine):
            end.close()

    def watch_parent(self):
        """Note, once in each process, what becomes ready when its parent ends."""
        self.watcher, self.started_by = os.getpid(), os.getppid()
        parent = multiprocessing.parent_process()
        self.parents_end = [parent.sentinel] if parent else []
        if parent and sys.platform == "linux":
            with contextlib.suppress(OSError):  # nobody forked later can hide this one
                self.parents_end.append(os.pidfd_open(parent.pid))

    def wait_for(self, ends):
        """Return those ends of pipes that are ready; EOFError: the parent has ended."""
        if self.watcher != os.getpid():
            self.watch_parent()
        ready = []
        while not ready:
            ready = multiprocessing.connection.wait([*ends, *self.parents_end], timeout=1)
            # A process that the parent has forked later can hide its end from the sentinel.
            gone = set(self.parents_end) & set(ready) or os.getppid() != self.started_by
            if self.parents_end and gone:
                raise EOFError("the parent has ended")
        return ready


class Loan:
    """One slot, lent as a memoryview; it is over when nothing uses the slot any more."""

    def __init__(self, ring, number, length, to_fill=False):
        lent = (ctypes.c_char * ring.stride).from_buffer(ring.memory, number * ring.stride)
        view = memoryview(lent).cast("B")[:length]
        self.view = view if to_fill else view.toreadonly()
        self.number, self.lent = number, weakref.ref(lent)  # what uses the view keeps it alive

    def is_over(self):
        """Release the view, so that using it raises ValueError, and return if no other is left."""
        with contextlib.suppress(BufferError):  # an array uses it
            self.view.release()
        return self.lent() is None


class Producer:
    """Fills slots, and knows which consumers still read one."""

    def __init__(self, ring, consumers):
        self.ring, self.consumers = ring, consumers  # where slots come back: where they go
        self.unused, self.in_use, self.readers = list(range(ring.slots)), [], {}

    @contextlib.contextmanager
    def slot(self):
        """Wait for a slot that all have read, lend it to a `with` block, then send it to all.

        The message is as long as the ring's size, unless the block sets `producer.length`.
        When the block raises nothing is sent.

        Raises:
            BufferError: A view or an array of the slot outlives the block: it isn't sent.
            BrokenPipeError: No consumer is left.
            EOFError: The parent has ended.
        """
        loan = Loan(self.ring, self._next_unused(), self.ring.size, to_fill=True)
        self.length, is_filled = self.ring.size, False
        try:
            yield loan.view
            if not 0 <= self.length <= self.ring.size:
                raise ValueError(f"a slot has no room for {self.length} bytes")
            is_filled = True
        finally:
            if not loan.is_over() or not is_filled:
                self.in_use.append(loan)
        if loan in self.in_use:
            raise BufferError(IN_USE)
        self.readers[loan.number] = set(self.consumers)
        self.send_to_all(MESSAGE.pack(loan.number, self.length))

    def send_to_all(self, message):
        """Send to each consumer, and go on without those that have ended."""
        for end, sender in list(self.consumers.items()):
            try:
                sender.send_bytes(message)
            except OSError:
                self._forget(end)
        if message and not self.consumers:
            raise BrokenPipeError("no consumer is left")

    def _next_unused(self):
        for loan in [loan for loan in self.in_use if loan.is_over()]:
            self.in_use.remove(loan)
            self.unused.append(loan.number)
        while not self.unused:
            if not self.readers:
                raise BufferError(IN_USE)
            for end in self.ring.wait_for(self.consumers):
                try:
                    self._has_read(end, end.recv_bytes()[0])
                except (EOFError, OSError):
                    self._forget(end)
        return self.unused.pop()

    def _has_read(self, end, number):
        self.readers[number].discard(end)
        if not self.readers[number]:
            del self.readers[number]
            self.unused.append(number)

    def _forget(self, end):
        del self.consumers[end]
        for number in [number for number, ends in self.readers.items() if end in ends]:
            self._has_read(end, number)


def read(ring, receiver, sender):
    """Generate the messages, each to be used in a `with` block: a read-only memoryview.

    Raises:
        BufferError: In the `with` block: a view or an array of the slot outlives it.
        EOFError: The producer or the parent has ended, and the messages have not.
    """
    loans = []

    def give_back():
        for loan in [loan for loan in loans if loan.is_over()]:
            loans.remove(loan)
            with contextlib.suppress(OSError):  # a producer that has ended needs no slot
                sender.send_bytes(bytes([loan.number]))

    @contextlib.contextmanager
    def lend(loan):
        try:
            yield loan.view
        finally:
            give_back()
        if loan in loans:
            raise BufferError(IN_USE)

    while ring.wait_for([receiver]) and (message := receiver.recv_bytes()):
        loans.append(Loan(ring, *MESSAGE.unpack(message)))
        yield lend(loans[-1])
        give_back()  # a message that no `with` block took, and what one had left in use


@contextlib.contextmanager
def ctrl_c_held_back():
    """Hold Ctrl-C back while workers start or end; what starts in here has it blocked."""
    pressed, handler = [], signal.getsignal(signal.SIGINT)
    ours = handler is not None and threading.current_thread() is threading.main_thread()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if sys.platform != "win32" else None
    try:
        if ours:  # the block is this thread's; a press that another one takes is noted
            signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # up to Python 3.13.0 its start unblocks Ctrl-C
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        yield
    finally:  # everything as it was found, and then the press
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if ours:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def leave_ctrl_c_to_parent(function):
    """Run in a worker: Ctrl-C ends what it has started, and the parent ends it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # programs would inherit SIG_IGN
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    return function


class WithoutCtrlC:
    """What a worker runs: a function, once Ctrl-C is left to the parent.

    A fork server that ran before doesn't block Ctrl-C, so that is done when this is unpickled.
    """

    def __init__(self, function):
        self.function = function

    def __reduce__(self):  # what is unpickled is the function itself
        return leave_ctrl_c_to_parent, (self.function,)

    def __call__(self, *args):  # a fork pickles nothing
        leave_ctrl_c_to_parent(self.function)(*args)


class Interrupt(KeyboardInterrupt):
    """A press of Ctrl-C, from when it is raised until it has been dealt with."""

    alive = 0

    def __init__(self):
        type(self).alive += 1

    def __del__(self):
        type(self).alive -= 1


def interrupt_once(*_):
    """Handle Ctrl-C, but not a second one while the first is dealt with."""
    if not Interrupt.alive:
        raise Interrupt


def end_with_parent():
    """Run in a thread of a worker: wait for the end of its parent, then end it too."""
    from multiprocessing.connection import wait

    parent, number = multiprocessing.parent_process(), os.getppid()
    ends = [parent.sentinel]  # a process that is forked later may hold it open,
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ends.append(os.pidfd_open(parent.pid))  # but nobody holds this one
    while not wait(ends, timeout=1) and os.getppid() == number:
        pass
    os._exit(1)


def consume(ring, number):
    """Run in a process: read every message, and look at each byte where it lies."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    total, checksum = 0, 0
    try:
        with ring.consumer(number) as messages:
            for message in messages:
                with message as view:
                    total, checksum = total + 1, zlib.crc32(view, checksum)
    except EOFError:  # what the parent has to say of that is enough
        sys.exit(1)
    print(f"consumer {number}: {total} messages, checksum {checksum:08x}", flush=True)


def main(messages=100, size=2**20, consumers=2, start_method=None):
    """Send messages from this process to some consumers.

    Args:
        messages (int): How many.
        size (int): The bytes of each.
        consumers (int): How many processes read them.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Raises:
        ChildProcessError: A consumer ended too early. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    ring = Ring(4, size, consumers, context)
    workers = []
    try:
        with ctrl_c_held_back():
            for number in range(consumers):
                worker = context.Process(target=WithoutCtrlC(consume), args=(ring, number))
                worker.start()
                workers.append(worker)
        with contextlib.suppress(BrokenPipeError), ring.producer() as producer:
            for number in range(messages):
                with producer.slot() as view:
                    view[:] = bytes([number % 256]) * size  # as camera.readinto(view) would
                if len(producer.consumers) < consumers:
                    break  # one has ended; the ring would go on with the others
        for number, worker in enumerate(workers):
            worker.join()
            if worker.exitcode:
                raise ChildProcessError(
                    f"consumer {number} ended, exit code {worker.exitcode}"
                )
    finally:
        with ctrl_c_held_back():
            for worker in workers:
                worker.kill()
                worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A ring in shared memory.")
    parser.add_argument("--messages", type=int, default=100, help="how many")
    parser.add_argument("--size", type=int, default=2**20, help="bytes in a message")
    parser.add_argument("--consumers", type=int, default=2, help="processes that read them")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name, least, most in (
        ("messages", 0, 10**9),
        ("size", 1, 2**30),
        ("consumers", 1, 50),
    ):
        value = getattr(args, name)
        if not least <= value <= most:
            parser.error(f"argument --{name}: {value} is not from {least} to {most}")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.messages, args.size, args.consumers, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
