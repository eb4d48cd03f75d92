"""Count in two workers, in each way that counts right, and time an update.

python shared_state.py --updates 500 --rounds 3
"""

import argparse
import multiprocessing
import statistics
import sys
import time

WORKERS = 2


def to_value(counter, barrier, updates):
    """Run in a worker: add to a Value; get_lock() keeps the other worker out meanwhile."""
    barrier.wait()
    for _ in range(updates):
        with counter.get_lock():
            counter.value += 1


def to_array(counters, barrier, updates):
    """Run in a worker: add to a place of an Array."""
    barrier.wait()
    for _ in range(updates):
        with counters.get_lock():
            counters[7] += 1


def to_dict(counts, lock, barrier, updates):
    """Run in a worker: add to a Manager's dict, which needs a lock of its own."""
    barrier.wait()
    for _ in range(updates):
        with lock:
            counts["sum"] += 1


def to_list(items, barrier, updates):
    """Run in a worker: append to a Manager's list; one call needs no lock."""
    barrier.wait()
    for _ in range(updates):
        items.append(1)


def to_queue(messages, barrier, updates):
    """Run in a worker: send each update; the parent adds."""
    barrier.wait()
    for _ in range(updates):
        messages.put(1)


def to_itself(messages, barrier, updates):
    """Run in a worker: count in a variable, and send the sum."""
    barrier.wait()
    count = 0
    for _ in range(updates):
        count += 1
    messages.put(count)


def seconds_of(context, target, arguments, updates, counted):
    """Let the workers count, check that no update is lost, and return the seconds it took."""
    barrier = context.Barrier(WORKERS + 1)
    workers = [
        context.Process(target=target, args=(*arguments, barrier, updates))
        for _ in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    sends = target in (to_queue, to_itself)
    count = counted() if sends else 0  # messages are taken before join()
    for worker in workers:
        worker.join()
    count = count or counted()
    elapsed = time.perf_counter() - started
    if count != WORKERS * updates:
        sys.exit(f"{target.__name__}: {count} of {WORKERS * updates} updates")
    return elapsed


def one_round(context, manager, updates):
    """Count in each way; yield its name, and how many updates a second it does."""
    few, many = updates, 20 * updates
    value, array = context.Value("q"), context.Array("q", 10)
    counts, lock, items = manager.dict(sum=0), manager.Lock(), manager.list()
    messages, sums = context.Queue(), context.Queue()
    ways = {
        "Value": (to_value, (value,), many, lambda: value.value),
        "Array": (to_array, (array,), many, lambda: array[7]),
        "Manager's list": (to_list, (items,), few, lambda: len(items)),
        "Manager's dict": (to_dict, (counts, lock), few, lambda: counts["sum"]),
        "Queue": (to_queue, (messages,), many, lambda: take(messages, WORKERS * many)),
        "Queue, sums only": (to_itself, (sums,), 500 * few, lambda: take(sums, WORKERS)),
    }
    for name, (target, arguments, count, counted) in ways.items():
        seconds = seconds_of(context, target, arguments, count, counted)
        yield name, WORKERS * count / seconds


def take(messages, count):
    """Add up so many messages."""
    return sum(messages.get() for _ in range(count))


def main(updates=500, rounds=3, start_method=None):
    """Print how many updates a second each way does.

    Args:
        updates (int): How many each worker does in the slowest way.
        rounds (int): How often each way is timed.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.
    """
    context = multiprocessing.get_context(start_method)
    rates = {}
    with context.Manager() as manager:
        for _ in range(rounds):
            for name, rate in one_round(context, manager, updates):
                rates.setdefault(name, []).append(rate)
    slowest = statistics.median(rates["Manager's dict"])
    print(
        f"{'updates a second':20} {'median':>12} {'lowest':>12} {'highest':>12} {'x dict':>10}"
    )
    for name, found in rates.items():
        numbers = [statistics.median(found), min(found), max(found)]
        cells = [f"{number:12,.0f}" for number in numbers]
        print(f"{name:20} {' '.join(cells)} {numbers[0] / slowest:10,.1f}")
    print("Updates lost: 0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.updates, args.rounds, args.start_method)
