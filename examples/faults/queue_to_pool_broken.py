"""Give a Queue to the jobs of a Pool as an argument: it can't be pickled, and starmap() raises.

python queue_to_pool_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def work(number, queue):
    """Run in a worker of the pool: put a square on the queue."""
    queue.put(number * number)


def main(start_method=None):
    """Return the squares that the workers have put on the queue."""
    context = multiprocessing.get_context(start_method)
    queue = context.Queue()
    with context.Pool(2) as pool:
        pool.starmap(work, [(number, queue) for number in (1, 2, 3)])
        squares = sorted(queue.get(timeout=10) for _ in range(3))
    print(f"squares: {squares}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
