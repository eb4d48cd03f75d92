"""A program that is stuck, and that says after a while where each of its processes stands.

python where_stuck.py --patience 1
"""

import argparse
import faulthandler
import multiprocessing


def work(tasks, results, patience):
    """Run in a worker: square tasks until the sentinel comes."""
    if patience:
        faulthandler.dump_traceback_later(patience, exit=True)
    for task in iter(tasks.get, None):
        results.put(task * task)


def main(patience=1.0, start_method=None):
    """Give the worker two tasks, and wait for three results.

    Args:
        patience (float): Seconds until the worker prints its stacks and ends, and the parent
            later; 0: they never do.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.
    """
    context = multiprocessing.get_context(start_method)
    tasks, results = context.Queue(), context.Queue()
    worker = context.Process(target=work, args=(tasks, results, patience))
    worker.start()
    if patience:  # after start(): see watchdog_fork_broken.py
        faulthandler.dump_traceback_later(patience + 1, exit=True)
    for task in (1, 2):
        tasks.put(task)
    for _ in range(3):
        print("result:", results.get(), flush=True)
    tasks.put(None)
    worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--patience", type=float, default=1.0, help="seconds; 0: wait for ever"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.patience, args.start_method)
