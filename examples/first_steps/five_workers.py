"""Count in five worker processes, and take their results off one Queue.

python five_workers.py

If a worker dies first, the parent waits for ever: see one_dies.py.
"""

import time
from multiprocessing import Process, Queue

COUNT = 100_000_000


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
    total = 0
    for _ in workers:
        number, subtotal = results.get()
        print(f"Worker {number}: {subtotal:,}", flush=True)
        total += subtotal
    for worker in workers:
        worker.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}")
