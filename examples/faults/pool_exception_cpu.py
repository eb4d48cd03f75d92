"""Wait for a Pool whose results nobody takes any more: the parent uses a core while it waits.

python pool_exception_cpu.py --start-method spawn
"""

import argparse
import multiprocessing
import threading
import time


class Refused(Exception):
    """A job was refused, for a reason."""

    def __init__(self, number, reason):
        super().__init__(f"job {number}: {reason}")  # pickle keeps this one argument


def check(number):
    """Run in the worker: refuse the first of several jobs."""
    if number == 1:
        raise Refused(number, "not today")
    return number


def say(hook):
    """Say in one line, not with a traceback, what has ended a thread."""
    print(f"{hook.thread.name}: {hook.exc_value}", flush=True)


def main(start_method=None):
    """Return how much processor time the parent has used while it waited for 1 s."""
    used = 0
    threading.excepthook = say
    try:
        with multiprocessing.get_context(start_method).Pool(1) as pool:
            answer = pool.map_async(check, [1, 2, 3])
            while any("_handle_results" in thread.name for thread in threading.enumerate()):
                time.sleep(0.01)  # until the exception has ended this thread
            before = time.process_time()
            answer.wait(timeout=1)
            used = time.process_time() - before
            print(f"Used: {used:.2f} s", flush=True)
    except AssertionError as error:
        print(f"AssertionError: {error}", flush=True)
    return used


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
