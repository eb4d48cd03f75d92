"""Change things in the parent after its first worker, and see which of them a second worker has.

python inherited.py --start-method forkserver
"""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile

setting = "as imported"


def report(number, inode):
    """Run in a worker: print what it has of the changes in the parent."""
    try:
        file = "open" if os.fstat(number).st_ino == inode else "not there"
    except OSError:
        file = "not there"
    blocked = signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    print(f"Global variable: {setting}")
    print(f"Open file: {file}")
    print(f"Environment variable: {os.environ.get('SETTING', 'not there')}")
    print(f"Blocked signal: {'blocked' if blocked else 'not blocked'}")
    print(f"Working directory: {'changed' if os.getcwd() == os.sep else 'as before'}")
    print(f"sys.path: {'changed' if 'somewhere' in sys.path else 'as before'}", flush=True)


def do_nothing():
    """Run in the first worker."""


def run(worker):
    """Start a worker, and wait for its end."""
    worker.start()
    worker.join()


def main(start_method=None):
    """Start a worker, change some things, and start another."""
    global setting
    if sys.platform == "win32":
        sys.exit("Windows can't block signals")
    context = multiprocessing.get_context(start_method)
    run(context.Process(target=do_nothing))  # under forkserver the server begins here
    setting = "changed"
    os.environ["SETTING"] = "changed"
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    sys.path.append("somewhere")
    with tempfile.TemporaryFile() as file:
        os.chdir(os.sep)
        inode = os.fstat(file.fileno()).st_ino
        run(context.Process(target=report, args=(file.fileno(), inode)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
