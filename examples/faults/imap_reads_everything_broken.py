"""Use the results of imap() slowly: its workers don't wait, and the results fill the memory.

python imap_reads_everything_broken.py --start-method spawn
"""

import argparse
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


def main(start_method=None):
    """Return how many inputs were taken while the first result was used."""
    taken = []
    numbers = numbered(500, taken)
    with multiprocessing.get_context(start_method).Pool(2) as pool:
        results = pool.imap(render, numbers)
        next(results)
        time.sleep(0.5)  # use this result
        print(f"Taken: {len(taken):,}", flush=True)
    return len(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
