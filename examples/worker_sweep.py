"""Split the same work over 1 to 100 workers, through a Queue and through Pipes, and time it.

python worker_sweep.py --workers 1,2,3,5,8,13,21,34,55,100 --runs 3
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

WORKERS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 100)


def count_up(count, send):
    """Run in a worker: count one by one, then send the subtotal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    send((os.getpid(), subtotal))


def start(worker):
    """Start a worker with Ctrl-C held back: it never sees it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def died(worker):
    """Return the error that says which worker ended without its subtotal."""
    worker.join()
    return ChildProcessError(
        f"process {worker.pid} ended without a result, exit code {worker.exitcode}"
    )


def through_queue(context, counts):
    """Return the total that one worker for each count sends through one Queue."""
    results, waiting, total = context.Queue(), {}, 0
    for count in counts:
        worker = context.Process(target=count_up, args=(count, results.put))
        start(worker)
        waiting[worker.pid] = worker
    while waiting:
        dead = [worker for worker in waiting.values() if not worker.is_alive()]
        try:
            pid, subtotal = results.get(timeout=0.2)
        except queue.Empty:
            if dead:  # dead before the wait, and still nothing has come
                raise died(dead[0]) from None
        else:
            total += subtotal
            waiting.pop(pid).join()
    return total


def through_pipes(context, counts):
    """Return the total that one worker for each count sends through its own Pipe."""
    waiting, total = [], 0
    for count in counts:
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=count_up, args=(count, sender.send))
        start(worker)
        sender.close()  # now, before the next worker is forked and inherits it
        waiting.append((receiver, worker))
    for receiver, worker in waiting:
        try:
            total += receiver.recv()[1]
        except EOFError:  # the worker has ended: nobody else holds the sending end
            raise died(worker) from None
        worker.join()
        receiver.close()
    return total


def main(workers=WORKERS, total=5_000_000, runs=3, start_method=None):
    """Time the same total work for each number of workers and print a table.

    Args:
        workers (Sequence[int]): The numbers of workers to try.
        total (int): How far all workers together count.
        runs (int): How often to run each; the runs are taken in turn.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[tuple[int, str, int, float]]: Run, channel, number of workers and seconds.

    Raises:
        ChildProcessError: A worker ended without a result. None is left running.
        ArithmeticError: The workers did not count to the total.
    """
    context = multiprocessing.get_context(start_method)
    method = context.get_start_method()
    print(f"Counting to {total:,} in all, start method {method}, runs: {runs}", flush=True)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    rows, seconds = [], {}
    try:
        for run in range(1, runs + 1):
            for size in workers:
                counts = [total // size + (number < total % size) for number in range(size)]
                for channel, count in (("Queue", through_queue), ("Pipe", through_pipes)):
                    started = time.perf_counter()
                    counted = count(context, counts)
                    elapsed = time.perf_counter() - started
                    if counted != total:
                        raise ArithmeticError(f"{channel}, {size} workers: {counted:,}")
                    rows.append((run, channel, size, elapsed))
                    seconds.setdefault((channel, size), []).append(elapsed)
    finally:
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
            worker.kill()
            worker.join()
    print("         Queue, seconds          Pipe, seconds")
    print("workers  median    min    max    median    min    max")
    for size in workers:
        times = [seconds[channel, size] for channel in ("Queue", "Pipe")]
        cells = [f"{statistics.median(s):6.3f} {min(s):6.3f} {max(s):6.3f}" for s in times]
        print(f"{size:7}  {cells[0]}    {cells[1]}")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the same work with 1 to 100 workers.")
    parser.add_argument("--workers", default=",".join(map(str, WORKERS)), metavar="1,2,3")
    parser.add_argument("--total", type=int, default=5_000_000, help="how far all count")
    parser.add_argument("--runs", type=int, default=3, help="how often to run each")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--csv", metavar="FILE", help="write every single run to this file")
    args = parser.parse_args()
    try:
        sizes = list(dict.fromkeys(int(size) for size in args.workers.split(",")))
        if args.csv:
            open(args.csv, "a").close()  # if that fails, now and not after the run
    except ValueError:
        parser.error(f"argument --workers: {args.workers!r} is not like 1,2,3")
    except OSError as error:
        parser.error(f"argument --csv: {error}")
    if not all(1 <= size <= 100 for size in sizes):
        parser.error(f"argument --workers: {args.workers} are not all from 1 to 100")
    if args.total < 0:
        parser.error(f"argument --total: {args.total} is not 0 or more")
    if args.runs < 1:
        parser.error(f"argument --runs: {args.runs} is not 1 or more")
    try:
        result = main(sizes, args.total, args.runs, args.start_method)
    except (ChildProcessError, ArithmeticError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("run", "channel", "workers", "seconds"), *result])
