"""Send 10,000, 100,000 and 1,000,000 integers through four channels, as a well-known answer did.

python old_answer.py --scale 0.3

The work is that of the answer to https://stackoverflow.com/questions/8463008: one process puts the
integers and a sentinel, another gets them and, from a JoinableQueue, says of each that it is done.
The clock runs from just before the first put until the last has been got and is done; starting
the two processes is outside. In each round every channel has one turn with each number of
integers; the table has the median of the rounds in seconds, the lowest and the highest.
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker

COUNTS = (10_000, 100_000, 1_000_000)
CHANNELS = ("Pipe", "Queue", "SimpleQueue", "JoinableQueue")


def put_all(put, join, count, answer):
    """Run in a process: put the integers and the sentinel; answer when that began and ended."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    began = time.perf_counter()  # all processes read the same clock
    for number in range(count):
        put(number)
    put("DONE")
    if join:
        join()  # until each is done
    answer.send((began, time.perf_counter()))


def get_all(get, done, answer):
    """Run in a process: get up to the sentinel; answer with the sum, and when that ended."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    answer.send("ready")
    total, number = 0, 0
    while number != "DONE":
        total += number
        number = get()
        if done:
            done()
    answer.send((total, time.perf_counter()))


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


def measure(context, channel, count, team):
    """Return the seconds that it takes the integers to get through a channel; fill the team."""
    if channel == "Pipe":
        receiver, sender = context.Pipe()
        put, get, done, join = sender.send, receiver.recv, None, None
    else:
        queue = getattr(context, channel)()
        put, get = queue.put, queue.get
        done, join = getattr(queue, "task_done", None), getattr(queue, "join", None)
    (put_answers, put_answer), (get_answers, get_answer) = (
        context.Pipe(False),
        context.Pipe(False),
    )
    consumer = context.Process(
        target=WithoutCtrlC(get_all), args=(get, done, get_answer), name="consumer"
    )
    producer = context.Process(
        target=WithoutCtrlC(put_all), args=(put, join, count, put_answer), name="producer"
    )

    def begin(worker):
        with ctrl_c_held_back():
            worker.start()
            team.append(worker)

    def next_answer(answers):
        """Return an answer, unless a worker ends too early."""
        while not answers.poll(0.1):
            for worker in (producer, consumer):
                if worker.exitcode:
                    raise ChildProcessError(
                        f"{worker.name} ended, exit code {worker.exitcode}"
                    )
        return answers.recv()

    begin(consumer)
    next_answer(get_answers)  # it is ready
    begin(producer)
    began, put_ended = next_answer(put_answers)
    total, get_ended = next_answer(get_answers)
    if total != count * (count - 1) // 2:
        raise ArithmeticError(f"{channel}: the sum of {count:,} integers came as {total:,}")
    producer.join()
    consumer.join()
    return max(put_ended, get_ended) - began


def main(counts=COUNTS, rounds=3, start_method=None):
    """Send each number of integers through each channel and print a table.

    Args:
        counts (Sequence[int]): How many integers to send.
        rounds (int): How often to send them.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[tuple[str, int], list[float]]: The seconds of each round, by channel and number.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
        ArithmeticError: Other integers came than were sent.
    """
    context = multiprocessing.get_context(start_method)
    seconds = {(channel, count): [] for count in counts for channel in CHANNELS}
    team = []
    try:
        for _ in range(rounds):
            for channel, count in seconds:
                seconds[channel, count].append(measure(context, channel, count, team))
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    print(f"Start method {context.get_start_method()}, rounds: {rounds}; seconds")
    print("channel         integers    median    lowest   highest")
    for (channel, count), found in seconds.items():
        numbers = statistics.median(found), min(found), max(found)
        text = "".join(f"{number:10.4f}" for number in numbers)
        print(f"{channel:13} {count:10,}{text}")
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send integers as a well-known answer did.")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="send this many times as many integers"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often to send them")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0.0001 <= args.scale <= 10:
        parser.error(f"argument --scale: {args.scale:g} is not from 0.0001 to 10")
    if not 1 <= args.rounds <= 1000:
        parser.error(f"argument --rounds: {args.rounds} is not from 1 to 1000")
    scaled = [round(count * args.scale) for count in COUNTS]
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(scaled, args.rounds, args.start_method)
    except (ChildProcessError, ArithmeticError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
