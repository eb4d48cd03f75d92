"""Replace the worker of a Pool after every three tasks.

python max_tasks_fixed.py --start-method forkserver
"""

import argparse
import multiprocessing


def square(number):
    """Run in a worker."""
    return number * number


def main(start_method):
    """Give a dozen tasks to a pool of one worker."""
    context = multiprocessing.get_context(start_method)
    with context.Pool(1, maxtasksperchild=3) as pool:
        for result in pool.imap(square, range(12)):
            print("result:", result, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    methods = multiprocessing.get_all_start_methods()
    parser.add_argument("--start-method", choices=methods, default="spawn")
    main(parser.parse_args().start_method)
