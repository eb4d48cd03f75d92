"""Call task_done() once for each get(): join() returns when all tasks are done.

python task_done_too_many_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def consume(tasks, done):
    """Run in a consumer: do one task after the other; it is a daemon, and ends with main()."""
    while True:
        task = tasks.get()
        try:
            time.sleep(0.3)  # the work
            done.send(12 // task)
        except ZeroDivisionError as error:
            done.send(error)
        finally:
            tasks.task_done()


def main(start_method=None):
    """Return how many tasks are done when join() returns."""
    context = multiprocessing.get_context(start_method)
    tasks = context.JoinableQueue()
    ours, theirs = context.Pipe(duplex=False)
    context.Process(target=consume, args=(tasks, theirs), daemon=True).start()
    for task in (3, 0, 2, 1):
        tasks.put(task)
    tasks.join()
    count = 0
    while ours.poll():  # what was sent before join() returned
        print(f"result: {ours.recv()}", flush=True)
        count += 1
    print(f"join() returned, results: {count} of 4", flush=True)
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
