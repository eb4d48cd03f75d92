"""Make one Queue for all jobs, and close each process: the number of open files stays as it is.

python open_files_fixed.py --start-method spawn
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
    results = context.Queue()
    jobs, squares = [], []
    for number in range(JOBS):
        worker = context.Process(target=work, args=(number, results), daemon=True)
        worker.start()
        squares.append(results.get(timeout=10))
        worker.join()
        worker.close()
        jobs.append((worker, results))
        print(f"jobs done: {len(squares)} of {JOBS}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
