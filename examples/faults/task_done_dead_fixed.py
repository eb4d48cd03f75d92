"""A consumer outlives a task that fails, and counts it as done: join() returns.

python task_done_dead_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def consume(tasks):
    """Run in a consumer: do one task after the other; it is a daemon, and ends with main()."""
    while True:
        task = tasks.get()
        try:
            print(f"task {task}: {12 // task}", flush=True)
        except Exception as error:
            print(f"task {task}: {error}", flush=True)
        finally:
            tasks.task_done()


def main(start_method=None):
    """Return when all tasks are done."""
    context = multiprocessing.get_context(start_method)
    tasks = context.JoinableQueue()
    context.Process(target=consume, args=(tasks,), daemon=True).start()
    for task in (3, 2, 0, 1):
        tasks.put(task)
    tasks.join()
    print("all tasks done", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
