"""Put a copy of an object that will change: what arrives is what was put.

python mutate_after_put_fixed.py --start-method spawn
"""

import argparse
import multiprocessing

COUNT = 1_000


def produce(results):
    """Run in the worker: put rows of one number, and use each row again at once."""
    for number in range(COUNT):
        row = [number]
        results.put(row.copy())  # pickled later, in a thread, but nobody changes the copy
        row.append("changed")


def main(start_method=None):
    """Return how many rows arrived changed."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=produce, args=(results,), daemon=True)
    worker.start()
    changed = 0
    for number in range(COUNT):
        changed += results.get(timeout=10) != [number]
    worker.join()
    print(f"changed on the way: {changed} of {COUNT}", flush=True)
    return changed


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
