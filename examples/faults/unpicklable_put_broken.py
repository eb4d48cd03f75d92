"""Put what can't be pickled on a Queue: put() says nothing, and the parent waits for ever.

python unpicklable_put_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def squares(limit, results):
    """Run in the worker: hand the squares over as a generator, which can't be pickled."""
    try:
        results.put(number * number for number in range(limit))  # pickled later, in a thread
    except Exception as error:
        results.put(f"{type(error).__name__}: {error}")


def main(start_method=None):
    """Return the squares that the worker hands over."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    print("parent: wait for the answer", flush=True)
    worker = context.Process(target=squares, args=(3, results), daemon=True)
    worker.start()
    answer = results.get()
    worker.join()
    print(f"from the worker: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
