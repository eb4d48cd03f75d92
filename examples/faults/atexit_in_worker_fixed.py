"""Save in a finally block: it runs in each worker that returns or fails.

python atexit_in_worker_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def save():
    """Save what the worker has found."""
    print("worker: saved", flush=True)


def work():
    """Run in the worker: do the work, and have it saved in the end."""
    try:
        print("worker: works", flush=True)
        time.sleep(0.05)  # the work
    finally:
        save()


def main(start_method=None):
    """Return the exit code of the worker."""
    worker = multiprocessing.get_context(start_method).Process(target=work)
    worker.start()
    worker.join()
    return worker.exitcode


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
