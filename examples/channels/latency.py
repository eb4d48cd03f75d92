"""Measure the round trip of one small message through each channel.

python latency.py --budget 4

One process asks and another sends the same 8 bytes back; each way has a channel of its own, but
Pipe() is one for both. The clock runs for each round trip alone, from before the put to after the
get; the first ones of a turn don't count. In each round every channel has one turn. The table has
the median and the 99th percentile of a turn: of each the median of the rounds, lowest, highest.
The last line is a limit, not a channel: bare os.write and os.read on a pipe's descriptors.
"""

import argparse
import functools
import multiprocessing
import multiprocessing.connection
import multiprocessing.managers
import os
import signal
import statistics
import sys
import time

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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    for channel, trips in iter(orders.recv, None):
        _, _, put, get = channels[channel]
        for _ in range(trips):
            put(get())


def ask(orders, channels, answers, budget, rounds):
    """Run in a process: time round trips; answer with (median, 99th percentile) by channel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

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


def start(worker):
    """Start a worker, or a manager, with Ctrl-C held back: only the parent sees it."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


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
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    manager = multiprocessing.managers.SyncManager(ctx=context)
    start(manager)
    channels = make_channels(context, manager)
    (ordered, order), (answers, answer) = (
        context.Pipe(duplex=False),
        context.Pipe(duplex=False),
    )
    workers = [
        context.Process(target=echo, args=(ordered, channels), name="echo"),
        context.Process(
            target=ask, args=(order, channels, answer, budget, rounds), name="asker"
        ),
    ]
    try:
        for worker in workers:
            start(worker)
        sentinels = [worker.sentinel for worker in workers]
        ready = multiprocessing.connection.wait([answers, *sentinels])
        if answers not in ready:
            dead = workers[sentinels.index(ready[0])]
            dead.join()
            raise ChildProcessError(f"{dead.name} ended, exit code {dead.exitcode}")
        found = answers.recv()
    finally:
        for worker in workers:
            if worker.pid:
                worker.kill()
                worker.join()
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
    try:
        main(args.budget, args.rounds, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
