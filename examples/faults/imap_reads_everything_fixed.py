"""Give imap() its input in batches: no more results wait than one batch has.

python imap_reads_everything_fixed.py --start-method spawn
"""

import argparse
import itertools
import multiprocessing
import time


def render(number):
    """Run in a worker: return a large result."""
    return bytes(100_000)


def numbered(count, taken):
    """Yield the numbers of the jobs, and note each one that is taken."""
    for number in range(count):
        taken.append(number)
        yield number


def in_batches(pool, numbers, size):
    """Yield the results of one batch after the other."""
    numbers = iter(numbers)  # a list would begin anew with each batch
    while batch := list(itertools.islice(numbers, size)):
        yield from pool.imap(render, batch)


def main(start_method=None):
    """Return how many inputs were taken while the first result was used."""
    taken = []
    numbers = numbered(500, taken)
    with multiprocessing.get_context(start_method).Pool(2) as pool:
        results = in_batches(pool, numbers, 10)
        next(results)
        time.sleep(0.5)  # use this result
        print(f"Taken: {len(taken):,}", flush=True)
    return len(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
