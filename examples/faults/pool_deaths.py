"""End a worker in several ways while it has a job, and see what its pool says.

python pool_deaths.py --start-method spawn
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import sys


class Refused(Exception):
    """An exception that can't be rebuilt: pickle keeps one argument of two."""

    def __init__(self, number, reason):
        super().__init__(f"job {number}: {reason}")


def job(how):
    """Run in a worker: raise an error, or end the worker."""
    if how == "ValueError":
        raise ValueError("no")
    if how == "Refused":
        raise Refused(1, "no")
    if how == "sys.exit(3)":
        sys.exit(3)
    if how == "os._exit(3)":
        os._exit(3)
    os.kill(os.getpid(), 9)


def with_pool(how, context):
    """Return what comes from a Pool."""
    with context.Pool(1) as pool:
        pool.apply(abs, (1,))  # now its worker runs
        try:
            pool.apply_async(job, (how,)).get(timeout=1)
        except multiprocessing.TimeoutError:
            return "no answer"
        except Exception as error:
            return type(error).__name__


def with_executor(how, context):
    """Return what comes from a ProcessPoolExecutor."""
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        try:
            executor.submit(job, how).result(timeout=30)
        except (Exception, SystemExit) as error:
            return type(error).__name__


def main(start_method=None):
    """Return what came of each way: (way, Pool, ProcessPoolExecutor)."""
    context = multiprocessing.get_context(start_method)
    found = []
    for how in ("ValueError", "sys.exit(3)", "os._exit(3)", "SIGKILL"):
        answers = with_pool(how, context), with_executor(how, context)
        print(f"{how}: Pool: {answers[0]}, executor: {answers[1]}", flush=True)
        found.append((how, *answers))
    found.append(("Refused", "", with_executor("Refused", context)))
    print(f"an exception that can't be rebuilt: executor: {found[-1][2]}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
