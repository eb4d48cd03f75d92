"""Give a Queue to each worker of a Pool when it starts, through the initializer.

python queue_to_pool_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def begin(the_queue):
    """Run in each worker of the pool as it starts: keep the queue for the jobs."""
    global queue
    queue = the_queue


def work(number):
    """Run in a worker of the pool: put a square on the queue."""
    queue.put(number * number)


def main(start_method=None):
    """Return the squares that the workers have put on the queue."""
    context = multiprocessing.get_context(start_method)
    queue = context.Queue()
    with context.Pool(2, initializer=begin, initargs=(queue,)) as pool:
        pool.map(work, (1, 2, 3))
        squares = sorted(queue.get(timeout=10) for _ in range(3))
    print(f"squares: {squares}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
