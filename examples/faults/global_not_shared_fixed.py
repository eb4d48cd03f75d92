"""Put what a worker has found on a Queue: the parent takes it off.

python global_not_shared_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def work(number, queue):
    """Run in a worker: put a square on the queue."""
    queue.put(number * number)


def main(start_method=None):
    """Return the squares that three workers have found."""
    context = multiprocessing.get_context(start_method)
    queue = context.Queue()
    workers = []
    for number in (1, 2, 3):
        args = (number, queue)
        workers.append(context.Process(target=work, args=args, daemon=True))
    for worker in workers:
        worker.start()
    results = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    print(f"results: {sorted(results)}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
