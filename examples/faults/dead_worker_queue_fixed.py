"""Wait on a Queue, and look whether a worker died that owes a result: the parent reports it.

python dead_worker_queue_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import queue
import sys


def square(number, results):
    """Run in a worker: put (number, its square) on the queue."""
    if number == 2:
        os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends
    results.put((number, number * number))


def main(start_method=None):
    """Return {number: its square}, one from each worker."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    waiting = {}
    for number in (1, 2, 3):
        worker = context.Process(target=square, args=(number, results), daemon=True)
        worker.start()
        waiting[number] = worker
    print("parent: wait for 3 results", flush=True)
    squares = {}
    while waiting:
        dead = [number for number in waiting if not waiting[number].is_alive()]
        try:
            number, squares[number] = results.get(timeout=0.2)
        except queue.Empty:
            for number in dead:  # dead before the wait, and still nothing has come
                code = waiting[number].exitcode
                raise ChildProcessError(f"worker {number} died, exit code {code}") from None
            continue
        waiting.pop(number).join()
    print(f"results: {len(squares)} of 3", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
