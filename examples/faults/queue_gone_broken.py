"""Forget the queue as soon as the worker is started: the worker does not find it any more.

python queue_gone_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import sys
import time


class Model:
    """What the worker needs as well, and what takes a moment to arrive, as an import does."""

    def __reduce__(self):
        return time.sleep, (0.2,)


def work(model, tasks):
    """Run in the worker: do the one task."""
    print(f"worker: did {tasks.get(timeout=10)}", flush=True)


def start_worker(context):
    """Start a worker, with a task on a queue."""
    tasks = context.Queue()
    tasks.put("a task")
    worker = context.Process(target=work, args=(Model(), tasks), daemon=True)
    worker.start()
    return worker


def main(start_method=None):
    """Return the exit code of the worker."""
    context = multiprocessing.get_context(start_method)
    worker = start_worker(context)
    worker.join()
    return worker.exitcode


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    sys.exit(main(parser.parse_args().start_method))
