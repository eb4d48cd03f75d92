"""Only read a list that the parent has made: a forked worker gets a copy of it all the same.

python copy_on_write_broken.py --start-method fork
"""

import argparse
import multiprocessing

NUMBERS = [float(number) for number in range(1_000_000)]


def own_memory():
    """Return how much memory this process shares with no other, in KiB (on Linux)."""
    with open("/proc/self/smaps_rollup") as file:
        lines = [line.split() for line in file if line.startswith("Private_")]
    return sum(int(kib) for _, kib, _ in lines)


def add(results):
    """Run in the worker: add the numbers up, and change none of them."""
    before = own_memory()
    total = sum(NUMBERS)
    results.put((total, before, own_memory()))


def main(start_method=None):
    """Return how much memory of its own the worker had before and after it has read."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=add, args=(results,))
    worker.start()
    total, before, after = results.get(timeout=30)
    worker.join()
    print(f"sum of the numbers: {total:,.0f}", flush=True)
    print(f"Before: {before / 1024:.0f} MiB", flush=True)
    print(f"After: {after / 1024:.0f} MiB", flush=True)
    print(f"Copied: {max(after - before, 0) // 1024} MiB", flush=True)
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
