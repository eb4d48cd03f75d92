"""Start a Pool in a job of a ProcessPoolExecutor, whose workers may have processes of their own.

python nested_pool_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square(number):
    """Run in a worker of the inner pool."""
    return number * number


def squares(limit, start_method):
    """Run in a worker of the outer pool: let a pool of its own do the work."""
    with multiprocessing.get_context(start_method).Pool(2) as pool:
        return pool.map(square, range(limit))


def main(start_method=None):
    """Return what comes from the inner pool."""
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        answer = pool.submit(squares, 4, start_method).result()
    print(f"from the inner pool: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
