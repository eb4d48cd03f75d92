"""Kill a worker that is writing to a shared Queue: its lock stays locked and the rest hang.

python killed_holding_lock_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def answer(number, results):
    """Run in a worker: put one result, larger than the pipe under the queue can hold."""
    results.put((number, bytes(1_000_000)))


def main(start_method=None):
    """Return the number of the worker that answered, after the first one was killed."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=answer, args=(1, results), daemon=True)
    worker.start()
    while results.empty():  # until the first bytes come: now it writes, and holds the lock
        time.sleep(0.1)
    worker.kill()  # what the out-of-memory killer does
    worker.join()
    print("worker 1: killed", flush=True)
    # The same queue: worker 2 waits for the lock, the parent for the rest of a message.
    worker = context.Process(target=answer, args=(2, results), daemon=True)
    worker.start()
    number, data = results.get(timeout=10)  # in vain: bounds the wait for a message's start
    print(f"worker {number}: sent {len(data):,} bytes", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
