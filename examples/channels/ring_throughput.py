"""Measure the ring of shared_ring.py, which must lie beside it, with a Queue and a copy of memory.

python ring_throughput.py --size 67108864

One process produces, one consumes. Three ways through the ring: copied into the slot and out of it;
copied in, and every byte read in place; filled in place (as by a camera) and read in place. NumPy
fills and reads it if it is there. In each round the kinds take turns. The clock runs from when the first
message of a turn has been read, for only then are both at work, to when the last one has; the first
round, of two messages each, doesn't count, and both have touched every page before. A line of the
table is the median of the other rounds, the lowest and the highest, then the medians of what each
round was to a Queue and to a copy within one process between buffers larger than most caches.
"""

import argparse
import contextlib
import ctypes
import importlib.metadata
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import threading
from multiprocessing import resource_tracker
from time import perf_counter

try:
    from shared_ring import Ring
except ImportError:
    sys.exit("ring_throughput.py needs shared_ring.py in the same folder")
QUEUE, COPIED_OUT, READ, FILLED, COPY = KINDS = (
    "Queue",
    "ring, copied out",
    "ring, read in place",
    "ring, filled and read in place",
    "memory copy",
)
COPIED = 2**27
NUMPY = importlib.util.find_spec("numpy") and importlib.metadata.version("numpy")
BYTE, PIECE, EIGHT = ord("x"), b"x" * 2**16, int.from_bytes(b"x" * 8, "big")


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


def get_ready(ring):
    """Run first in a worker."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    sum(memoryview(ring.memory).cast("B")[::4096])  # touch each page now, and not in a turn


def produce(ring, queue, orders):
    """Run in a process: produce as many messages as the consumer asks for."""
    get_ready(ring)
    numpy = importlib.import_module("numpy") if NUMPY else None  # here, so the start is quick
    data = b"x" * ring.size
    # When the consumer has ended, the parent has something to say, and this process hasn't.
    with contextlib.suppress(EOFError, OSError), ring.producer() as producer:
        for kind, messages in iter(orders.recv, None):
            for _ in range(messages):
                if kind == QUEUE:
                    queue.put(data)
                    continue
                with producer.slot() as view:
                    if kind == FILLED:
                        fill(view, numpy)
                    else:
                        view[:] = data


def fill(view, numpy):
    """Fill a message in place."""
    if numpy:
        numpy.frombuffer(view, numpy.uint8).fill(BYTE)
    else:
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(view)), BYTE, len(view))


def check(view, numpy):
    """Read every byte of a message in place."""
    if numpy and len(view) % 8 == 0:  # eight bytes at a time
        right = numpy.bitwise_or.reduce(numpy.frombuffer(view, numpy.uint64)) == EIGHT
    elif numpy:
        right = numpy.frombuffer(view, numpy.uint8).max() == BYTE
    else:
        pieces = (view[at : at + len(PIECE)] for at in range(0, len(view), len(PIECE)))
        right = all(PIECE.startswith(piece) for piece in pieces)
    if not right:
        raise ValueError("the ring carried something else")


def consume(ring, queue, orders, answers, rounds, turns):
    """Run in a process: get messages of each kind in turn; answer with the bytes a second."""
    get_ready(ring)
    numpy = importlib.import_module("numpy") if NUMPY else None
    mine, copied = memoryview(bytearray(ring.size)), memoryview(bytearray(COPIED))
    source, rates = b"x" * COPIED, {kind: [] for kind in KINDS}

    def take(kind):
        if kind == QUEUE:
            queue.get()
        elif kind == COPY:
            copied[:] = source
        else:
            with next(messages) as view:
                if kind == COPIED_OUT:
                    mine[:] = view
                else:
                    check(view, numpy)

    # When the producer has ended, the parent has something to say, and this process hasn't.
    with contextlib.suppress(EOFError, OSError), ring.consumer(0) as messages:
        for turn in range(rounds + 1):
            for kind, most in turns.items():
                count = most if turn else 1
                if kind != COPY:
                    orders.send((kind, 1 + count))
                take(kind)
                began = perf_counter()
                for _ in range(count):
                    take(kind)
                size = COPIED if kind == COPY else ring.size
                rates[kind].append(count * size / (perf_counter() - began))
            answers.send(rates)


def next_answer(answers, workers):
    """Return the consumer's next answer; ChildProcessError: a worker ended first."""
    ready = multiprocessing.connection.wait(
        [answers, *(worker.sentinel for worker in workers)]
    )
    for worker in workers:
        if worker.sentinel in ready and answers not in ready:
            worker.join()
            raise ChildProcessError(f"{worker.name} ended, exit code {worker.exitcode}")
    return answers.recv()


def print_table(rates):
    """Print a line for each kind, without the first round."""
    print(f"{'':30} {'GB/s':>8} {'lowest':>8} {'highest':>8} {'x Queue':>8} {'x copy':>8}")
    for kind, found in rates.items():
        cells = [rate / 1e9 for rate in (statistics.median(found), min(found), max(found))]
        for other in (QUEUE, COPY):
            ratios = [rate / beside for rate, beside in zip(found, rates[other], strict=True)]
            cells.append(statistics.median(ratios))
        print(f"{kind:30}" + "".join(f" {cell:8.2f}" for cell in cells))


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
    turns = dict.fromkeys(KINDS, max(16, amount // size))
    turns |= {QUEUE: max(2, amount // size // 8), COPY: max(1, amount // COPIED)}
    context = multiprocessing.get_context(start_method)
    ring, queue = Ring(slots, size, context=context), context.Queue()
    (orders, order), (answers, answer) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    args = {
        produce: (ring, queue, orders),
        consume: (ring, queue, order, answer, rounds, turns),
    }
    workers = []
    try:
        with ctrl_c_held_back():
            for target in args:
                worker = context.Process(
                    target=WithoutCtrlC(target), args=args[target], name=target.__name__
                )
                worker.start()
                workers.append(worker)
        ring.close()
        for _ in range(rounds + 1):
            rates = next_answer(answers, workers)
    finally:
        with ctrl_c_held_back():
            for worker in workers:
                worker.kill()
                worker.join()
    print(
        f"Messages of {size:,} bytes, {slots} slots, start method {context.get_start_method()}, "
        f"{f'NumPy {NUMPY}' if NUMPY else 'no NumPy'}, rounds: {rounds}"
    )
    rates = {kind: found[1:] for kind, found in rates.items()}
    print_table(rates)
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure a ring of slots in shared memory.")
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
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.size, args.slots, args.rounds, args.amount, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
