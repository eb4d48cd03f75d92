"""One of two workers ends before it sends its result. Its Pipe tells the parent.

python one_dies_pipe.py
"""

import os
from multiprocessing import Pipe, Process


def work(number, sender):
    """Run in a worker. The first one ends at once, as if it were killed."""
    if number == 1:
        os._exit(1)
    sender.send((number, "done"))


if __name__ == "__main__":
    workers = []
    for number in (1, 2):
        receiver, sender = Pipe(duplex=False)
        worker = Process(target=work, args=(number, sender))
        worker.start()
        sender.close()
        workers.append((worker, receiver))
    for number, (worker, receiver) in enumerate(workers, 1):
        try:
            print(receiver.recv(), flush=True)
        except EOFError:
            print(f"EOFError: worker {number} has sent nothing", flush=True)
        worker.join()
