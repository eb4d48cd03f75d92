"""Give the Queue a maxsize: a producer that is too fast waits in put().

python backlog_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time

COUNT = 300


def produce(items):
    """Run in the producer: put items with the time at which they were made."""
    for number in range(1, COUNT + 1):
        items.put((number, time.monotonic(), b"x" * 200_000))
    print(f"producer: has put all {COUNT}", flush=True)


def main(start_method=None):
    """Return how old the last item was when it was done, in seconds."""
    context = multiprocessing.get_context(start_method)
    items = context.Queue(maxsize=10)
    producer = context.Process(target=produce, args=(items,), daemon=True)
    producer.start()
    for _ in range(COUNT):
        number, made, _ = items.get(timeout=10)
        time.sleep(0.005)  # the work
        age = time.monotonic() - made
        if number % 100 == 0:
            print(f"consumer: item {number} is {age:.2f} seconds old", flush=True)
    producer.join()
    print(f"Delay: {age:.2f} seconds", flush=True)
    return age


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
