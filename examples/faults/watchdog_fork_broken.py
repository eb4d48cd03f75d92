"""Ask for the stacks after a second, then fork: the worker hangs where it asks for its own.

python watchdog_fork_broken.py --start-method fork
"""

import argparse
import faulthandler
import multiprocessing


def work():
    """Run in a worker."""
    faulthandler.dump_traceback_later(1)
    print("worker: at work", flush=True)


def main(start_method=None):
    """Start a worker, and wait for it."""
    worker = multiprocessing.get_context(start_method).Process(target=work)
    faulthandler.dump_traceback_later(1)
    worker.start()
    worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
