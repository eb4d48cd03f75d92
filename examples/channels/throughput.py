"""Measure how many messages a second each channel carries, from 8 bytes to 64 MiB.

python throughput.py --budget 20

One process produces, one consumes. The clock runs from just before the producer's first message
of a turn to just after the consumer's last one; starting the processes and making the message are
outside. What comes before the first round doesn't count: it starts threads and connections, and
tells how many messages fit into a turn. In each round every channel has one turn with each size;
a line of the table is the median of the rounds, the lowest and the highest. Two lines are limits,
not channels: bare os.write and os.read on a pipe's descriptors, and a copy within one process,
between buffers larger than most caches.
"""

import argparse
import contextlib
import functools
import itertools
import multiprocessing
import multiprocessing.managers
import os
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker

SIZES = {"8 B": 8, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20, "64 MiB": 2**26}
BARE, COPY, COPIED = "os.write, os.read", ("memory copy", "128 MiB"), 2**27


def write(sender, message):
    """Write a message to a pipe's descriptor."""
    view = memoryview(message)
    while view:
        view = view[os.write(sender.fileno(), view) :]


def read(receiver, message):
    """Read as many bytes as the message has; the system gives what the pipe holds at a time."""
    left = len(message)
    while left:
        left -= len(os.read(receiver.fileno(), min(left, 2**16)))


def make_channels(context, manager):
    """Return for each channel the call that puts a message and the call that gets it."""
    queue, simple, managed = context.Queue(), context.SimpleQueue(), manager.Queue()
    channels = {
        "Queue": (queue.put, queue.get),
        "SimpleQueue": (simple.put, simple.get),
        "Manager().Queue": (managed.put, managed.get),
    }
    for name, duplex in (("Pipe()", True), ("Pipe(duplex=False)", False)):
        receiver, sender = context.Pipe(duplex)
        channels[f"{name} send"] = sender.send, receiver.recv
        channels[f"{name} send_bytes"] = sender.send_bytes, receiver.recv_bytes
    if sys.platform != "win32":  # there a Connection has a handle, which os.write can't take
        channels[BARE] = functools.partial(write, sender), functools.partial(read, receiver)
    return channels


@functools.cache
def make_message(size):
    """Return so many bytes, made once."""
    return b"x" * size


def work(orders, puts, calls):
    """Run in a process: put or get as many messages as an order says, and answer when that was."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    for channel, size, messages in iter(orders.recv, None):
        call, message, got = calls[channel], make_message(size), None
        if puts or channel == BARE:
            call = functools.partial(call, message)
        began = time.perf_counter()  # all processes read the same clock
        for _ in range(messages):
            got = call()
        ended = time.perf_counter()
        if got not in (None, message):
            raise ValueError(f"{channel} carried something else")
        orders.send((began, ended))


def begin():
    """Run first in the process of the manager."""
    threading.Thread(target=end_with_parent, daemon=True).start()


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


def timed(workers, *order):
    """Give the workers an order; return the seconds from the first put to the last get."""
    answers = []
    try:
        for orders in workers.values():
            orders.send(order)
        for orders in workers.values():
            while not orders.poll(0.2):
                if not all(worker.is_alive() for worker in workers):
                    raise EOFError
            answers.append(orders.recv())
    except (EOFError, OSError):
        time.sleep(0.1)  # it has closed its pipe and is about to end
        dead = [worker for worker in workers if not worker.is_alive()]
        ends = [f"{worker.name} ended, exit code {worker.exitcode}" for worker in dead]
        raise ChildProcessError("; ".join(ends)) from None
    (put_began, _), (_, get_ended) = answers
    return get_ended - put_began


def make_copy(size):
    """Return a function that copies a buffer within this process, and returns the seconds."""
    source, target = b"x" * size, memoryview(bytearray(size))

    def copy(copies):
        began = time.perf_counter()
        for _ in range(copies):
            target[:] = source
        return time.perf_counter() - began

    return copy


def how_many(turn, seconds):
    """Return how many messages take about so many seconds."""
    messages = 1
    if turn(1) < max(seconds, 0.05):  # the first one starts threads and touches memory
        while (took := turn(messages)) < seconds / 2:
            messages *= 2
        messages = round(messages * seconds / took)
    return max(1, messages)


def main(budget=20.0, start_method=None, sizes=SIZES):
    """Measure every channel with every size of message and print a table.

    Args:
        budget (float): Seconds that it may take, but there are never less than three rounds.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.
        sizes (dict[str, int]): The sizes of the messages in bytes, by what to call them.

    Returns:
        dict[tuple[str, str], list[float]]: Messages a second in each round, by channel and size.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
    """
    deadline, longest = time.monotonic() + budget, 0
    context = multiprocessing.get_context(start_method)
    manager = multiprocessing.managers.SyncManager(ctx=context)
    workers = {}
    try:
        with ctrl_c_held_back():
            manager.start(WithoutCtrlC(begin))
        channels = make_channels(context, manager)
        for end, name in enumerate(("producer", "consumer")):
            calls = {channel: ends[end] for channel, ends in channels.items()}
            ours, theirs = context.Pipe()
            args = (theirs, name == "producer", calls)
            worker = context.Process(target=WithoutCtrlC(work), args=args, name=name)
            with ctrl_c_held_back():
                worker.start()
                workers[worker] = ours
            theirs.close()  # now, before the next worker is forked and inherits it
        turns = {
            (channel, name): functools.partial(timed, workers, channel, size)
            for name, size in sizes.items()
            for channel in channels
        }
        turns[COPY] = make_copy(COPIED)
        messages = {cell: how_many(turn, budget / 400) for cell, turn in turns.items()}
        rates = {cell: [] for cell in turns}
        for rounds in itertools.count(1):
            began = time.monotonic()
            for cell, turn in turns.items():
                rates[cell].append(messages[cell] / turn(messages[cell]))
            longest = max(longest, time.monotonic() - began)
            if rounds >= 3 and time.monotonic() + longest > deadline:
                break
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in workers:
                worker.kill()
                worker.join()
            if hasattr(manager, "shutdown"):  # it has started
                manager.shutdown()
    print(f"Start method {context.get_start_method()}, rounds: {rounds}")
    head = f"{'messages/s':>12}{'lowest':>12}{'highest':>12}{'MB/s':>10}"
    print(f"{'channel':29} {'size':>7} {'in a turn':>10}{head}")
    for cell, found in rates.items():
        median, size = statistics.median(found), sizes.get(cell[1], COPIED)
        rate = "".join(f"{value:12,.1f}" for value in (median, min(found), max(found)))
        print(
            f"{cell[0]:29} {cell[1]:>7} {messages[cell]:10,}{rate}{median * size / 1e6:10,.1f}"
        )
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what each channel carries.")
    parser.add_argument(
        "--budget", type=float, default=20.0, help="seconds; below 4 without the largest size"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 < args.budget <= 3600:
        parser.error(f"argument --budget: {args.budget:g} is not more than 0, up to 3600")
    some = dict(list(SIZES.items())[: None if args.budget >= 4 else -1])
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.budget, args.start_method, some)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
