"""Find the size of a result from which join() before get() hangs, by trying sizes.

python join_before_get_size.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def answer(size, results, begun):
    """Run in a worker: put one result of that many bytes."""
    begun.release()
    results.put(bytes(size))


def ends(size, number, context, patience):
    """Return whether that many workers end while nobody takes their results."""
    results = context.Queue()
    begun = context.Semaphore(0)
    workers = []
    started = time.monotonic()
    for _ in range(number):
        worker = context.Process(target=answer, args=(size, results, begun), daemon=True)
        worker.start()
        workers.append(worker)
    for _ in workers:
        begun.acquire(timeout=10)
    patience = max(patience, time.monotonic() - started)  # a slow machine is no hang
    ended = True
    for worker in workers:
        worker.join(patience if ended else 0)
        ended = ended and not worker.is_alive()
        worker.kill()
    for worker in workers:
        worker.join()
    return ended


def largest(number, context):
    """Return the largest size with which join() returns, by bisection."""
    low, hung = 0, [2**17 // number]
    while True:
        while hung[-1] - low > 1:
            middle = (low + hung[-1]) // 2
            if ends(middle, number, context, patience=0.1):
                low = middle
            else:
                hung.append(middle)
        if not ends(hung[-1], number, context, patience=0.5):
            return low
        low = hung.pop()  # it was only slow: go on above it


def main(start_method=None):
    """Return {number of workers: largest size of one result in bytes} for 1 and 5 workers."""
    context = multiprocessing.get_context(start_method)
    sizes = {}
    for number in (1, 5):
        sizes[number] = largest(number, context)
        print(
            f"workers: {number}, join() returns up to {sizes[number]:,} bytes each, "
            f"hangs from {sizes[number] + 1:,}",
            flush=True,
        )
    return sizes


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
