"""End a queue for all of its consumers at once, as shutdown() of queue.Queue does for threads.

python queue_end.py --start-method spawn
"""

import argparse
import multiprocessing
import time

TASKS, CONSUMERS = 30, 3


def consume(tasks, stop, results):
    """Run in a consumer: work until the sentinel comes, and leave it for the next consumer."""
    for task in iter(tasks.get, None):
        if not stop.is_set():
            time.sleep(0.05)  # the work
            results.put(task)
    tasks.put(None)
    results.put(None)


def tasks_done(context, at_once):
    """Give tasks to the consumers, end the queue, and return how many tasks were done.

    Args:
        context: The context of a start method.
        at_once (bool): Whether the tasks that are still in the queue are left undone.
    """
    tasks, results, stop = context.Queue(), context.Queue(), context.Event()
    for task in range(TASKS):
        tasks.put(task)
    consumers = [
        context.Process(target=consume, args=(tasks, stop, results)) for _ in range(CONSUMERS)
    ]
    for consumer in consumers:
        consumer.start()

    tasks.put(None)  # nothing is put after this
    results.get()  # of the first task that is done
    if at_once:
        stop.set()

    done, ended = 1, 0
    while ended < CONSUMERS:
        if results.get() is None:
            ended += 1
        else:
            done += 1
    for consumer in consumers:
        consumer.join()
    tasks.get()  # the sentinel
    return done


def main(start_method=None):
    """End a queue in both ways."""
    context = multiprocessing.get_context(start_method)
    print(f"Sentinel: {tasks_done(context, at_once=False)} of {TASKS} tasks done", flush=True)
    print(f"Event: {tasks_done(context, at_once=True)} of {TASKS} tasks done")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
