"""Block Ctrl-C, start a worker, and see whether Ctrl-C is still blocked.

python ctrl_c_unblocked.py --start-method spawn
"""

import argparse
import multiprocessing
import signal
import sys


def work():
    """Run in a worker: it does nothing."""


def main(start_method=None):
    """Start a worker while Ctrl-C is blocked, and look at what is blocked then."""
    if sys.platform == "win32":
        sys.exit("Windows can't block signals")
    context = multiprocessing.get_context(start_method)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker = context.Process(target=work)
    worker.start()  # with the first worker begins the resource tracker
    worker.join()
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    print(f"Ctrl-C is {'still' if blocked else 'no longer'} blocked", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
