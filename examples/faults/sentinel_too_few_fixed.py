"""Put a sentinel for each of two consumers: both of them end.

python sentinel_too_few_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def consume(number, tasks):
    """Run in a consumer: do one task after the other, until the sentinel None."""
    for task in iter(tasks.get, None):
        print(f"consumer {number}: task {task}", flush=True)
    print(f"consumer {number}: the end", flush=True)


def main(start_method=None):
    """Return how many consumers have ended."""
    context = multiprocessing.get_context(start_method)
    tasks = context.Queue()
    consumers = [
        context.Process(target=consume, args=(number, tasks), daemon=True) for number in (1, 2)
    ]
    for consumer in consumers:
        consumer.start()
    for task in range(4):
        tasks.put(task)
    for _ in consumers:  # each takes one away, and ends
        tasks.put(None)
    for consumer in consumers:
        consumer.join()
    print(f"consumers that have ended: {len(consumers)}", flush=True)
    return len(consumers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
