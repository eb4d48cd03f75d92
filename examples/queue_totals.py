"""Count in several worker processes and collect their subtotals through one Queue.

python queue_totals.py --workers 5 --count 100000000
"""

import argparse
import multiprocessing
import os
import queue
import signal
import sys
import time


def count_up(number, count, results):
    """Run in a worker: count one by one, then put (number, subtotal) on the queue."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    results.put((number, subtotal))


def start_all(workers):
    """Start the workers with Ctrl-C held back: they never see it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    for worker in workers:
        worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def next_result(results, waiting):
    """Return the next (number, subtotal), unless a worker died that owes one."""
    while True:
        dead = [worker for worker in waiting.values() if not worker.is_alive()]
        try:
            return results.get(timeout=0.2)
        except queue.Empty:
            for worker in dead:  # dead before the wait, and still nothing has come
                raise ChildProcessError(
                    f"{worker.name} (process ID {worker.pid}) ended without a result, "
                    f"exit code {worker.exitcode}"
                ) from None


def main(workers=5, count=100_000_000, start_method=None):
    """Count in worker processes and print each subtotal as it comes off the queue.

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
    results = context.Queue()
    waiting = {}
    for number in range(1, workers + 1):
        waiting[number] = context.Process(
            target=count_up, args=(number, count, results), name=f"Worker {number}"
        )
    total = 0
    try:
        start_all(waiting.values())
        while waiting:
            number, subtotal = next_result(results, waiting)  # first its result,
            worker = waiting.pop(number)
            worker.join()  # then join
            line = f"Process ID: {worker.pid}, name: {worker.name}, subtotal: {subtotal:,}"
            print(line, flush=True)
            total += subtotal
    finally:
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
            worker.kill()
            worker.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in workers, with one Queue.")
    parser.add_argument("--workers", type=int, default=5, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    try:
        main(args.workers, args.count, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
