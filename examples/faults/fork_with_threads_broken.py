"""Fork while a thread holds a lock: in the worker it stays locked for ever.

python fork_with_threads_broken.py --start-method fork
"""

import argparse
import multiprocessing
import threading
import time

lock = threading.Lock()  # stands for a lock of a library: of a cache, a pool of threads


def hold(held):
    """Run in a thread of the parent: hold the lock for a moment."""
    with lock:
        held.set()
        time.sleep(0.2)


def work():
    """Run in a worker: do something for which the lock is needed."""
    with lock:
        print("worker: done", flush=True)


def main(start_method=None):
    """Start a thread and a worker, and wait for both."""
    context = multiprocessing.get_context(start_method)
    worker = context.Process(target=work, daemon=True)
    held = threading.Event()
    thread = threading.Thread(target=hold, args=(held,))
    thread.start()
    held.wait()
    worker.start()
    thread.join()
    print("thread: done", flush=True)
    worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
