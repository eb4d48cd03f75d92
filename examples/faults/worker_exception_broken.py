"""Let an exception end the worker: it goes to stderr, and the parent waits for ever.

python worker_exception_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def divide(number, results):
    """Run in the worker: put what 100 is divided by the number."""
    results.put(100 // number)


def main(start_method=None):
    """Return what 100 is divided by 0, if the worker can tell."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    print("parent: wait for the answer", flush=True)
    worker = context.Process(target=divide, args=(0, results), daemon=True)
    worker.start()
    answer = results.get()
    worker.join()
    print(f"answer: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
