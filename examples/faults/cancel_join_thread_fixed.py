"""Take the results, then join the worker: all of them are there.

python cancel_join_thread_fixed.py --start-method spawn
"""

import argparse
import contextlib
import multiprocessing
import queue

COUNT = 20_000


def square_all(squares):
    """Run in the worker: put every square on the queue, one by one."""
    for number in range(COUNT):
        squares.put(number * number)


def take(squares):
    """Return what comes, until there are all or nothing has come for two seconds."""
    results = []
    with contextlib.suppress(queue.Empty):
        while len(results) < COUNT:
            results.append(squares.get(timeout=2))
    return results


def main(start_method=None):
    """Return what arrives of what the worker puts on the queue."""
    context = multiprocessing.get_context(start_method)
    squares = context.Queue()
    worker = context.Process(target=square_all, args=(squares,), daemon=True)
    worker.start()
    results = take(squares)
    worker.join()
    print(f"exit code {worker.exitcode}, results: {len(results):,} of {COUNT:,}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
