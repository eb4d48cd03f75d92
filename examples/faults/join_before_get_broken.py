"""Join the worker, then take its results off the Queue: the parent waits for ever.

python join_before_get_broken.py --start-method spawn
"""

import argparse
import multiprocessing

COUNT = 20_000


def square_all(results):
    """Run in the worker: put every square on the queue, one by one."""
    for number in range(COUNT):
        results.put(number * number)


def main(start_method=None):
    """Return the sum of what the worker puts on the queue."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=square_all, args=(results,), daemon=True)
    worker.start()
    print("parent: join the worker", flush=True)
    worker.join()  # it can't end: the rest of its results finds no room in the pipe
    print("parent: take the results", flush=True)
    total = sum(results.get(timeout=10) for _ in range(COUNT))
    print(f"total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
