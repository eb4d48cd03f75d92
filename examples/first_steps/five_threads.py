"""Do the same counting in one loop, in five threads, and in five processes, and time each.

python five_threads.py
"""

import time
from multiprocessing import Process
from threading import Thread

COUNT = 5_000_000


def count_up(times):
    """Count one by one."""
    count = times * COUNT
    while count:
        count -= 1


def run(kind):
    """Count in five threads or processes at once."""
    workers = [kind(target=count_up, args=(1,)) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def report(what, work, *args):
    """Print how long a piece of work takes."""
    started = time.perf_counter()
    work(*args)
    print(f"{what}: {time.perf_counter() - started:.2f} s", flush=True)


if __name__ == "__main__":
    report("One loop", count_up, 5)
    report("Five threads", run, Thread)
    report("Five processes", run, Process)
