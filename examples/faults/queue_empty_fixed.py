"""Catch the Empty of an empty Queue by its name in the module queue.

python queue_empty_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import queue


def main(start_method=None):
    """Return a result, or None when there is none yet."""
    results = multiprocessing.get_context(start_method).Queue()
    try:
        result = results.get(timeout=0.1)
    except queue.Empty:
        result = None
    print(f"result: {result}", flush=True)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
