"""Count in five worker processes, and print their results in order, not as they come.

python in_order.py

If a worker dies first, the parent waits for ever: see one_dies.py.
"""

import time
from multiprocessing import Process, Queue

COUNT = 4_000_000


def count_up(number, results):
    """Run in a worker: count one by one, then put (number, result)."""
    subtotal = 0
    for _ in range(COUNT):
        subtotal += 1
    results.put((number, subtotal))


if __name__ == "__main__":
    started = time.perf_counter()
    results = Queue()
    workers = [Process(target=count_up, args=(n, results)) for n in range(1, 6)]
    for worker in workers:
        worker.start()
    subtotals = dict(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    for number in sorted(subtotals):
        print(f"Worker {number}: {subtotals[number]:,}")
    total = sum(subtotals.values())
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}")
