"""Give a process a function of the module as its target: every start method can start it.

python lambda_target_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def answer(results):
    """Run in the worker: put the answer."""
    results.put(42)


def main(start_method=None):
    """Return the worker's answer."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=answer, args=(results,), daemon=True)
    worker.start()  # spawn and forkserver pickle the target, and pickle it by its name
    number = results.get(timeout=10)
    worker.join()
    print(f"answer: {number}", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
