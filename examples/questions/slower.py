"""Measure when worker processes pay: the same tasks in one process and in workers.

python slower.py --start-method spawn

Two tables. The first has tasks from short to long: one to a message, then 25 to a message. The
second has tasks of one length whose argument grows. The workers have started before. A time is
that of the fastest round, as what else the machine does only slows it down. A speed is how many
times as fast the workers were as one process.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

COUNTS = (10, 100, 1_000, 10_000, 100_000)
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # bytes
CHUNK = 25


def count_up(count, data=b""):
    """Do one task: count one by one. The data are there to be carried."""
    for _ in range(count):
        pass
    return len(data)


def elapsed(call, *args):
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call(*args)
    return time.perf_counter() - started


def compare(ways, tasks, rounds):
    """Return the microseconds for a task in the fastest round of each way; they take turns."""
    found = [[elapsed(way, *tasks) for way in ways] for _ in range(rounds)]
    return [1e6 * min(times) / len(tasks[0]) for times in zip(*found, strict=True)]


def crossing(sizes, speeds):
    """Return the size at which the speed first gets to 1, between two that were measured."""
    points = zip(sizes, speeds, strict=True)
    for (size, speed), (next_size, next_speed) in itertools.pairwise(points):
        if speed < 1 <= next_speed:
            part = math.log(speed) / math.log(speed / next_speed)
            return size * (next_size / size) ** part
    return None


def with_unit(value, units):
    """Return a number with two digits and the unit that fits."""
    if value is None:
        return "none found"
    power = min(len(units) - 1, max(0, int(math.log10(value) // 3)))
    return f"{float(f'{value / 1000**power:.2g}'):g} {units[power]}"


def main(tasks=100, rounds=6, start_method=None):
    """Measure and print both tables, and where the workers are as fast as one process."""
    context = multiprocessing.get_context(start_method)
    affinity = getattr(os, "sched_getaffinity", None)
    workers = len(affinity(0)) if affinity else os.cpu_count() or 2
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        start = elapsed(lambda: list(executor.map(count_up, [0] * workers)))

        def alone(*tasks):
            list(map(count_up, *tasks))

        def one_by_one(*tasks):
            list(executor.map(count_up, *tasks))

        def in_chunks(*tasks):
            list(executor.map(count_up, *tasks, chunksize=CHUNK))

        print(f"Workers: {workers}, start method {context.get_start_method()}")
        print(f"Their start: {1000 * start:.0f} ms")
        print(
            "    task  one process   one by one    in chunks    speed: one by one, in chunks"
        )
        lengths, singles, chunks = [], [], []
        for count in COUNTS:
            ways = (alone, one_by_one, in_chunks)
            one, single, chunk = compare(ways, ([count] * tasks,), rounds)
            lengths.append(one)
            singles.append(one / single)
            chunks.append(one / chunk)
            cells = "".join(f" {value:9,.2f} µs" for value in (one, single, chunk))
            print(f"{count:8,}{cells} {one / single:17.3f} {one / chunk:10.3f}")
        print("argument, bytes  one process    one by one    speed")
        sizes = []
        some = max(4, tasks // 10)
        for size in SIZES:
            given = [COUNTS[-1]] * some, [bytes(size)] * some
            one, single = compare((alone, one_by_one), given, rounds)
            sizes.append(one / single)
            print(f"{size:15,} {one:9,.2f} µs {single:10,.2f} µs {one / single:8.3f}")
    up_to = crossing(SIZES[::-1], sizes[::-1])
    times, bytes_ = ("µs", "ms", "s"), ("B", "kB", "MB", "GB")
    print(f"One by one workers pay from: {with_unit(crossing(lengths, singles), times)}")
    print(f"In chunks workers pay from: {with_unit(crossing(lengths, chunks), times)}")
    print(f"With arguments workers pay up to: {with_unit(up_to, bytes_)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure when worker processes pay.")
    parser.add_argument("--tasks", type=int, default=100, help="how many in each turn")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.tasks, args.rounds, args.start_method)
