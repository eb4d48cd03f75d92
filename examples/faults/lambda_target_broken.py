"""Give a process a lambda as its target: only fork can start it, spawn and forkserver can't.

python lambda_target_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def main(start_method=None):
    """Return the worker's answer."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=lambda: results.put(42), daemon=True)
    worker.start()  # spawn and forkserver pickle the target, and pickle it by its name
    number = results.get(timeout=10)
    worker.join()
    print(f"answer: {number}", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
