"""Start workers that need a module which takes long to import, with and without preloading it.

python preload.py --preload asyncio
"""

import argparse
import multiprocessing
import statistics
import sys
import time

WORKERS = 10


def work():
    """Run in a worker: import what it needs."""
    import asyncio

    asyncio.run(asyncio.sleep(0))


def main(preload=()):
    """Start workers one after the other, and time each to its end; the first starts the server."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        sys.exit("there is no forkserver on this system")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", *preload])
    times = []
    for _ in range(1 + WORKERS):
        started = time.perf_counter()
        worker = context.Process(target=work)
        worker.start()
        worker.join()
        times.append(1000 * (time.perf_counter() - started))
    print(f"First: {times[0]:.0f} ms")
    print(f"Later: {statistics.median(times[1:]):.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--preload", nargs="*", default=[], help="what the server imports")
    main(parser.parse_args().preload)
