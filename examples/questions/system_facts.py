"""Print what differs between Linux, macOS and Windows: run it on the system that you want to know.

python system_facts.py
"""

import multiprocessing
import os
import platform
import select
import signal
import time
from multiprocessing import shared_memory


def worker_ended_by(method):
    """Start a worker, end it with one of its methods, and return its exit code."""
    worker = multiprocessing.Process(target=time.sleep, args=(600,))
    worker.start()
    getattr(worker, method)()
    worker.join()
    return worker.exitcode


def size_of_a_queue():
    """Return what qsize() says, or the name of its error."""
    queue = multiprocessing.Queue()
    try:
        return queue.qsize()
    except NotImplementedError:
        return "NotImplementedError"


def largest_maxsize():
    """Return the largest maxsize of a Queue."""
    smallest, too_many = 1, 2**64
    while too_many - smallest > 1:
        middle = (smallest + too_many) // 2
        try:
            multiprocessing.Semaphore(middle)
            smallest = middle
        except (OSError, OverflowError, ValueError):
            too_many = middle
    return smallest


def longest_name():
    """Return how long the name of shared memory may be, up to 300."""
    for length in range(300, 0, -1):
        try:
            memory = shared_memory.SharedMemory("x" * length, create=True, size=1)
        except OSError:
            continue
        memory.close()
        memory.unlink()
        return length
    return 0


def select_on_a_pipe():
    """Return whether select() takes an end of a Pipe."""
    here, there = multiprocessing.Pipe()
    try:
        select.select([here], [], [], 0)
    except (OSError, ValueError, TypeError) as error:
        return type(error).__name__
    finally:
        here.close()
        there.close()
    return "works"


def main():
    """Print the facts."""
    print(f"System: {platform.system()}")
    default, *others = multiprocessing.get_all_start_methods()
    print(f"Start methods: {', '.join([default + ' (default)', *others])}", flush=True)
    print(f"Exit code after terminate(): {worker_ended_by('terminate')}")
    print(f"Exit code after kill(): {worker_ended_by('kill')}")
    here, there = multiprocessing.Pipe()
    print(f"An end of a Pipe: {type(here).__name__}")
    here.close()
    there.close()
    print(f"select() on it: {select_on_a_pipe()}")
    print(f"qsize(): {size_of_a_queue()}")
    print(f"Largest maxsize: {largest_maxsize():,}")
    print(f"Longest name of shared memory: {longest_name()}")
    print(f"Signals: {len(signal.valid_signals())}, SIGKILL: {hasattr(signal, 'SIGKILL')}")
    print(f"os.sched_getaffinity(): {hasattr(os, 'sched_getaffinity')}")


if __name__ == "__main__":
    main()
