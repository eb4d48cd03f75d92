"""Share big data instead of sending it: a ring of slots in shared memory, beside a plain Queue.

python shared_ring.py --size 67108864

The producer waits for a free slot, fills it and sends its number through a Pipe; the consumer
copies the slot out, or reads every byte in place, and sends the number back. NumPy reads it if it
is there. In each round the kinds take turns. The clock runs from before the consumer's order to
produce to after the last message is read; the first round doesn't count. A line of the table is
the median of the other rounds, the lowest and the highest, then the medians of what each round
was to a Queue and to a copy within one process between buffers larger than most caches.
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import signal
import statistics
import sys
import time
from multiprocessing import resource_tracker, shared_memory

try:
    import numpy
except ImportError:
    numpy = None

COPY, COPIED = "memory copy", 2**27
PIECE = b"x" * 2**16


class Ring:
    """Slots in shared memory between one producer and one consumer; the parent makes it."""

    def __init__(self, context, slots, size):
        self.size = size
        self.memory = shared_memory.SharedMemory(create=True, size=slots * size)
        self.consumer, self.producer = context.Pipe()  # full slots go one way, free ones back
        for number in range(slots):
            self.consumer.send(number)

    def put(self, data):
        """Wait for a free slot, fill it and pass it on; EOFError, OSError: no consumer any more."""
        if len(data) > self.size:
            raise ValueError(f"{len(data)} bytes don't fit into a slot of {self.size}")
        number = self.producer.recv()
        self.memory.buf[number * self.size :][: len(data)] = data
        self.producer.send((number, len(data)))

    @contextlib.contextmanager
    def get(self):
        """Lend the next slot to a `with` block; EOFError, OSError: no producer any more."""
        number, length = self.consumer.recv()
        with self.memory.buf[number * self.size :][:length] as slot:
            yield slot
        with contextlib.suppress(OSError):  # a producer that has ended needs no free slot
            self.consumer.send(number)


def produce(ring, queue, orders):
    """Run in a process: put as many messages as the consumer asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    ring.consumer.close()  # the other's end, inherited: now the other's death ends put()
    queue.cancel_join_thread()  # and what it didn't get can't keep this process
    data = b"x" * ring.size
    with contextlib.suppress(EOFError, OSError):  # the consumer has gone
        for kind, messages in iter(orders.recv, None):
            put = queue.put if kind == "Queue" else ring.put
            for _ in range(messages):
                put(data)


def consume(ring, queue, orders, answers, rounds, turns):
    """Run in a process: get messages of each kind in turn; answer with the bytes a second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ring.producer.close()
    mine, copied = memoryview(bytearray(ring.size)), memoryview(bytearray(COPIED))
    source = b"x" * COPIED

    def copy_out():
        with ring.get() as slot:
            mine[:] = slot

    def read_in_place():
        with ring.get() as slot:
            if numpy:
                right = numpy.frombuffer(slot, numpy.uint8).max() == PIECE[0]
            else:
                pieces = (slot[at : at + len(PIECE)] for at in range(0, len(slot), len(PIECE)))
                right = all(PIECE.startswith(piece) for piece in pieces)
        if not right:
            raise ValueError("the ring carried something else")

    def copy():
        copied[:] = source

    gets = dict(zip(turns, (queue.get, copy_out, read_in_place, copy), strict=True))
    rates = {kind: [] for kind in turns}
    with contextlib.suppress(EOFError, OSError):  # the producer has gone
        for _ in range(rounds + 1):
            for kind, messages in turns.items():
                began = time.perf_counter()
                if kind != COPY:
                    orders.send((kind, messages))
                for _ in range(messages):
                    gets[kind]()
                size = COPIED if kind == COPY else ring.size
                rates[kind].append(messages * size / (time.perf_counter() - began))
            answers.send(rates)


def hold_ctrl_c_back(held):
    """Let Ctrl-C wait, or not any more: a worker that is started meanwhile never sees it."""
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # up to Python 3.13.0 its start unblocks Ctrl-C
        how = signal.SIG_BLOCK if held else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, [signal.SIGINT])


def main(size=2**20, slots=4, rounds=5, amount=2**29, start_method=None):
    """Measure the ring beside a Queue and a copy, and print a table.

    Args:
        size (int): Bytes in a message.
        slots (int): How many messages the ring holds.
        rounds (int): How many turns each kind has.
        amount (int): Bytes that the ring carries in a turn, but never less than 16 messages;
            the Queue carries an eighth of it.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, list[float]]: Bytes a second in each round, by kind.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
    """
    turns = {
        "Queue": max(2, amount // size // 8),
        "ring, copied out": max(16, amount // size),
        "ring, read in place": max(16, amount // size),
        COPY: max(1, amount // COPIED),
    }
    context = multiprocessing.get_context(start_method)
    hold_ctrl_c_back(True)  # until what takes the memory away again is sure to run
    ring, queue = Ring(context, slots, size), context.Queue()
    (orders, order), (answers, answer) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    args = {
        produce: (ring, queue, orders),
        consume: (ring, queue, order, answer, rounds, turns),
    }
    workers = {}

    def next_answer():
        """Return the consumer's next answer, unless a worker ends first."""
        ready = multiprocessing.connection.wait([answers, *workers])
        for sentinel, worker in workers.items():
            if sentinel in ready and answers not in ready:
                worker.join()
                raise ChildProcessError(f"{worker.name} ended, exit code {worker.exitcode}")
        return answers.recv()

    try:
        for target in args:
            worker = context.Process(target=target, args=args[target], name=target.__name__)
            worker.start()
            workers[worker.sentinel] = worker
        ring.consumer.close()
        ring.producer.close()
        hold_ctrl_c_back(False)
        next_answer()  # both have the memory now: its name can go,
        ring.memory.unlink()  # and the memory goes with the last process that has it
        for _ in range(rounds):
            rates = next_answer()
    finally:
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        with contextlib.suppress(FileNotFoundError):  # its name has gone already
            ring.memory.unlink()
        ring.memory.close()
    print(
        f"Messages of {size:,} bytes, {slots} slots, start method {context.get_start_method()}, "
        f"{'NumPy ' + numpy.__version__ if numpy else 'no NumPy'}, rounds: {rounds}"
    )
    print(f"{'':20} {'GB/s':>8} {'lowest':>8} {'highest':>8} {'x Queue':>8} {'x copy':>8}")
    rates = {kind: found[1:] for kind, found in rates.items()}
    for kind, found in rates.items():
        cells = [rate / 1e9 for rate in (statistics.median(found), min(found), max(found))]
        for other in ("Queue", COPY):
            ratios = [rate / beside for rate, beside in zip(found, rates[other], strict=True)]
            cells.append(statistics.median(ratios))
        print(f"{kind:20}" + "".join(f" {cell:8.2f}" for cell in cells))
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A ring of slots in shared memory.")
    parser.add_argument("--size", type=int, default=2**20, help="bytes in a message")
    parser.add_argument("--slots", type=int, default=4, help="messages that the ring holds")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each kind")
    parser.add_argument(
        "--amount", type=int, default=2**29, help="bytes in a turn of the ring"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name, most in (("size", 2**30), ("slots", 100), ("rounds", 1000), ("amount", 2**40)):
        value = getattr(args, name)
        if not 1 <= value <= most:
            parser.error(f"argument --{name}: {value} is not from 1 to {most}")
    try:
        main(args.size, args.slots, args.rounds, args.amount, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
