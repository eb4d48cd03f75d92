"""Count in one worker process, and take its result off a Queue.

python one_worker.py

If a worker dies first, the parent waits for ever: see one_dies.py.
"""

from multiprocessing import Process, Queue

COUNT = 20_000_000


def count_up(results):
    """Run in the worker: count one by one, then put the result on the queue."""
    subtotal = 0
    for _ in range(COUNT):
        subtotal += 1
    results.put(subtotal)


if __name__ == "__main__":
    results = Queue()
    worker = Process(target=count_up, args=(results,))
    worker.start()
    total = results.get()
    worker.join()
    print(f"Total: {total:,}")
