"""Kill a worker of a ProcessPoolExecutor while it has a job: map() raises BrokenProcessPool.

python pool_killed_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def square(number):
    """Run in a worker: return the square."""
    if number == 2:
        os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends
    return number * number


def main(start_method=None):
    """Return the squares of three numbers."""
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print("parent: wait for 3 squares", flush=True)
        squares = list(pool.map(square, [1, 2, 3]))
    print(f"squares: {squares}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except BrokenProcessPool as error:
        sys.exit(f"BrokenProcessPool: {error}")
