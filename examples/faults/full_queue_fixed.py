"""Put with a timeout, and look whether the consumer is alive: the producer reports its death.

python full_queue_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import queue
import sys


def consume(tasks):
    """Run in the consumer: do one task after the other, until None comes."""
    while (task := tasks.get()) is not None:
        print(f"task {task}: {12 // task}", flush=True)


def put(tasks, task, consumer):
    """Put a task as soon as there is room; ChildProcessError: the consumer has died."""
    while consumer.is_alive():
        try:
            return tasks.put(task, timeout=0.2)
        except queue.Full:
            continue
    tasks.cancel_join_thread()  # nobody will read the rest
    raise ChildProcessError(f"consumer died, exit code {consumer.exitcode}")


def main(start_method=None):
    """Put some tasks, and wait until the consumer has done them all."""
    context = multiprocessing.get_context(start_method)
    tasks = context.Queue(maxsize=2)
    consumer = context.Process(target=consume, args=(tasks,), daemon=True)
    consumer.start()
    for task in (3, 0, 1, 2, 4, None):  # at 0 the consumer dies
        put(tasks, task, consumer)
        print(f"put: {task}", flush=True)
    consumer.join()
    print(f"consumer: ended, exit code {consumer.exitcode}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
