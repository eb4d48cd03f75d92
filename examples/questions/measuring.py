"""Measure the same thing badly and well: the work of two processes, and a message on a Queue.

python measuring.py --count 2000000 --rounds 7
"""

import argparse
import multiprocessing
import statistics
import sys
import time

WORKERS, SIZE = 2, 8 * 2**20


def count_up(count, results):
    """Run in a worker: count one by one, and put the result."""
    total = 0
    for _ in range(count):
        total += 1
    results.put(total)


def fail(count, results):
    """Run in a worker: end with an error, before any work is done."""
    sys.exit(1)


def make_workers(context, count, target=count_up):
    """Return workers that have not started, and the queue of their results."""
    results = context.Queue()
    args = (count, results)
    return [context.Process(target=target, args=args) for _ in range(WORKERS)], results


def finish(workers, results, count):
    """Take the results, wait for the workers, and check what came."""
    totals = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    if totals != [count] * WORKERS:
        raise ValueError(f"they counted {totals}")


def around_start(context, count):
    """Badly: stop the clock when the workers have only begun."""
    workers, results = make_workers(context, count)
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    took = time.perf_counter() - began
    finish(workers, results, count)
    return took


def cpu_time_of_parent(context, count):
    """Badly: take a clock that counts this process only, and that one waits."""
    workers, results = make_workers(context, count)
    began = time.process_time()
    for worker in workers:
        worker.start()
    finish(workers, results, count)
    return time.process_time() - began


def unchecked(context, count):
    """Badly: don't look at what came out. These workers have failed."""
    workers, _ = make_workers(context, count, fail)
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def well(context, count):
    """Well: until all results have come and are checked, and all workers have ended."""
    workers, results = make_workers(context, count)
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    finish(workers, results, count)
    return time.perf_counter() - began


def answer(tasks, answers):
    """Run in the consumer: say for each message that it is there, until the sentinel None."""
    while (message := tasks.get()) is not None:
        answers.send(len(message))


def send_messages(context, rounds):
    """Return the seconds of put() alone, and those until the message was there, of each round."""
    tasks, (receiver, sender) = context.Queue(), context.Pipe(duplex=False)
    consumer = context.Process(target=answer, args=(tasks, sender), daemon=True)
    consumer.start()
    sender.close()
    message = b"x" * SIZE  # made before the clock starts
    around_put, until_there = [], []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        tasks.put(message)
        around_put.append(time.perf_counter() - began)
        if receiver.recv() != SIZE:
            raise ValueError("something else came")
        until_there.append(time.perf_counter() - began)
    tasks.put(None)
    consumer.join()
    return around_put, until_there


def tell(label, seconds):
    """Print a time in milliseconds."""
    print(f"{label}: {1000 * seconds:.2f} ms", flush=True)


def tell_rounds(label, times):
    """Print the first round, and of the others the median, the lowest and the highest."""
    first, *others = times
    tell(f"{label} first run", first)
    tell(f"{label} median", statistics.median(others))
    tell(f"{label} lowest", min(others))
    tell(f"{label} highest", max(others))


def main(count=2_000_000, rounds=7, start_method=None):
    """Print what each way of measuring says."""
    context = multiprocessing.get_context(start_method)
    method = context.get_start_method()
    print(f"{WORKERS} workers count to {count:,} each, start method {method}")
    ways = around_start, cpu_time_of_parent, unchecked, well
    found = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way in ways:  # in turn: what the machine does meanwhile meets all of them
            found[way].append(way(context, count))
    tell("Around start", statistics.median(found[around_start][1:]))
    tell("CPU time of the parent", statistics.median(found[cpu_time_of_parent][1:]))
    tell("Workers that failed", statistics.median(found[unchecked][1:]))
    tell_rounds("Well", found[well])
    print(f"A message of {SIZE:,} bytes on a Queue")
    around_put, until_there = send_messages(context, rounds)
    tell("Around put", statistics.median(around_put[1:]))
    tell_rounds("Until there", until_there)
    for clock in ("time", "perf_counter"):
        print(f"{clock} may be set: {time.get_clock_info(clock).adjustable}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the same thing badly and well.")
    parser.add_argument("--count", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.count, args.rounds, args.start_method)
