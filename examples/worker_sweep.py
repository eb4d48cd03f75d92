"""Split the same work over 1 to 100 workers, through a Queue and through Pipes, and time it.

python worker_sweep.py --workers 1 2 3 5 8 13 21 34 55 100 --runs 3
"""

import argparse
import csv
import multiprocessing
import os
import queue
import signal
import statistics
import sys
import time


def count_up(count, send):
    """Run in a worker: count one by one, then send the subtotal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    send(subtotal)


def start(worker):
    """Start a worker with Ctrl-C held back: it never sees it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def through_queue(context, counts):
    """Start a worker for each count and return the sum of what they put on one Queue."""
    results, subtotals = context.Queue(), []
    workers = [context.Process(target=count_up, args=(n, results.put)) for n in counts]
    for worker in workers:
        start(worker)
    while len(subtotals) < len(workers):
        ended = [worker for worker in workers if not worker.is_alive()]
        try:
            subtotals.append(results.get(timeout=0.2))
        except queue.Empty:
            if len(ended) > len(subtotals):  # ended before the wait, and nothing has come
                raise ChildProcessError("a worker ended without a result") from None
    return sum(subtotals)


def through_pipes(context, counts):
    """Start a worker for each count and return the sum of what they send, each on its Pipe."""
    receivers = []
    for count in counts:
        receiver, sender = context.Pipe(duplex=False)
        start(context.Process(target=count_up, args=(count, sender.send)))
        sender.close()  # now, before the next worker is forked and inherits it
        receivers.append(receiver)
    try:
        return sum(receiver.recv() for receiver in receivers)
    except EOFError:  # the worker has ended: nobody else holds the sending end
        raise ChildProcessError("a worker ended without a result") from None


def main(workers, total=5_000_000, runs=3, start_method=None):
    """Time the same work for each number of workers, print a table, return each run's time."""
    context = multiprocessing.get_context(start_method)
    print(f"Counting to {total:,} in all, with", context.get_start_method(), flush=True)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    rows, times = [], {}
    try:
        for run in range(1, runs + 1):  # in turn: a busy moment hits all of them alike
            for size in workers:
                counts = [total // size + (number < total % size) for number in range(size)]
                for channel, count in (("Queue", through_queue), ("Pipe", through_pipes)):
                    started = time.perf_counter()
                    counted = count(context, counts)
                    for worker in multiprocessing.active_children():
                        worker.join()
                    seconds = time.perf_counter() - started
                    assert counted == total, f"{size} workers counted to {counted:,}"
                    rows.append((run, channel, size, seconds))
                    times.setdefault(size, {}).setdefault(channel, []).append(seconds)
    finally:
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
            worker.kill()
            worker.join()
    print("         Queue, seconds          Pipe, seconds")
    print("workers  median    min    max    median    min    max")
    for size, both in times.items():
        cells = [
            f"{statistics.median(s):6.3f} {min(s):6.3f} {max(s):6.3f}" for s in both.values()
        ]
        print(f"{size:7}  {cells[0]}    {cells[1]}")
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
    try:
        with open(args.csv, "w", newline="") as file:
            result = main(args.workers, args.total, args.runs, args.start_method)
            csv.writer(file).writerows([("run", "channel", "workers", "seconds"), *result])
    except ChildProcessError as error:
        sys.exit(str(error))
    except OSError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
