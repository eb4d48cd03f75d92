"""Needs pyzmq: measure it, and other libraries if installed, beside Pipe, Queue and a ring.

python -m pip install pyzmq faster-fifo iceoryx2 joblib numpy
python peers.py --budget 6

One process produces, one consumes. The clock runs from just before the producer's first message
of a turn to just after the consumer's last one; starting processes, opening connections and
making the message are outside. What comes before the first round doesn't count: it tells how many
messages fit into a turn. In each round every library has one turn with each size; a line of the
table is the median of the rounds, the lowest and the highest. Each message is written by the
producer and is the consumer's own in the end, so what lies in shared memory is copied out. joblib
has no channel: there a message is a task for one of two workers, which reads the array in place.
"""

import argparse
import contextlib
import ctypes
import functools
import importlib
import itertools
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from importlib import metadata
from multiprocessing import shared_memory

try:
    import zmq
except ImportError:
    sys.exit("peers.py needs pyzmq: python -m pip install pyzmq")


def optional(name):
    """Return a module, or None if it isn't installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


faster_fifo, iceoryx2, numpy = map(optional, ("faster_fifo", "iceoryx2", "numpy"))
joblib = numpy and optional("joblib")  # it shares arrays of NumPy
loky = joblib and joblib.externals.loky
SIZES = {"8 B": 8, "1 KiB": 2**10, "64 KiB": 2**16, "1 MiB": 2**20, "64 MiB": 2**26}


class Ring:
    """The ring of shared_ring.py: a put and a get without its checks."""

    def __init__(self, context, slots, size):
        self.memory = shared_memory.SharedMemory(create=True, size=slots * size)
        self.size = size
        self.consumer, self.producer = context.Pipe()
        for number in range(slots):
            self.consumer.send(number)

    def open(self, puts):
        self.mine = memoryview(bytearray(self.size))
        sum(self.memory.buf[::4096])  # touch each page now, and not in the first turns

    def put(self, message):
        number = self.producer.recv()
        self.memory.buf[number * self.size :][: len(message)] = message
        self.producer.send(number)

    def get(self, size):
        number = self.consumer.recv()
        self.mine[:size] = self.memory.buf[number * self.size :][:size]
        self.consumer.send(number)
        return self.mine[:size]


class Zmq:
    """A PUSH and a PULL socket of pyzmq."""

    def __init__(self, folder):
        self.address = f"ipc://{folder}/zmq"

    def open(self, puts):
        if puts:
            self.socket = zmq.Context.instance().socket(zmq.PUSH)
            self.socket.bind(self.address)
        else:
            self.socket = zmq.Context.instance().socket(zmq.PULL)
            self.socket.connect(self.address)

    def put(self, message):
        self.socket.send(message, copy=len(message) < 2**16)

    def get(self, size):
        if size < 2**16:
            return self.socket.recv()
        return self.socket.recv(copy=False).buffer


class Iceoryx2:
    """A publisher and a subscriber of iceoryx2."""

    def __init__(self, name, size):
        self.name, self.size = name, size

    def open(self, puts):
        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        self.node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        service = self.node.service_builder(iceoryx2.ServiceName.new(self.name))
        service = service.publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
        service = service.enable_safe_overflow(False).subscriber_max_buffer_size(2)
        self.service = service.open_or_create()
        if puts:
            builder = self.service.publisher_builder().initial_max_slice_len(self.size)
            wait = iceoryx2.BackpressureStrategy.RetryUntilDelivered
            self.publisher = builder.backpressure_strategy(wait).create()
        else:
            self.subscriber = self.service.subscriber_builder().create()
            self.mine = ctypes.create_string_buffer(self.size)

    def put(self, message):
        sample = self.publisher.loan_slice_uninit(len(message))
        ctypes.memmove(sample.payload_ptr, message, len(message))
        sample.assume_init().send()

    def get(self, size):
        while not (sample := self.subscriber.receive()):
            pass
        ctypes.memmove(self.mine, sample.payload_ptr, size)
        sample.delete()
        return memoryview(self.mine).cast("B")[:size]


class FasterFifo:
    """A queue of faster-fifo with room for two of the largest messages."""

    def __init__(self, size):
        self.queue = faster_fifo.Queue(max_size_bytes=2 * size + 2**16)

    def put(self, message):
        self.queue.put(message, timeout=60)

    def get(self, size):
        return self.queue.get(timeout=60)


class Plain:
    """A channel of multiprocessing: its put and its get."""

    def __init__(self, put, get):
        self.put, self.get_next = put, get

    def get(self, size):
        return self.get_next()


def make_channels(context, folder, largest):
    """Return the channels that both workers can use, by name."""
    queue, (receiver, sender) = context.Queue(), context.Pipe()
    channels = {
        "Pipe() send_bytes": Plain(sender.send_bytes, receiver.recv_bytes),
        "Queue": Plain(queue.put, queue.get),
        "ring of shared_ring.py": Ring(context, 4, largest),
        "pyzmq": Zmq(folder),
    }
    if faster_fifo:
        channels["faster-fifo"] = FasterFifo(largest)
    if iceoryx2:
        channels["iceoryx2"] = Iceoryx2(f"peers-{os.getpid()}", largest)
    return channels


@functools.cache
def make_message(size):
    """Return so many bytes, made once."""
    return b"x" * size


def work(orders, puts, channels):
    """Run in a process: put or get as many messages as an order says, and answer when that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    for channel in channels.values():
        if hasattr(channel, "open"):  # it has what can't be passed to a process
            channel.open(puts)
    for name, size, messages in iter(orders.recv, None):
        channel, message = channels[name], make_message(size)
        began = time.perf_counter()  # all processes read the same clock
        for _ in range(messages):
            if puts:
                channel.put(message)
            else:
                got = channel.get(size)
        ended = time.perf_counter()
        if not puts and messages and got != message:
            raise ValueError(f"{name} carried something else")
        orders.send((began, ended))


@contextlib.contextmanager
def ctrl_c_held_back():
    """Start processes in here: they never see Ctrl-C, the parent does, afterwards."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    yield
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def timed(workers, *order):
    """Give the workers an order; return the seconds from the first put to the last get."""
    answers, late = [], time.monotonic() + 20
    try:
        for orders in workers.values():
            orders.send(order)
        for orders in workers.values():
            while not orders.poll(0.2):
                if not all(worker.is_alive() for worker in workers):
                    raise EOFError
                if time.monotonic() > late:
                    raise TimeoutError(f"{order[0]}: no messages for 20 s")
            answers.append(orders.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        time.sleep(0.1)  # it has closed its pipe and is about to end
        dead = [worker for worker in workers if not worker.is_alive()]
        ends = [f"{worker.name} ended, exit code {worker.exitcode}" for worker in dead]
        raise ChildProcessError("; ".join(ends)) from None
    (_, get_ended), (put_began, _) = answers
    return get_ended - put_began


def through_joblib(size, messages):
    """Return the seconds that two workers of joblib take to read so many arrays."""
    arrays = [numpy.full(size, 120, numpy.uint8) for _ in range(messages)]
    began = time.perf_counter()
    found = joblib.Parallel(n_jobs=2, mmap_mode="r")(map(joblib.delayed(numpy.max), arrays))
    seconds = time.perf_counter() - began
    if any(one != 120 for one in found):
        raise ValueError("joblib carried something else")
    return seconds


def how_many(turn, seconds):
    """Return how many messages take about so many seconds, 2 at least."""
    messages = 1
    if turn(1) < max(seconds, 0.05):  # the first one starts threads and touches memory
        while (took := turn(messages)) < seconds / 2:
            messages *= 2
        messages = round(messages * seconds / took)
    return max(2, messages)


def versions():
    """Return a line with version and licence for each library that takes part."""
    found = {"pyzmq": zmq, "faster-fifo": faster_fifo, "iceoryx2": iceoryx2, "joblib": joblib}
    lines = []
    for name, module in found.items():
        if module:
            about = metadata.metadata(name)
            licence = about["License-Expression"] or about["License"]
            lines.append(f"{name} {about['Version']}, licence {licence}")
        else:
            lines.append(f"{name}: not installed")
    return lines


def main(budget=6.0, start_method=None, sizes=SIZES):
    """Measure every library with every size of message and print a table.

    Args:
        budget (float): Seconds that it may take, but there are never less than three rounds.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default. joblib
            starts its workers in its own way.
        sizes (dict[str, int]): The sizes of the messages in bytes, by what to call them.

    Returns:
        dict[tuple[str, str], list[float]]: Messages a second in each round, by library and size.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
        TimeoutError: A library got stuck.
    """
    deadline, longest, workers = time.monotonic() + budget, 0, {}
    context = multiprocessing.get_context(start_method)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    print(*versions(), sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        channels = make_channels(context, folder, max(sizes.values()))
        try:
            for name in ("consumer", "producer"):
                ours, theirs = context.Pipe()
                args = (theirs, name == "producer", channels)
                worker = context.Process(target=work, args=args, name=name)
                with ctrl_c_held_back():
                    worker.start()
                    workers[worker] = ours
                theirs.close()  # now, before the next worker is forked and inherits it
            turns = {
                (channel, name): functools.partial(timed, workers, channel, size)
                for name, size in sizes.items()
                for channel in channels
            }
            if joblib:
                loky.backend.resource_tracker.ensure_running()  # this unblocks Ctrl-C
                with ctrl_c_held_back():
                    through_joblib(2**20, 2)  # this starts its workers
                for name, size in sizes.items():
                    if size >= 2**20:  # smaller ones it doesn't share but pickles
                        turns["joblib", name] = functools.partial(through_joblib, size)
            timed(workers, "pyzmq", 8, 0)  # by now both have what the ring is made of
            channels["ring of shared_ring.py"].memory.unlink()
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
            for worker in workers:
                worker.kill()
                worker.join()
            with contextlib.suppress(FileNotFoundError):
                channels["ring of shared_ring.py"].memory.unlink()
            if joblib:
                loky.get_reusable_executor().shutdown(kill_workers=True)
            if iceoryx2:
                # A new node clears away what dead ones have left.
                iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
                iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
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
        description="Measure other libraries beside Pipe and Queue."
    )
    parser.add_argument(
        "--budget", type=float, default=6.0, help="seconds; below 3 without the largest size"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 < args.budget <= 3600:
        parser.error(f"argument --budget: {args.budget:g} is not more than 0, up to 3600")
    some = dict(list(SIZES.items())[: None if args.budget >= 3 else -1])
    try:
        main(args.budget, args.start_method, some)
    except (ChildProcessError, TimeoutError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
