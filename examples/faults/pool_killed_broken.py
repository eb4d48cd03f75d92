"""Kill a worker of a Pool while it has a job: the job is lost, and map() waits for ever.

python pool_killed_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures.process import BrokenProcessPool


def square(number):
    """Run in a worker: return the square."""
    if number == 2:
        os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends
    return number * number


def main(start_method=None):
    """Return the squares of three numbers."""
    context = multiprocessing.get_context(start_method)
    with context.Pool(2) as pool:
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
