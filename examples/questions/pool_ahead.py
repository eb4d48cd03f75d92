"""See how many inputs a pool takes before it gives its first result, and limit that.

python pool_ahead.py --start-method spawn
"""

import argparse
import collections
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

INPUTS, AHEAD = 1000, 4


def square(number):
    """Run in a worker: return the square. The first one takes a while."""
    if number == 0:
        time.sleep(0.3)
    return number * number


def map_ahead(executor, function, inputs, ahead):
    """Yield results in order, with no more than some inputs ahead: Executor.map() for a stream."""
    futures = collections.deque()
    for one in inputs:
        futures.append(executor.submit(function, one))
        if len(futures) > ahead:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def taken(call, *arguments, **options):
    """Return how many inputs a call takes before it gives its first result."""
    numbers = iter(range(INPUTS))
    results = iter(call(*arguments, square, numbers, **options))
    next(results)
    return INPUTS - sum(1 for _ in numbers)


def main(start_method=None):
    """Print how many inputs each way takes."""
    context = multiprocessing.get_context(start_method)
    print(f"Taken of {INPUTS:,} inputs before the first result:", flush=True)
    with context.Pool(2) as pool:
        print(f"Pool.imap(): {taken(pool.imap):,}", flush=True)
    with ProcessPoolExecutor(2, context) as executor:
        print(f"Executor.map(): {taken(executor.map):,}")
        try:
            print(f"Executor.map(buffersize={AHEAD}): {taken(executor.map, buffersize=AHEAD)}")
        except TypeError:
            print(
                f"Executor.map(buffersize={AHEAD}): not in this Python; 3.14 and newer have it"
            )
        print(f"map_ahead(): {taken(map_ahead, executor, ahead=AHEAD)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
