"""Count the files that queues, pipes and processes keep open in the program that made them.

python open_files_count.py --start-method spawn
"""

import argparse
import multiprocessing
import os


def closed(queue, *items):
    """Return the queue when items were put to it and taken, and it was closed."""
    for item in items:
        queue.put(item)
        queue.get()
    queue.close()
    queue.join_thread()
    return queue


def ended(process, then=lambda process: None):
    """Return the process when it was started and joined, and something was done then."""
    process.start()
    process.join()
    then(process)
    return process


def main(start_method=None):
    """Return how many files each of them keeps open."""
    context = multiprocessing.get_context(start_method)
    ended(context.Process())  # with the first one come helpers, and they stay
    makers = {
        "Pipe": context.Pipe,
        "Queue": context.Queue,
        "Queue, closed without a put()": lambda: closed(context.Queue()),
        "Queue, closed after a put()": lambda: closed(context.Queue(), "an item"),
        "SimpleQueue": context.SimpleQueue,
        "Process, joined": lambda: ended(context.Process()),
        "Process, closed": lambda: ended(context.Process(), lambda process: process.close()),
    }
    kept, found = [], {}
    for name, make in makers.items():
        before = len(os.listdir("/dev/fd"))
        kept.append(make())
        found[name] = len(os.listdir("/dev/fd")) - before
        print(f"{name}: {found[name]}", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
