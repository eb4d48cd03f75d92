"""Seed the generator anew in each worker: each one draws numbers of its own.

python same_random_numbers_fixed.py --start-method fork
"""

import argparse
import multiprocessing
import random

GENERATOR = random.Random()


def draw(number, results):
    """Run in a worker: put a random number on the queue."""
    GENERATOR.seed()  # from the randomness of the system
    results.put((number, GENERATOR.randrange(1_000_000)))


def main(start_method=None):
    """Return how many different numbers three workers have drawn."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    workers = [context.Process(target=draw, args=(n, results)) for n in (1, 2, 3)]
    for worker in workers:
        worker.start()
    drawn = dict(results.get(timeout=30) for _ in workers)
    for worker in workers:
        worker.join()
    for number, value in sorted(drawn.items()):
        print(f"worker {number}: drew {value}", flush=True)
    different = len(set(drawn.values()))
    print(f"different numbers: {different} of 3", flush=True)
    return different


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
