"""Start a thread while the module is imported, and see whether a worker gets the lock that it holds.

python thread_at_import.py --start-method forkserver
"""

import argparse
import multiprocessing
import threading
import time

lock = threading.Lock()


def hold(held):
    """Run in a thread: hold the lock for a moment."""
    with lock:
        held.set()
        time.sleep(0.5)


held = threading.Event()
threading.Thread(target=hold, args=(held,)).start()  # wherever this module is imported
held.wait()


def work():
    """Run in a worker: do something for which the lock is needed."""
    with lock:
        print("worker: got the lock", flush=True)


def main(start_method=None):
    """Start a worker, and wait for it."""
    context = multiprocessing.get_context(start_method)
    worker = context.Process(target=work, daemon=True)
    worker.start()
    worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
