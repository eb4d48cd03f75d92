"""Get from a worker process what its function returns, or the exception that it raises.

python return_value.py --start-method spawn
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square_root(number):
    """Run in a worker: return the whole square root of a number."""
    if number < 0:
        raise ValueError(f"{number} has no square root")
    return int(number**0.5)


def main(start_method=None):
    """Print a result and an exception of a worker; return the result."""
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(mp_context=context) as executor:
        good = executor.submit(square_root, 144)
        bad = executor.submit(square_root, -1)
        print(f"result: {good.result()}")  # it waits for the worker
        try:
            bad.result()
        except ValueError as error:
            print(f"exception: {type(error).__name__}: {error}")
    return good.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
