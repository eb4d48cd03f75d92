"""Raise an exception that can't be rebuilt in a Pool: map() waits for ever.

python pool_exception_broken.py --start-method spawn
"""

import argparse
import multiprocessing


class Refused(Exception):
    """A job was refused, for a reason."""

    def __init__(self, number, reason):
        super().__init__(f"job {number}: {reason}")  # pickle keeps this one argument


def check(number):
    """Run in the worker: refuse job 3."""
    if number == 3:
        raise Refused(number, "not today")
    return number


def main(start_method=None):
    """Return the results of the jobs, or why there are none."""
    with multiprocessing.get_context(start_method).Pool(1) as pool:
        print("parent: wait for the results of 3 jobs", flush=True)
        try:
            answer = pool.map(check, [1, 2, 3])
        except Refused as error:
            answer = f"{type(error).__name__} {error}"
    print(f"from the Pool: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
