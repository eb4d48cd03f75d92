"""End a worker that uses a Queue with terminate(): the queue is dead for the next one too.

python terminate_worker_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def produce(number, results):
    """Run in a worker: put one result after another."""
    for _ in range(3):
        results.put((number, bytes(1_000_000)))


def main(start_method=None):
    """Return the numbers of the workers, in the order in which their first results came."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    seen = []
    for number in (1, 2):
        worker = context.Process(target=produce, args=(number, results), daemon=True)
        worker.start()
        seen.append(results.get(timeout=10)[0])
        print(f"worker {number}: a result came", flush=True)
        time.sleep(0.1)  # it goes on
        while worker.is_alive() and results.empty():  # until it writes, and holds the lock
            time.sleep(0.1)
        worker.terminate()
        worker.join()
        print(f"worker {number}: ended", flush=True)
    return seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
