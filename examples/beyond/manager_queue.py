"""Count in workers that share Queues over TCP, which a BaseManager serves.

python manager_queue.py --workers 5 --count 100000000
python manager_queue.py --connect 127.0.0.1:PORT  (one more worker, from another terminal)

Both need the same key in the environment variable COUNTING_KEY; without one it is made up,
and nobody can join. Who has the key can run any code here, because the queues unpickle.
"""

import argparse
import contextlib
import functools
import multiprocessing
import os
import queue
import secrets
import signal
import sys
import time
from multiprocessing.managers import BaseManager

COUNTS = 5


@functools.cache  # called in the process of the manager, for each worker: always the same one
def todo():
    """Return the queue of the counts that are to do."""
    return queue.Queue()


@functools.cache
def results():
    """Return the queue of the results."""
    return queue.Queue()


class Queues(BaseManager):
    """Serves both queues over TCP."""


Queues.register("todo", todo)
Queues.register("results", results)


def count_up(address, key):
    """Run in a worker: count as long as there are counts to do."""
    if multiprocessing.parent_process():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    name = multiprocessing.current_process().name
    # None is left, or the manager is gone. A blocking get() would be a trap: when the worker
    # dies in it, the manager still waits for it there, and throws the next count away.
    with contextlib.suppress(queue.Empty, EOFError, ConnectionError):
        queues = Queues(address, key)
        queues.connect()
        todo, results = queues.todo(), queues.results()
        while True:
            number, count = todo.get_nowait()
            subtotal = 0
            for _ in range(count):
                subtotal += 1
            results.put((number, os.getpid(), name, subtotal))


@contextlib.contextmanager
def ctrl_c_held_back():
    """Hold Ctrl-C back while processes start: they never see it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def main(workers=5, count=100_000_000, start_method=None):
    """Let workers count, and print each subtotal as it comes over TCP.

    Args:
        workers (int): How many worker processes to start. More can join.
        count (int): How far each of the five counts goes.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: The total of all subtotals.

    Raises:
        ChildProcessError: The manager died, or workers died again and again.
    """
    print(f"Parent process ID: {os.getpid()}", flush=True)
    started = time.perf_counter()
    context = multiprocessing.get_context(start_method)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    key = os.environ.get("COUNTING_KEY", secrets.token_hex()).encode()
    queues = Queues(("127.0.0.1", 0), key, ctx=context)
    missing, total, rounds = set(range(COUNTS)), 0, 0
    try:
        with ctrl_c_held_back():
            queues.start()
        print(f"Listening on {queues.address[0]}:{queues.address[1]}", flush=True)
        try:
            Queues(queues.address, b"wrong").connect()
        except multiprocessing.AuthenticationError as error:
            print(f"With a wrong key: {error}", flush=True)
        todo, results = queues.todo(), queues.results()
        while missing:  # a count that a dead worker has taken is no longer on the queue
            rounds += 1
            if rounds > 3:
                raise ChildProcessError("workers died, again and again")
            for number in missing:
                todo.put((number, count))
            team = [
                context.Process(
                    target=count_up, args=(queues.address, key), name=f"Worker {n}"
                )
                for n in range(1, workers + 1)
            ]
            with ctrl_c_held_back():
                for worker in team:
                    worker.start()
            working = True
            while missing and working:
                working = any(worker.is_alive() for worker in team)  # before the wait
                with contextlib.suppress(queue.Empty):
                    number, pid, name, subtotal = results.get(timeout=0.2)
                    working = True
                    if number in missing:  # in a later round one may come twice
                        missing.remove(number)
                        line = f"Process ID: {pid}, name: {name}, subtotal: {subtotal:,}"
                        print(line, flush=True)
                        total += subtotal
    except (EOFError, ConnectionError):
        raise ChildProcessError("the manager died") from None
    finally:
        for process in multiprocessing.active_children():  # the manager, and who still counts
            process.kill()
            process.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in workers, with Queues over TCP.")
    parser.add_argument("--workers", type=int, default=5, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--connect", metavar="HOST:PORT", help="be a worker of that program")
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    host, _, port = (args.connect or "localhost:0").rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"argument --connect: {args.connect} is not HOST:PORT")
    if args.connect and "COUNTING_KEY" not in os.environ:
        parser.error("argument --connect: COUNTING_KEY is not in the environment")
    try:
        if args.connect:
            address, key = (host, int(port)), os.environ["COUNTING_KEY"].encode()
            Queues(address, key).connect()  # or say why not
            count_up(address, key)
        else:
            main(args.workers, args.count, args.start_method)
    except (ChildProcessError, OSError, multiprocessing.AuthenticationError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
