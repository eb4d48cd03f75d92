"""Hold the lock of a shared Value around +=: no count is lost.

python value_increment_fixed.py --start-method spawn
"""

import argparse
import multiprocessing

COUNT = 50_000


def work(counter, together):
    """Run in a worker: count, when all workers are there."""
    together.wait(timeout=60)
    for _ in range(COUNT):
        with counter.get_lock():  # from the read to the write
            counter.value += 1


def main(start_method=None):
    """Return what four workers have counted to together."""
    context = multiprocessing.get_context(start_method)
    counter, together = context.Value("i", 0), context.Barrier(4)
    args = (counter, together)
    workers = [context.Process(target=work, args=args, daemon=True) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"counted: {counter.value:,} of {4 * COUNT:,}", flush=True)
    return counter.value


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
