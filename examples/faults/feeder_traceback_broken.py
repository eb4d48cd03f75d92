"""Put what can't be pickled on a Queue, and go on: a thread prints a traceback, and all wait.

python feeder_traceback_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def squares(limit, results, tasks):
    """Run in the worker: hand the squares over as a generator, which can't be pickled."""
    try:
        results.put(number * number for number in range(limit))  # pickled later, in a thread
    except Exception as error:
        results.put(f"{type(error).__name__}: {error}")
    tasks.get()  # the worker goes on: it waits for the next task


def main(start_method=None):
    """Return the squares that the worker hands over."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    tasks = context.SimpleQueue()
    print("parent: wait for the answer", flush=True)
    worker = context.Process(target=squares, args=(3, results, tasks), daemon=True)
    worker.start()
    answer = results.get()
    tasks.put(None)
    worker.join()
    print(f"from the worker: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
