"""Needs pyzmq (python -m pip install pyzmq). Measure it beside Pipe, Queue and a ring.

python peers.py --budget 6

One process produces, one consumes. The clock runs from just before the producer's first message
of a turn to just after the consumer's last one; starting processes, opening connections and
making the message are outside. What comes before the first round doesn't count: it tells how many
messages fit into a turn. In each round every channel has one turn with each size; a line of the
table is the median of the rounds, the lowest and the highest. Each message is written by the
producer and is the consumer's own in the end, so what lies in shared memory is copied out.
"""

import argparse
import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from importlib import metadata
from multiprocessing import resource_tracker

try:
    import zmq
except ImportError:
    sys.exit("peers.py needs pyzmq: python -m pip install pyzmq")

SIZES = {"8 B": 8, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20, "16 MiB": 2**24}


class Plain:
    """A channel of multiprocessing: its put and its get."""

    def __init__(self, put, get):
        self.put, self.get_next = put, get

    def get(self, size):
        return self.get_next()


class Ring:
    """The idea of shared_ring.py: shared memory in slots, and a Pipe for their numbers."""

    def __init__(self, context, slots, size):
        self.array, self.size = context.RawArray("B", slots * size), size  # it has no name
        self.consumer, self.producer = context.Pipe()
        for number in range(slots):
            self.consumer.send(number)

    @functools.cached_property
    def memory(self):
        memory = memoryview(self.array).cast("B")
        sum(memory[::4096])  # touch each page now, and not in the first turns
        return memory

    @functools.cached_property
    def mine(self):
        return memoryview(bytearray(self.size))

    def put(self, message):
        number = self.producer.recv()
        self.memory[number * self.size :][: len(message)] = message
        self.producer.send(number)

    def get(self, size):
        number = self.consumer.recv()
        self.mine[:size] = self.memory[number * self.size :][:size]
        self.consumer.send(number)
        return self.mine[:size]


class Zmq:
    """A PUSH and a PULL socket of pyzmq, which can't be passed on: each process opens its own."""

    def __init__(self, folder):
        self.address = f"ipc://{folder}/zmq"
        if not zmq.has("ipc"):  # on Windows
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"

    @functools.cached_property
    def push(self):
        push = zmq.Context.instance().socket(zmq.PUSH)
        push.bind(self.address)
        return push

    @functools.cached_property
    def pull(self):
        pull = zmq.Context.instance().socket(zmq.PULL)
        pull.connect(self.address)
        return pull

    def put(self, message):
        self.push.send(message, copy=len(message) < 2**16)

    def get(self, size):
        if size < 2**16:
            return self.pull.recv()
        return self.pull.recv(copy=False).buffer


def make_channels(context, folder, largest):
    """Return the channels that both workers can use, by name."""
    queue, (receiver, sender) = context.Queue(), context.Pipe()
    return {
        "Pipe() send_bytes": Plain(sender.send_bytes, receiver.recv_bytes),
        "Queue": Plain(queue.put, queue.get),
        "ring of shared_ring.py": Ring(context, 4, largest),
        "pyzmq": Zmq(folder),
    }


@functools.cache
def make_message(size):
    """Return so many bytes, made once."""
    return b"x" * size


def work(orders, puts, channels):
    """Run in a process: put or get as many messages as an order says, and answer when that was."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    for name, size, messages in iter(orders.recv, None):
        channel, message, got = channels[name], make_message(size), None
        call = functools.partial(*((channel.put, message) if puts else (channel.get, size)))
        began = time.perf_counter()  # all processes read the same clock
        for _ in range(messages):
            got = call()
        ended = time.perf_counter()
        if not puts and got != message:
            raise ValueError(f"{name} carried something else")
        orders.send((began, ended))


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


def how_many(turn, seconds):
    """Return how many messages take about so many seconds, 2 at least."""
    messages = 1
    if turn(1) < max(seconds, 0.05):  # the first one touches memory
        while (took := turn(messages)) < seconds / 2:
            messages *= 2
        messages = round(messages * seconds / took)
    return max(2, messages)


def main(budget=6.0, start_method=None, sizes=SIZES):
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
    deadline, longest, workers = time.monotonic() + budget, 0, {}
    context = multiprocessing.get_context(start_method)
    about = metadata.metadata("pyzmq")
    licence = about["License-Expression"] or about["License"]
    print(f"pyzmq {about['Version']}, licence {licence}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            channels = make_channels(context, folder, max(sizes.values()))
            for name in ("producer", "consumer"):
                ours, theirs = context.Pipe()
                args = (theirs, name == "producer", channels)
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
            for channel in channels:
                timed(workers, channel, 8, 1)  # opens connections
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
    print(f"Start method {context.get_start_method()}, rounds: {rounds}")
    head = f"{'messages/s':>12}{'lowest':>12}{'highest':>12}{'MB/s':>10}"
    print(f"{'library':29} {'size':>7} {'in a turn':>10}{head}")
    for cell, found in rates.items():
        median = statistics.median(found)
        rate = "".join(f"{value:12,.1f}" for value in (median, min(found), max(found)))
        mega = median * sizes[cell[1]] / 1e6
        print(f"{cell[0]:29} {cell[1]:>7} {messages[cell]:10,}{rate}{mega:10,.1f}")
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Measure pyzmq beside Pipe, Queue and a ring."
    )
    parser.add_argument(
        "--budget", type=float, default=6.0, help="seconds; below 2 without the largest size"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 < args.budget <= 3600:
        parser.error(f"argument --budget: {args.budget:g} is not more than 0, up to 3600")
    some = dict(list(SIZES.items())[: None if args.budget >= 2 else -1])
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.budget, args.start_method, some)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
