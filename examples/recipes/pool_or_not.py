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


def ignore_ctrl_c():
    """Run first in each worker: Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def square(number):
    """Run in a worker: return the square; the worker that gets a 0 is killed."""
    if number == 0:
        os.kill(os.getpid(), signal.SIGTERM)  # as abrupt as SIGKILL, and known to Windows
    return number * number


@contextlib.contextmanager
def ctrl_c_held_back():
    """Hold Ctrl-C back while workers start: they never see it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def with_executor(numbers, context):
    """Return what becomes of the numbers with a ProcessPoolExecutor."""
    with concurrent.futures.ProcessPoolExecutor(2, context, ignore_ctrl_c) as executor:
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
            pool = context.Pool(2, ignore_ctrl_c)
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
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    harmless = list(range(1, jobs + 1))
    deadly = [*harmless[: jobs // 2], 0, *harmless[jobs // 2 :]]
    outcomes = []
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
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
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
    try:
        main(args.jobs, args.patience, args.start_method)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
