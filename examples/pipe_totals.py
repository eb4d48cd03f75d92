"""Count in several worker processes and collect their subtotals through one Pipe each.

python pipe_totals.py --workers 5 --count 100000000
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker


def count_up(count, sender):
    """Run in a worker: count one by one, then send the subtotal through its own pipe."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    sender.send(subtotal)


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


def receive(receiver, worker):
    """Return the worker's subtotal, unless it died before it had sent all of it."""
    with contextlib.suppress(EOFError, OSError):  # at the end of its pipe
        if receiver.poll():  # else it is dead, and somebody else holds the sending end, too
            return receiver.recv()
    worker.join()
    raise ChildProcessError(
        f"{worker.name} (process ID {worker.pid}) ended without a result, "
        f"exit code {worker.exitcode}"
    )


def main(workers=5, count=100_000_000, start_method=None):
    """Count in worker processes and print each subtotal as it comes out of its pipe.

    Args:
        workers (int): How many worker processes to start.
        count (int): How far each of them counts.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: The total of all subtotals.

    Raises:
        ChildProcessError: A worker ended without a result. None is left running.
    """
    print(f"Parent process ID: {os.getpid()}", flush=True)
    started = time.perf_counter()
    context = multiprocessing.get_context(start_method)
    team, waiting, total = [], {}, 0
    try:
        for number in range(1, workers + 1):
            receiver, sender = context.Pipe(duplex=False)
            args = (count, sender)
            worker = context.Process(
                target=WithoutCtrlC(count_up), args=args, name=f"Worker {number}"
            )
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            sender.close()  # now, before the next worker is forked and inherits it
            waiting[receiver] = worker
        while waiting:
            ready = multiprocessing.connection.wait(waiting, timeout=1)
            for receiver in ready or [end for end in waiting if not waiting[end].is_alive()]:
                worker = waiting.pop(receiver)
                subtotal = receive(receiver, worker)  # first its result,
                worker.join()  # then join
                line = f"Process ID: {worker.pid}, name: {worker.name}, subtotal: {subtotal:,}"
                print(line, flush=True)
                total += subtotal
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in workers, with a Pipe each.")
    parser.add_argument("--workers", type=int, default=5, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.count, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
