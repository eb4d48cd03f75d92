"""Press Ctrl-C while workers work: one line from the parent, which ends them all.

python ctrl_c_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time


def work(tasks, ready):
    """Run in a worker: do one task after another."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the parent's business
    ready.release()
    for _ in iter(tasks.get, None):
        time.sleep(0.2)  # the work for the task


def press_ctrl_c(workers):
    """Send SIGINT to the workers and to this process, as a terminal does on Ctrl-C."""
    for worker in workers:
        os.kill(worker.pid, signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def give_out(tasks, ready, workers):
    """Put more tasks than the pipe of the queue holds, and press Ctrl-C while the workers work."""
    for task in range(20_000):
        tasks.put(task)
    for _ in workers:
        ready.acquire(timeout=10)
    print("parent: Ctrl-C", flush=True)
    press_ctrl_c(workers)


def main(start_method=None):
    """Start three workers, and give out tasks to them."""
    context = multiprocessing.get_context(start_method)
    tasks, ready = context.Queue(), context.Semaphore(0)
    workers = [context.Process(target=work, args=(tasks, ready)) for _ in range(3)]
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # no worker is born hearing it
    for worker in workers:
        worker.start()
    signal.signal(signal.SIGINT, handler)
    try:
        give_out(tasks, ready, workers)
    finally:
        tasks.cancel_join_thread()  # nobody will take the tasks that are left
        for worker in workers:
            worker.kill()
            worker.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
