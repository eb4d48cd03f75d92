"""Split the same work over 1 to 100 workers, through a Queue and through Pipes, and time it.

python worker_sweep.py --workers 1 2 3 5 8 13 21 34 55 100 --runs 3
"""

import argparse
import contextlib
import csv
import multiprocessing
import os
import queue
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker


def count_up(count, send):
    """Run in a worker: count one by one, then send the subtotal."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    send(subtotal)


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


def start(worker, team):
    """Start a worker with Ctrl-C held back, and note it in the team."""
    with ctrl_c_held_back():
        worker.start()
        team.append(worker)


def through_queue(context, counts, team):
    """Start a worker for each count and return the sum of what they put on one Queue."""
    results, subtotals = context.Queue(), []
    for count in counts:
        start(context.Process(target=WithoutCtrlC(count_up), args=(count, results.put)), team)
    while len(subtotals) < len(counts):
        ended = [worker.exitcode for worker in team if not worker.is_alive()]
        if any(ended) or (len(ended) > len(subtotals) and results.empty()):
            raise ChildProcessError("a worker ended without a result")
        with contextlib.suppress(queue.Empty):
            subtotals.append(results.get(timeout=0.2))
    return sum(subtotals)


def through_pipes(context, counts, team):
    """Start a worker for each count and return the sum of what they send, each on its Pipe."""
    receivers = []
    for count in counts:
        receiver, sender = context.Pipe(duplex=False)
        start(context.Process(target=WithoutCtrlC(count_up), args=(count, sender.send)), team)
        sender.close()  # now, before the next worker is forked and inherits it
        receivers.append(receiver)
    try:
        return sum(receiver.recv() for receiver in receivers)
    except (EOFError, OSError):  # it has ended: nobody else holds the sending end
        raise ChildProcessError("a worker ended without a result") from None


def main(workers, total=5_000_000, runs=3, start_method=None):
    """Time the same work for each number of workers, print a table, return each run's time."""
    context = multiprocessing.get_context(start_method)
    print(f"Counting to {total:,} in all, with", context.get_start_method(), flush=True)
    rows, times, team = [], {}, []
    try:
        for run in range(1, runs + 1):  # in turn: a busy moment hits all of them alike
            for size in workers:
                counts = [total // size + (number < total % size) for number in range(size)]
                for channel, count in (("Queue", through_queue), ("Pipe", through_pipes)):
                    started = time.perf_counter()
                    counted = count(context, counts, team)
                    while team:
                        team[-1].join()
                        team.pop()
                    seconds = time.perf_counter() - started
                    assert counted == total, f"{size} workers counted to {counted:,}"
                    rows.append((run, channel, size, seconds))
                    times.setdefault(size, {}).setdefault(channel, []).append(seconds)
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    print(f"{'Queue, milliseconds':>28} {'Pipe, milliseconds':>23}")
    print(f"workers {'  median     min     max' * 2}")
    for size, both in times.items():
        found = [f(s) for s in both.values() for f in (statistics.median, min, max)]
        print(f"{size:7} " + "".join(f"{1000 * seconds:8.1f}" for seconds in found))
    return rows


if __name__ == "__main__":
    sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55, 100]
    parser = argparse.ArgumentParser(description="Time the same work with 1 to 100 workers.")
    parser.add_argument("--workers", type=int, nargs="+", default=sizes, help="how many")
    parser.add_argument("--total", type=int, default=5_000_000, help="how far all count")
    parser.add_argument("--runs", type=int, default=3, help="how often to run each")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--csv", default=os.devnull, help="write each run to this file")
    args = parser.parse_args()
    if min(args.workers) < 1 or max(args.workers) > 100 or args.total < 0 or args.runs < 1:
        parser.error("--workers are from 1 to 100, --total is 0 or more, --runs is 1 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        with open(args.csv, "w", newline="") as file:
            result = main(args.workers, args.total, args.runs, args.start_method)
            csv.writer(file).writerows([("run", "channel", "workers", "seconds"), *result])
    except ChildProcessError as error:
        sys.exit(str(error))
    except OSError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
