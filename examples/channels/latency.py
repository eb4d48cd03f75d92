"""Measure the round trip of one small message through each channel.

python latency.py --budget 4

One process asks and another sends the same 8 bytes back; each way has a channel of its own, but
Pipe() is one for both. The clock runs for each round trip alone, from before the put to after the
get; the first ones of a turn don't count. In each round every channel has one turn. The table has
the median and the 99th percentile of a turn: of each the median of the rounds, lowest, highest.
The last line is a limit, not a channel: bare os.write and os.read on a pipe's descriptors.
"""

import argparse
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import multiprocessing.managers
import os
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker

MESSAGE, FIRST = b"8 bytes.", 20


def write(sender, message):
    """Write a small message to a pipe's descriptor."""
    os.write(sender.fileno(), message)


def read(receiver):
    """Read a small message from a pipe's descriptor."""
    return os.read(receiver.fileno(), len(MESSAGE))


def make_channels(context, manager):
    """Return for each channel the put and the get of the one who asks, and those of the echo."""
    channels = {}
    for name, make in (
        ("Queue", context.Queue),
        ("SimpleQueue", context.SimpleQueue),
        ("Manager().Queue", manager.Queue),
    ):
        there, back = make(), make()
        channels[name] = there.put, back.get, back.put, there.get
    ours, theirs = context.Pipe()
    there, back = context.Pipe(duplex=False), context.Pipe(duplex=False)
    for name, ends in (
        ("Pipe()", (ours, ours, theirs, theirs)),
        ("Pipe(duplex=False)", (there[1], back[0], back[1], there[0])),
    ):
        for kind in ("", "_bytes"):
            methods = (f"send{kind}", f"recv{kind}") * 2
            channels[f"{name} send{kind}"] = tuple(map(getattr, ends, methods))
    if sys.platform != "win32":  # there a Connection has a handle, which os.write can't take
        calls = map(functools.partial, (write, read) * 2, ends)
        channels["os.write, os.read"] = tuple(calls)
    return channels


def echo(orders, channels):
    """Run in a process: send back as many messages as an order says."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    for channel, trips in iter(orders.recv, None):
        _, _, put, get = channels[channel]
        for _ in range(trips):
            put(get())


def ask(orders, channels, answers, budget, rounds):
    """Run in a process: time round trips; answer with (median, 99th percentile) by channel."""
    threading.Thread(target=end_with_parent, daemon=True).start()

    def turn(channel, trips):
        """Return the seconds of each round trip."""
        put, get, _, _ = channels[channel]
        orders.send((channel, FIRST + trips))
        seconds = []
        for _ in range(FIRST + trips):
            began = time.perf_counter()
            put(MESSAGE)
            message = get()
            seconds.append(time.perf_counter() - began)
            if message != MESSAGE:
                raise ValueError(f"{channel} carried something else")
        return seconds[FIRST:]

    slot, found = budget / len(channels) / (rounds + 1), {channel: [] for channel in channels}
    trips = {}
    for channel in channels:
        trips[channel] = max(100, round(slot / statistics.median(turn(channel, 100))))
    for _ in range(rounds):
        for channel in channels:
            percentiles = statistics.quantiles(turn(channel, trips[channel]), n=100)
            found[channel].append((percentiles[49], percentiles[98]))
    answers.send(found)


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


def main(budget=4.0, rounds=10, start_method=None):
    """Time round trips through every channel and print a table.

    Args:
        budget (float): Seconds that it may take, but a turn has never less than 100 trips.
        rounds (int): How many turns each channel has.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, list[tuple[float, float]]]: Each round's median and 99th percentile, in
            seconds, by channel.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    manager = multiprocessing.managers.SyncManager(ctx=context)
    (ordered, order), (answers, answer) = (
        context.Pipe(duplex=False),
        context.Pipe(duplex=False),
    )
    team = []
    try:
        with ctrl_c_held_back():
            manager.start(WithoutCtrlC(begin))
        channels = make_channels(context, manager)
        asking = (order, channels, answer, budget, rounds)
        workers = [
            context.Process(target=WithoutCtrlC(echo), args=(ordered, channels), name="echo"),
            context.Process(target=WithoutCtrlC(ask), args=asking, name="asker"),
        ]
        for worker in workers:
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
        sentinels = [worker.sentinel for worker in workers]
        ready = multiprocessing.connection.wait([answers, *sentinels])
        if answers not in ready:
            dead = workers[sentinels.index(ready[0])]
            dead.join()
            raise ChildProcessError(f"{dead.name} ended, exit code {dead.exitcode}")
        found = answers.recv()
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
            if hasattr(manager, "shutdown"):  # it has started
                manager.shutdown()
    print(f"Start method {context.get_start_method()}, rounds: {rounds}; microseconds")
    print(f"{'':29}    median   lowest  highest  99th per cent   lowest  highest")
    for channel, percentiles in found.items():
        text = f"{channel:29}"
        for numbers, width in zip(zip(*percentiles, strict=True), (10, 15), strict=True):
            median, *ends = statistics.median(numbers), min(numbers), max(numbers)
            text += f"{median * 1e6:{width}.1f}" + "".join(f"{end * 1e6:9.1f}" for end in ends)
        print(text)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the round trip of a small message.")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds that it may take")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each channel")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 < args.budget <= 3600:
        parser.error(f"argument --budget: {args.budget:g} is not more than 0, up to 3600")
    if not 1 <= args.rounds <= 1000:
        parser.error(f"argument --rounds: {args.rounds} is not from 1 to 1000")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.budget, args.rounds, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
