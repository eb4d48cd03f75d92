"""Put on a Queue with a maxsize whose consumer has died: put() waits for ever.

python full_queue_broken.py --start-method spawn
"""

import argparse
import multiprocessing


def consume(tasks):
    """Run in the consumer: do one task after the other, until None comes."""
    while (task := tasks.get()) is not None:
        print(f"task {task}: {12 // task}", flush=True)


def main(start_method=None):
    """Put some tasks, and wait until the consumer has done them all."""
    context = multiprocessing.get_context(start_method)
    tasks = context.Queue(maxsize=2)
    consumer = context.Process(target=consume, args=(tasks,), daemon=True)
    consumer.start()
    for task in (3, 0, 1, 2, 4, None):  # at 0 the consumer dies
        tasks.put(task)
        print(f"put: {task}", flush=True)
    consumer.join()
    print(f"consumer: ended, exit code {consumer.exitcode}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
