"""End a worker with terminate(): no finally block of it runs, and no function of atexit.

python terminated_saves_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def save():
    """Save what the worker has found."""
    print("worker: saved", flush=True)


def work(sender):
    """Run in the worker: work until somebody ends it, and save in the end."""
    try:
        sender.send("worker: works")
        time.sleep(60)  # the work
    finally:
        save()


def main(start_method=None):
    """Return the exit code of a worker that is terminated while it works."""
    context = multiprocessing.get_context(start_method)
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(sender,), daemon=True)
    worker.start()
    print(receiver.recv(), flush=True)
    time.sleep(0.05)  # let it work for a moment
    worker.terminate()  # as at the exit of its parent, because of daemon=True
    worker.join()
    print(f"worker: exit code {worker.exitcode}", flush=True)
    return worker.exitcode


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
