"""Search in several workers: the first good result wins, and the others are told to stop.

python stop_early.py --workers 3 --number 10000019070000133
"""

import argparse
import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from multiprocessing import resource_tracker

PIECE = 20_000  # candidates between two looks at the pipe


def search(connection, number, first, step):
    """Run in a worker: look for a divisor until one is found, none is left, or a word comes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    tried, divisor, last = 0, None, math.isqrt(number)
    while first <= last and not divisor and not connection.poll():
        for candidate in range(first, min(first + PIECE * step, last + 1), step):
            tried += 1
            if number % candidate == 0:
                divisor = candidate
                break
        first += PIECE * step
    with contextlib.suppress(OSError):  # the parent has died
        connection.send((tried, divisor))  # also when told to stop: no work is lost


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


def main(workers=3, number=10_000_019_070_000_133, start_method=None):
    """Find a divisor of the number, each worker among candidates of its own.

    Args:
        workers (int): How many worker processes search.
        number (int): The number to divide.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int | None: The divisor that was found first. None: the number is prime.

    Raises:
        ChildProcessError: None was found, but a worker ended before it had searched.
    """
    context = multiprocessing.get_context(start_method)
    team, pipes, found, dead = [], {}, None, None
    try:
        for index in range(workers):
            ours, theirs = context.Pipe()
            args = (theirs, number, 2 + index, workers)
            worker = context.Process(
                target=WithoutCtrlC(search), args=args, name=f"Worker {index + 1}"
            )
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            theirs.close()  # now, before the next worker is forked and inherits it
            pipes[ours] = worker
        while pipes:
            ready = multiprocessing.connection.wait(pipes, timeout=1)
            for connection in ready or [end for end in pipes if not pipes[end].is_alive()]:
                worker = pipes.pop(connection)
                try:
                    if not connection.poll():
                        raise EOFError  # dead, and a child of its own holds the pipe open
                    tried, divisor = connection.recv()
                except (EOFError, OSError):
                    worker.join()
                    dead = f"{worker.name} ended without a word, exit code {worker.exitcode}"
                    print(dead, flush=True)
                    continue
                print(f"{worker.name}: {tried:,} candidates, found {divisor}", flush=True)
                worker.join(timeout=5)
                if divisor and not found:
                    found = divisor
                    for other in pipes:  # no Event: a worker that dies may hold its lock
                        with contextlib.suppress(OSError):
                            other.send("stop")
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    if dead and not found:
        raise ChildProcessError("nothing found, but not all is searched")
    print(f"First: {found}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Search in workers: the first result wins.")
    parser.add_argument("--workers", type=int, default=3, help="how many, 1 to 100")
    parser.add_argument("--number", type=int, default=10_000_019_070_000_133, help="2 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.number < 2:
        parser.error(f"argument --number: {args.number} is not 2 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.number, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
