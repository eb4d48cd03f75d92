"""Fork, then ask for the stacks after a second: the worker can ask for its own.

python watchdog_fork_fixed.py --start-method fork
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
    worker.start()
    faulthandler.dump_traceback_later(1)
    worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
