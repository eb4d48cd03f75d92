"""Make a Queue for each job, and keep it: no file can be opened any more.

python open_files_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import resource

JOBS = 15


def work(number, results):
    """Run in a worker: put a square on the queue."""
    results.put(number * number)


def main(start_method=None):
    """Return the squares, each from a worker of its own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))  # usual: 1024
    context = multiprocessing.get_context(start_method)
    jobs, squares = [], []
    for number in range(JOBS):
        results = context.Queue()
        worker = context.Process(target=work, args=(number, results), daemon=True)
        worker.start()
        squares.append(results.get(timeout=10))
        worker.join()
        results.close()
        jobs.append((worker, results))
        print(f"jobs done: {len(squares)} of {JOBS}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
