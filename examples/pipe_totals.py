"""Count in several worker processes and collect their subtotals through one Pipe each.

python pipe_totals.py --workers 5 --count 100000000
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time


def count_up(count, sender):
    """Run in a worker: count one by one, then send the subtotal through its own pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    sender.send(subtotal)


def start(worker):
    """Start a worker with Ctrl-C held back: it never sees it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def receive(receiver, worker):
    """Return the worker's subtotal, unless it died before it sent one."""
    try:
        return receiver.recv()
    except EOFError:  # the worker has ended: nobody else holds the sending end
        worker.join()
        raise ChildProcessError(
            f"{worker.name} (process ID {worker.pid}) ended without a result, "
            f"exit code {worker.exitcode}"
        ) from None


def main(workers=5, count=100_000_000, start_method=None):
    """Count in worker processes and print each subtotal as it comes out of its pipe.

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
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    waiting = {}
    total = 0
    try:
        for number in range(1, workers + 1):
            receiver, sender = context.Pipe(duplex=False)
            worker = context.Process(
                target=count_up, args=(count, sender), name=f"Worker {number}"
            )
            start(worker)
            sender.close()  # now, before the next worker is forked and inherits it
            waiting[receiver] = worker
        while waiting:
            for receiver in multiprocessing.connection.wait(waiting):
                worker = waiting.pop(receiver)
                subtotal = receive(receiver, worker)  # first its result,
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
    parser = argparse.ArgumentParser(description="Count in workers, with a Pipe each.")
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
