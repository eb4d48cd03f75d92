"""Send bytes instead of objects, and receive them into a buffer that is used again.

python reuse_buffer.py --size 1048576

One process produces, one consumes. The clock runs from before the consumer's order to produce to
after its last message; the first round doesn't count. The kinds take turns; the table has the
median of the other rounds, the lowest and the highest, and the median of what each round was to
the same round through a Queue.
"""

import argparse
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker

INTO = "send_bytes, recv_bytes_into"
KINDS = ("Queue", "send, recv", "send_bytes, recv_bytes", INTO)


def receive_into(receiver, buffer):
    """Receive a message into the buffer and return the part that it fills."""
    length = receiver.recv_bytes_into(buffer)  # BufferTooShort: the message is longer
    return memoryview(buffer)[:length]


def make_message(size):
    """Return so many bytes."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def produce(calls, orders, size):
    """Run in a process: put the message as often as an order says."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    message = make_message(size)
    for kind, messages in iter(orders.recv, None):
        put = calls[kind]
        for _ in range(messages):
            put(message)


def consume(calls, orders, size, messages, rounds, answers):
    """Run in a process: order and get the messages; answer with the messages a second."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    message, buffer = make_message(size), bytearray(size)  # made once, filled again and again
    rates = {kind: [] for kind in calls}
    for turn in range(rounds + 1):
        for kind, get in calls.items():
            arguments = (buffer,) if kind == INTO else ()
            began = time.perf_counter()
            orders.send((kind, messages))
            for _ in range(messages):
                came = get(*arguments)
            seconds = time.perf_counter() - began
            if came != message:
                raise ValueError(f"{kind}: other bytes came than were put")
            if turn:
                rates[kind].append(messages / seconds)
    answers.send(rates)


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


def answer_of(workers, answers):
    """Start the workers and return what one of them answers, unless one ends before that."""
    team = []
    try:
        for worker in workers:
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
        sentinels = {worker.sentinel: worker for worker in workers}
        ready = multiprocessing.connection.wait([answers, *sentinels])
        if answers not in ready:
            worker = sentinels[ready[0]]
            worker.join()
            raise ChildProcessError(f"{worker.name} ended, exit code {worker.exitcode}")
        return answers.recv()
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()


def main(size=2**20, messages=64, rounds=5, start_method=None):
    """Send the same messages in several ways and print a table.

    Args:
        size (int): Bytes in a message.
        messages (int): How many messages there are in a turn.
        rounds (int): How many turns each way has.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, list[float]]: Messages a second in each round, by kind.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    queue, (receiver, sender) = context.Queue(), context.Pipe()
    (ordered, orders), (answers, answer) = (
        context.Pipe(duplex=False),
        context.Pipe(duplex=False),
    )
    puts = dict.fromkeys(KINDS, sender.send_bytes) | {
        "Queue": queue.put,
        "send, recv": sender.send,
    }
    calls = (
        queue.get,
        receiver.recv,
        receiver.recv_bytes,
        functools.partial(receive_into, receiver),
    )
    gets = dict(zip(KINDS, calls, strict=True))
    consuming = (gets, orders, size, messages, rounds, answer)
    workers = [
        context.Process(
            target=WithoutCtrlC(produce), args=(puts, ordered, size), name="producer"
        ),
        context.Process(target=WithoutCtrlC(consume), args=consuming, name="consumer"),
    ]
    rates = answer_of(workers, answers)
    method = context.get_start_method()
    print(f"Messages of {size:,} bytes: {messages:,}, start method {method}, rounds: {rounds}")
    print("                             messages/s     lowest    highest   x Queue      MB/s")
    for kind, found in rates.items():
        median, ratios = (
            statistics.median(found),
            map(float.__truediv__, found, rates["Queue"]),
        )
        numbers = "".join(f"{number:11,.1f}" for number in (median, min(found), max(found)))
        rest = f"{statistics.median(ratios):10.2f}{median * size / 1e6:10,.1f}"
        print(f"{kind:28}{numbers}{rest}")
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send bytes into a buffer used again.")
    parser.add_argument("--size", type=int, default=2**20, help="bytes in a message")
    parser.add_argument("--messages", type=int, default=64, help="how many in a turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each kind")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name, most in (("size", 2**30), ("messages", 10**6), ("rounds", 1000)):
        value = getattr(args, name)
        if not 1 <= value <= most:
            parser.error(f"argument --{name}: {value} is not from 1 to {most}")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.size, args.messages, args.rounds, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
