"""Count in one process, one count after the other: the yardstick for the other two.

python serial_total.py --workers 5 --count 100000000
"""

import argparse
import multiprocessing
import os
import sys
import time


def count_up(count):
    """Count to `count`, one by one, and return the subtotal (int)."""
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    return subtotal


def main(workers=5, count=100_000_000):
    """Do the work of several workers in this process, one after the other.

    Args:
        workers (int): How many counts to do.
        count (int): How far each of them counts.

    Returns:
        int: The total of all subtotals.
    """
    pid, name = os.getpid(), multiprocessing.current_process().name
    print(f"Parent process ID: {pid}", flush=True)
    total = 0
    started = time.perf_counter()
    for _ in range(workers):
        subtotal = count_up(count)
        total += subtotal
        print(f"Process ID: {pid}, name: {name}, subtotal: {subtotal:,}", flush=True)
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in one process.")
    parser.add_argument("--workers", type=int, default=5, help="how many counts, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    try:
        main(args.workers, args.count)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
