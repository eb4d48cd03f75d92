"""Replace the worker of an executor after every three tasks. Older releases end it, and start no other.

python max_tasks_broken.py --start-method forkserver
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square(number):
    """Run in a worker."""
    return number * number


def main(start_method):
    """Give a dozen tasks to a pool of one worker."""
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(1, context, max_tasks_per_child=3) as pool:
        for result in pool.map(square, range(12)):
            print("result:", result, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    methods = multiprocessing.get_all_start_methods()
    parser.add_argument("--start-method", choices=methods, default="spawn")
    main(parser.parse_args().start_method)
