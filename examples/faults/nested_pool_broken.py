"""Start a Pool in a job of a Pool: the workers of a Pool are daemonic, and it raises.

python nested_pool_broken.py --start-method spawn
"""

import argparse
import multiprocessing


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
    with context.Pool(1) as pool:
        answer = pool.apply(squares, (4, start_method))
    print(f"from the inner pool: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
