"""Call task_done() in `finally`, for a task that fails too: join() of the queue returns.

python task_done_too_few_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def consume(tasks):
    """Run in a consumer: do one task after the other; it is a daemon, and ends with main()."""
    while True:
        task = tasks.get()
        time.sleep(0.01)  # a task takes its time
        try:
            print(f"task {task}: {12 // task}", flush=True)
        except ZeroDivisionError as error:
            print(f"task {task}: {error}", flush=True)
        finally:
            tasks.task_done()


def main(start_method=None):
    """Return how many tasks are done, when all are."""
    context = multiprocessing.get_context(start_method)
    tasks = context.JoinableQueue()
    context.Process(target=consume, args=(tasks,), daemon=True).start()
    for task in (3, 2, 0, 1):
        tasks.put(task)
    tasks.join()
    print("tasks done: 4 of 4", flush=True)
    return 4


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
