"""Wait on a Queue for the result of a worker that was killed: the parent waits for ever.

python dead_worker_queue_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import os
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
        number, squares[number] = results.get()
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
