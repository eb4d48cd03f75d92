"""One of two workers ends before it puts its result. This program hangs.

python one_dies.py
"""

import os
from multiprocessing import Process, Queue


def work(number, results):
    """Run in a worker. The first one ends at once, as if it were killed."""
    if number == 1:
        os._exit(1)
    results.put((number, "done"))


if __name__ == "__main__":
    results = Queue()
    workers = [Process(target=work, args=(number, results)) for number in (1, 2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        print(results.get(), flush=True)
    for worker in workers:
        worker.join()
