"""Start a process from a worker with daemon=True: its start() raises AssertionError.

python daemon_children_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def help_out():
    """Run in the worker's own worker."""
    print("the worker's worker: runs", flush=True)


def work(start_method):
    """Run in the worker: start a worker of its own, and wait for it."""
    helper = multiprocessing.get_context(start_method).Process(target=help_out)
    helper.start()
    helper.join()


def main(start_method=None):
    """Return the exit code of a worker that starts another one."""
    context = multiprocessing.get_context(start_method)
    worker = context.Process(target=work, args=(start_method,), daemon=True)
    worker.start()
    worker.join()
    print(f"worker: exit code {worker.exitcode}", flush=True)
    return worker.exitcode


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
