"""Start a worker from a notebook or a prompt: its function is in no file, and spawn can't find it.

python notebook_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import subprocess
import sys

CELL = """
def square(number, results):
    results.put(number * number)
"""
NEXT_CELL = """
import multiprocessing, sys
multiprocessing.set_start_method(*sys.argv[1:])
results = multiprocessing.SimpleQueue()
worker = multiprocessing.Process(target=square, args=(7, results))
worker.start()
worker.join()
print("worker: exit code", worker.exitcode, flush=True)
print("result:", "none" if results.empty() else results.get(), flush=True)
"""


def main(start_method=None):
    """Run the cells as a notebook does: what they define is in no file."""
    cells = CELL + NEXT_CELL
    method = [start_method or multiprocessing.get_start_method()]
    subprocess.run([sys.executable, "-c", cells, *method])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
