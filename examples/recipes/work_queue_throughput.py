"""Measure how many jobs a second work_queue.py does, beside other ways to share out jobs.

python work_queue_throughput.py --budget 10

It needs work_queue.py beside it; joblib too is measured, where it is installed. A job sleeps for
a while, or not at all. In each round every way starts its workers, has one job for each of them
that doesn't count, and then does some of each length; joblib has its rounds at the end. "ideal"
is what so many workers would do if sharing out took no time: how long a job takes alone is
measured as well.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import importlib
import itertools
import multiprocessing
import signal
import statistics
import sys
import time
from typing import Any

try:
    from work_queue import (
        NOT_YET,
        WithoutCtrlC,
        ctrl_c_held_back,
        interrupt_once,
        work_queue,
    )
except ImportError:
    sys.exit("work_queue_throughput.py needs work_queue.py in the same folder")
joblib: Any = None
with contextlib.suppress(ImportError):
    joblib = importlib.import_module("joblib")

LENGTHS = {"0": 0, "100 µs": 1e-4, "10 ms": 1e-2}  # of a job, in seconds
SMALL = 1e-3  # longer jobs don't go several in a message
BEGIN = WithoutCtrlC(int)  # the initializer of a pool: int() itself does nothing


def drain(results):
    """Take all results, and keep none."""
    collections.deque(results, maxlen=0)


def sleep(seconds):
    """Do the job: nothing, or nothing for a while."""
    if seconds:
        time.sleep(seconds)


def moments_of(turns, do_all):
    """Do the turns with a function that does so many jobs of one length."""
    moments = [time.perf_counter()]
    for seconds, jobs in turns:
        do_all(seconds, jobs)
        moments.append(time.perf_counter())
    return moments


def with_work_queue(context, workers, turns, batch=1):
    """Do the turns with a work_queue(), whose source waits for the next one."""
    due = []

    def sources():
        while True:
            yield due.pop() if due else [NOT_YET]

    def do_all(seconds, jobs):
        due.append([seconds] * jobs)
        drain(itertools.islice(results, jobs))

    source, method = itertools.chain.from_iterable(sources()), context.get_start_method()
    with contextlib.closing(
        work_queue(source, sleep, workers=workers, batch=batch, start_method=method)
    ) as results:
        return moments_of(turns, do_all)


def with_executor(context, workers, turns, batch=1):
    """Do the turns with ProcessPoolExecutor.map()."""
    Executor = concurrent.futures.ProcessPoolExecutor
    with Executor(workers, context, BEGIN) as executor:

        def do_all(seconds, jobs):
            with ctrl_c_held_back():  # it starts its workers when it gets jobs
                results = executor.map(sleep, [seconds] * jobs, chunksize=batch)
            drain(results)

        return moments_of(turns, do_all)


def with_pool(context, workers, turns, batch=1):
    """Do the turns with Pool.imap()."""
    with ctrl_c_held_back():
        pool = context.Pool(workers, BEGIN)
    with pool:
        return moments_of(
            turns, lambda seconds, jobs: drain(pool.imap(sleep, [seconds] * jobs, batch))
        )


def serve(jobs, results):
    """Run in a worker: take jobs from a Queue until the sentinel comes."""
    for seconds in iter(jobs.get, None):
        results.put(sleep(seconds))


def with_queues(context, workers, turns):
    """Do the turns with a Queue of jobs, a Queue of results, and a sentinel for each worker."""
    jobs, results, team = context.Queue(), context.Queue(), []

    def do_all(seconds, count):
        for _ in range(count):
            jobs.put(seconds)
        for _ in range(count):
            results.get()

    try:
        with ctrl_c_held_back():
            for _ in range(workers):
                worker = context.Process(
                    target=WithoutCtrlC(serve), args=(jobs, results), daemon=True
                )
                worker.start()
                team.append(worker)
        moments = moments_of(turns, do_all)
        for _ in team:
            jobs.put(None)
        for worker in team:
            worker.join()
    finally:
        with ctrl_c_held_back():
            for worker in team:
                worker.kill()
                worker.join()
    return moments


def with_joblib(context, workers, turns):
    """Do the turns with joblib, which has a start method of its own and sizes its batches."""
    with joblib.Parallel(workers, return_as="generator") as parallel:
        job = joblib.delayed(sleep)
        return moments_of(
            turns, lambda seconds, jobs: drain(parallel(job(seconds) for _ in range(jobs)))
        )


WAYS = {  # what it is called: how it does the turns, and how many jobs go in a message
    "work_queue": (with_work_queue, {}),
    "Pool.imap": (with_pool, {}),
    "ProcessPoolExecutor.map": (with_executor, {}),
    "Queue with sentinels": (with_queues, {}),
    "work_queue, batch=16": (with_work_queue, {"batch": 16}),
    "Pool.imap, chunksize=16": (with_pool, {"batch": 16}),
    "work_queue, batch=64": (with_work_queue, {"batch": 64}),
    "Pool.imap, chunksize=64": (with_pool, {"batch": 64}),
    "ProcessPoolExecutor.map, chunksize=64": (with_executor, {"batch": 64}),
}


def measure(way, context, workers, jobs):
    """Do one round with one way; return the jobs a second for each length."""
    do_turns, batched = WAYS.get(way, (with_joblib, {}))
    lengths = [name for name in jobs if not batched or LENGTHS[name] < SMALL]
    if batched:  # they do more in the time of a turn, and each worker needs many messages
        jobs = jobs | {"0": 100 * jobs["0"], "100 µs": 4 * jobs["100 µs"]}
    turns = [(0.02, workers), *((LENGTHS[name], jobs[name]) for name in lengths)]
    moments = do_turns(context, workers, turns, **batched)
    took = [end - start for start, end in itertools.pairwise(moments)][1:]
    return {
        (name, way): jobs[name] / seconds for name, seconds in zip(lengths, took, strict=True)
    }


def time_alone(seconds):
    """Return how long a job takes by itself, the median of 20."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        sleep(seconds)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main(budget=10.0, workers=4, start_method=None):
    """Measure every way with jobs of every length, and print a table.

    Args:
        budget (float): Seconds that it may take, but there are never less than three rounds.
        workers (int): How many worker processes each way has.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[tuple[str, str], list[float]]: Jobs a second in each round, by length and way.
    """
    deadline, context = time.monotonic() + budget, multiprocessing.get_context(start_method)
    jobs = {"0": 1000, "100 µs": 200 * workers, "10 ms": 8 * workers}
    rates = collections.defaultdict(list)
    ideal = {name: workers / time_alone(length) for name, length in LENGTHS.items() if length}
    for rounds in itertools.count(1):
        began = time.monotonic()
        for way in WAYS:
            for cell, rate in measure(way, context, workers, jobs).items():
                rates[cell].append(rate)
        if rounds >= 3 and 2 * time.monotonic() - began > deadline:
            break
    for _ in range(rounds if joblib else 0):  # last, for its threads stay, and the others fork
        for cell, rate in measure("joblib", context, workers, jobs).items():
            rates[cell].append(rate)
    print(f"Start method {context.get_start_method()}, workers: {workers}, rounds: {rounds}")
    if joblib is None:
        print("joblib isn't installed, so it isn't measured")
    head = f"{'jobs/s':>12}{'lowest':>12}{'highest':>12}{'of ideal':>10}"
    print(f"{'job':8} {'way':38}{head}")
    for name, way in sorted(rates, key=lambda cell: list(LENGTHS).index(cell[0])):
        found = rates[name, way]
        values = (statistics.median(found), min(found), max(found))
        share = f"{values[0] / ideal[name]:10.1%}" if name in ideal else f"{'':10}"
        print(f"{name:8} {way:38}" + "".join(f"{value:12,.0f}" for value in values) + share)
    return dict(rates)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure what sharing out jobs costs.")
    parser.add_argument("--budget", type=float, default=10, help="seconds, up to 600")
    parser.add_argument("--workers", type=int, default=4, help="how many, 1 to 60")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 <= args.budget <= 600:
        parser.error(f"argument --budget: {args.budget} is not from 0 to 600")
    if not 1 <= args.workers <= 60:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 60")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.budget, args.workers, args.start_method)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
