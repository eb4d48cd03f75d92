"""Count five times in one loop, in threads, in subinterpreters and in processes, and time each.

python five_ways.py --count 10000000
"""

import argparse
import concurrent.futures
import sys
import time

WORKERS = 5


def count_up(count):
    """Count one by one, and return how far it came."""
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    return subtotal


def count_in_one_loop(count):
    """Count five times, one after the other."""
    return sum(map(count_up, [count] * WORKERS))


def count_in(executor, count):
    """Count in five workers of an executor."""
    with executor(WORKERS) as workers:
        return sum(workers.map(count_up, [count] * WORKERS))


def report(way, count, work, *args):
    """Time one way to count, and check what comes out."""
    started = time.perf_counter()
    total = work(*args, count)
    seconds = time.perf_counter() - started
    assert total == WORKERS * count, total
    print(f"{way}: {seconds:.2f} s", flush=True)


def main(count=10_000_000):
    """Count in each way that this Python has."""
    lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Global interpreter lock: {'yes' if lock else 'no'}", flush=True)
    report("Loop", count, count_in_one_loop)
    report("Threads", count, count_in, concurrent.futures.ThreadPoolExecutor)
    if hasattr(concurrent.futures, "InterpreterPoolExecutor"):
        report("Interpreters", count, count_in, concurrent.futures.InterpreterPoolExecutor)
    else:
        print("Interpreters: none")
    report("Processes", count, count_in, concurrent.futures.ProcessPoolExecutor)
    print(f"Total: {WORKERS * count:,} each time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000_000, help="how far each counts")
    main(parser.parse_args().count)
