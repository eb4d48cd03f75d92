"""Catch the Empty of an empty Queue by a name that isn't there: AttributeError.

python queue_empty_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def main(start_method=None):
    """Return a result, or None when there is none yet."""
    results = multiprocessing.get_context(start_method).Queue()
    try:
        result = results.get(timeout=0.1)
    except multiprocessing.Empty:
        result = None
    print(f"result: {result}", flush=True)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
