"""Needs distributed (python -m pip install distributed). Count in the workers of Dask.

python dask_queue.py --workers 2 --count 100000000
python dask_queue.py --scheduler tcp://127.0.0.1:8786  (on a cluster that runs already)
"""

import argparse
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker

try:
    import dask
    from distributed import Client, LocalCluster, Queue, get_worker
    from distributed.scheduler import KilledWorker
except ImportError:
    sys.exit("dask_queue.py needs distributed: python -m pip install distributed")

COUNTS = 5


def count_up(number, count, news):
    """Run in a worker: count one by one, tell the news, and return the subtotal."""
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    news.put((number, os.getpid(), f"Worker {get_worker().name}", subtotal))
    return subtotal


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


def start_cluster(workers, start_method):
    """Start a scheduler in this process, and workers."""
    if start_method:
        dask.config.set({"distributed.worker.multiprocessing-method": start_method})
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise ChildProcessError(f"the cluster didn't start: {error}") from None


def main(workers=2, count=100_000_000, start_method=None, scheduler=None):
    """Let Dask's workers count, and print each subtotal as the news of it come.

    Dask starts a new worker for one that dies, and gives its count to another one. So the
    news may come twice. The futures hold each subtotal once.

    Args:
        workers (int): How many worker processes to start when there is no scheduler yet.
        count (int): How far each of the five counts goes.
        start_method (str | None): "spawn", "forkserver", or None: Dask's default. Not "fork":
            Dask has threads, and what is forked from it may hang.
        scheduler (str | None): The address of a scheduler; None: start one, and workers.

    Returns:
        int: The total of all subtotals.

    Raises:
        OSError: The cluster doesn't start or answer, or has had no worker for half a minute.
        KilledWorker: The same count has killed four workers.
    """
    print(f"Parent process ID: {os.getpid()}", flush=True)
    started = time.perf_counter()
    for talker in ("distributed", "asyncio"):  # they would tell of every step of a Ctrl-C
        logging.getLogger(talker).setLevel(logging.CRITICAL)
    cluster = client = None
    others = multiprocessing.active_children()
    try:
        with ctrl_c_held_back():
            if not scheduler:
                cluster = start_cluster(workers, start_method)
            client = Client(scheduler or cluster, timeout=10)
        client.wait_for_workers(1, timeout=30)
        news, told = Queue(), set()
        futures = client.map(count_up, range(COUNTS), count=count, news=news, pure=False)
        while len(told) < COUNTS:
            done = all(future.done() for future in futures)
            try:
                number, pid, name, subtotal = news.get(timeout=1)
            except TimeoutError:
                if done:  # before the wait, and there were no more news
                    break
                client.wait_for_workers(1, timeout=30)
                continue
            if number not in told:
                line = f"Process ID: {pid}, name: {name}, subtotal: {subtotal:,}"
                print(line, flush=True)
                told.add(number)
        total = sum(client.gather(futures))
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for opened in (client, cluster):
                if opened:
                    opened.close()
            for process in multiprocessing.active_children():
                if process not in others:
                    process.kill()
                    process.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in the workers of Dask.")
    parser.add_argument("--workers", type=int, default=2, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    methods = [name for name in multiprocessing.get_all_start_methods() if name != "fork"]
    parser.add_argument("--start-method", choices=methods)
    parser.add_argument("--scheduler", metavar="ADDRESS", help="such as tcp://127.0.0.1:8786")
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    if args.scheduler and not args.scheduler.startswith(("tcp://", "tls://")):
        parser.error(f"argument --scheduler: {args.scheduler} is not tcp://HOST:PORT")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.count, args.start_method, args.scheduler)
    except (OSError, KilledWorker) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
