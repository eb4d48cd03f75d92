"""Save with atexit in a worker: up to Python 3.12 nobody calls it under fork and forkserver.

python atexit_in_worker_broken.py --start-method spawn
"""

import argparse
import atexit
import multiprocessing
import time


def save():
    """Save what the worker has found."""
    print("worker: saved", flush=True)


def work():
    """Run in the worker: do the work, and have it saved in the end."""
    atexit.register(save)
    print("worker: works", flush=True)
    time.sleep(0.05)  # the work


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
