"""Take results off a Queue until it says that it is empty: the rest are lost.

python trust_empty_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time

COUNT = 100


def square_all(results):
    """Run in the worker: put every square on the queue, one by one."""
    for number in range(COUNT):
        time.sleep(0.002)  # the work for one result
        results.put(number * number)


def main(start_method=None):
    """Return the number of results taken."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=square_all, args=(results,), daemon=True)
    worker.start()
    taken = []
    while not results.empty():  # empty now, not for ever: the next one is on its way
        taken.append(results.get(timeout=10))
    worker.join()
    print(f"results taken: {len(taken)} of {COUNT}", flush=True)
    return len(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
