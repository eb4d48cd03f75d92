"""Kill a worker of a ProcessPoolExecutor, then one of a Pool: one raises, the other hangs.

python pool_or_not.py --jobs 6 --patience 0.5
"""

import argparse
import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import resource_tracker


def begin():
    """Run first in each worker."""
    threading.Thread(target=end_with_parent, daemon=True).start()


def square(number):
    """Run in a worker: return the square; the worker that gets a 0 is killed."""
    if number == 0:
        os.kill(os.getpid(), signal.SIGTERM)  # as abrupt as SIGKILL, and known to Windows
    return number * number


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


def with_executor(numbers, context):
    """Return what becomes of the numbers with a ProcessPoolExecutor."""
    with concurrent.futures.ProcessPoolExecutor(2, context, WithoutCtrlC(begin)) as executor:
        try:
            with ctrl_c_held_back():
                results = executor.map(square, numbers)
            return str(list(results))
        except concurrent.futures.process.BrokenProcessPool:
            return "BrokenProcessPool"


def with_pool(numbers, context, patience):
    """Return what becomes of the numbers with a Pool, in so many seconds."""
    pool = None
    try:
        with ctrl_c_held_back():
            pool = context.Pool(2, WithoutCtrlC(begin))
        # Pool.map() would wait for ever: a new worker is there, but the job went with the old.
        return str(pool.map_async(square, numbers, chunksize=1).get(timeout=patience))
    except multiprocessing.TimeoutError:
        return f"no result after {patience} s"
    finally:  # in a thread, as this also waits for locks, which the dead one may have held
        if pool:
            ending = threading.Thread(target=pool.terminate, daemon=True)
            ending.start()
            ending.join(timeout=5)


def main(jobs=6, patience=0.5, start_method=None):
    """Give both the same jobs, once with a job in the middle that kills its worker.

    Args:
        jobs (int): How many jobs there are.
        patience (float): How many seconds to wait for the Pool that has lost a worker.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[str]: What became of it: executor, pool, executor and pool with the killing job.
    """
    context = multiprocessing.get_context(start_method)
    harmless = list(range(1, jobs + 1))
    deadly = [*harmless[: jobs // 2], 0, *harmless[jobs // 2 :]]
    others, outcomes = multiprocessing.active_children(), []
    try:
        for what, numbers, limit in (
            ("", harmless, 60),
            (", worker killed", deadly, patience),
        ):
            outcomes.append(with_executor(numbers, context))
            print(f"ProcessPoolExecutor{what}: {outcomes[-1]}", flush=True)
            outcomes.append(with_pool(numbers, context, limit))
            print(f"Pool{what}: {outcomes[-1]}", flush=True)
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in multiprocessing.active_children():
                if worker not in others:
                    worker.kill()
                    worker.join()
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill a worker of an executor, of a Pool.")
    parser.add_argument("--jobs", type=int, default=6, help="how many, 1 or more")
    parser.add_argument("--patience", type=float, default=0.5, help="seconds, up to 60")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f"argument --jobs: {args.jobs} is not 1 or more")
    if not 0 < args.patience <= 60:
        parser.error(f"argument --patience: {args.patience} is not above 0 and up to 60")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.jobs, args.patience, args.start_method)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
