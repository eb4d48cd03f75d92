"""Append to a global list in workers: the list of the parent stays empty.

python global_not_shared_broken.py --start-method spawn
"""

import argparse
import multiprocessing

results = []


def work(number):
    """Run in a worker: append a square to the list."""
    results.append(number * number)


def main(start_method=None):
    """Return the squares that three workers have found."""
    context = multiprocessing.get_context(start_method)
    workers = []
    for number in (1, 2, 3):
        args = (number,)
        workers.append(context.Process(target=work, args=args, daemon=True))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"results: {sorted(results)}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
