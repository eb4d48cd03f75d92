"""Log from many workers to one file: no line is lost, none is broken.

python logging_to_one_file.py --workers 8 --lines 1250 --file workers.log
"""

import argparse
import contextlib
import logging
import logging.handlers
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
from multiprocessing import resource_tracker


class PipeHandler(logging.handlers.QueueHandler):
    """A QueueHandler whose queue is a pipe of the worker's own.

    A worker that is killed may hold the lock of a shared Queue, and stop the logs of all. And
    what send() has sent is safe, while put() leaves it to a thread that dies with the worker.
    """

    def enqueue(self, record):
        """Send the record."""
        self.queue.send(record)


class PipeListener(logging.handlers.QueueListener):
    """A QueueListener, a thread of the parent, that ends when the pipe of its worker does."""

    def dequeue(self, block):
        """Return the next record; None after the last one."""
        try:
            return self.queue.recv()
        except (EOFError, OSError):
            return None

    def enqueue_sentinel(self):
        """Do nothing: stop() then waits until all that was sent is in the file."""


def work(sender, lines):
    """Run in a worker: log so many lines."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    logger = logging.getLogger("work")
    logger.setLevel(logging.INFO)
    logger.addHandler(PipeHandler(sender))
    for number in range(1, lines + 1):
        logger.info("line %d is whole", number)


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


def main(file, workers=8, lines=1250, start_method=None):
    """Let every worker log to the file, then count the lines in it.

    Args:
        file (str): The name of the log file. It is written anew.
        workers (int): How many worker processes log.
        lines (int): How many lines each of them logs.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: How many lines are lost or broken: none, unless a worker was killed.
    """
    context = multiprocessing.get_context(start_method)
    handler = logging.FileHandler(file, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(processName)s: %(message)s"))
    team, receivers, listeners = [], [], []
    try:
        for number in range(1, workers + 1):
            receiver, sender = context.Pipe(duplex=False)
            name = f"Worker {number}"
            worker = context.Process(
                target=WithoutCtrlC(work), args=(sender, lines), name=name
            )
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            sender.close()  # now, before the next worker is forked and inherits it
            receivers.append(receiver)
        for receiver in receivers:
            listeners.append(PipeListener(receiver, handler))
            listeners[-1].start()  # a thread, so after the last fork
        for worker in team:
            worker.join()
            print(f"{worker.name}: ended, exit code {worker.exitcode}", flush=True)
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
        for listener in listeners:
            listener.stop()
        handler.close()
    with open(file, encoding="utf-8") as log:
        found = re.findall(
            r"^[-\d]+ [:,\d]+ (Worker \d+: line \d+) is whole$", log.read(), re.M
        )
    lost = workers * lines - len(set(found))
    print(f"Lines in the file: {len(found):,}, lost or broken: {lost:,}", flush=True)
    return lost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Log from many workers to one file.")
    parser.add_argument("--workers", type=int, default=8, help="how many, 1 to 100")
    parser.add_argument("--lines", type=int, default=1250, help="of each, 0 or more")
    parser.add_argument("--file", help="default: a temporary one")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.lines < 0:
        parser.error(f"argument --lines: {args.lines} is not 0 or more")
    with tempfile.TemporaryDirectory() as folder:
        file = args.file or os.path.join(folder, "log")
        signal.signal(signal.SIGINT, interrupt_once)
        try:
            open(file, "a").close()
            sys.exit(main(file, args.workers, args.lines, args.start_method) > 0)
        except OSError as error:
            parser.error(f"argument --file: {error}")
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
            print("Interrupted", file=sys.stderr)
            sys.exit(130)
