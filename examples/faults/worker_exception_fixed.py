"""Carry a worker's exception to the parent, with its traceback, and raise it there.

python worker_exception_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import pickle
import traceback


def portable(error):
    """Return the exception, with its traceback as a note, fit to be put on a queue."""
    error.add_note("In the worker:\n" + traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # not every exception survives this
    except Exception:
        error = RuntimeError(traceback.format_exc())
    return error


def divide(number, results):
    """Run in the worker: put what 100 is divided by the number."""
    try:
        results.put(100 // number)
    except Exception as error:
        results.put(portable(error))


def main(start_method=None):
    """Return what 100 is divided by 0, if the worker can tell."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    print("parent: wait for the answer", flush=True)
    worker = context.Process(target=divide, args=(0, results), daemon=True)
    worker.start()
    answer = results.get(timeout=10)  # a killed worker can't report: see dead_worker
    worker.join()
    if isinstance(answer, Exception):
        raise answer
    print(f"answer: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
