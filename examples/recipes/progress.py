"""Needs rich (python -m pip install rich). Show a progress bar for each of several workers.

python progress.py --workers 3 --steps 25
"""

import argparse
import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker

try:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
except ImportError:
    sys.exit("progress.py needs rich: python -m pip install rich")


def work(number, steps, events):
    """Run in a worker: after each step put (number, steps done) on the queue."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    for step in range(1, steps + 1):
        time.sleep(0.01 * number)  # put your own work here
        events.put((number, step))


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


def next_event(events, working):
    """Return the next (number, steps done), unless a worker fails or ends before its work."""
    while True:
        for worker in working.values():
            # Who has ended by itself has written all: only then empty() can be trusted.
            if worker.exitcode or (worker.exitcode == 0 and events.empty()):
                raise ChildProcessError(
                    f"{worker.name} ended before its work did, exit code {worker.exitcode}"
                )
        with contextlib.suppress(queue.Empty):
            return events.get(timeout=0.2)  # small messages: none is ever there by half


def main(workers=3, steps=25, start_method=None):
    """Draw the bars in the parent, the only process that writes to the terminal.

    Args:
        workers (int): How many worker processes to start.
        steps (int): How many steps each of them has to do.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[int]: The numbers of the workers in the order in which they finished.

    Raises:
        ChildProcessError: A worker ended before its work did. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    events, team, working, finished = context.Queue(), [], {}, []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        for number in range(1, workers + 1):
            args = (number, steps, events)
            worker = context.Process(
                target=WithoutCtrlC(work), args=args, name=f"Worker {number}"
            )
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            working[number] = worker
        with Progress(*columns) as progress:  # after the start: it makes a thread
            bars = {n: progress.add_task(working[n].name, total=steps) for n in working}
            while working:
                number, step = next_event(events, working)
                progress.update(bars[number], completed=step)
                if step == steps:
                    working.pop(number).join()
                    finished.append(number)
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    print("Finished, in this order:", *finished, flush=True)
    return finished


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Progress bars, fed through a queue.")
    parser.add_argument("--workers", type=int, default=3, help="how many, 1 to 100")
    parser.add_argument("--steps", type=int, default=25, help="of each, 1 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.steps < 1:
        parser.error(f"argument --steps: {args.steps} is not 1 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.steps, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
