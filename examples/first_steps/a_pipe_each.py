"""Count in five worker processes, and receive each result through its own Pipe.

python a_pipe_each.py

If a worker dies before it sends its result, recv() raises EOFError: the program
ends. pipe_totals.py says who died, and takes results in the order they come.
"""

import time
from multiprocessing import Pipe, Process

COUNT = 100_000_000


def count_up(sender):
    """Run in a worker: count one by one, then send the result."""
    subtotal = 0
    for _ in range(COUNT):
        subtotal += 1
    sender.send(subtotal)


if __name__ == "__main__":
    started = time.perf_counter()
    workers = []
    for _ in range(5):
        receiver, sender = Pipe(duplex=False)
        worker = Process(target=count_up, args=(sender,))
        worker.start()
        sender.close()
        workers.append((worker, receiver))
    total = 0
    for number, (worker, receiver) in enumerate(workers, 1):
        subtotal = receiver.recv()
        print(f"Worker {number}: {subtotal:,}", flush=True)
        total += subtotal
        worker.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}")
