"""Put the sentinel when the producer says that it has put all: the sentinel overtakes items.

python sentinel_overtakes_broken.py --start-method spawn
"""

import argparse
import multiprocessing

COUNT = 50


def produce(items, finished):
    """Run in the producer: put large items, and say so."""
    item = list(range(100_000))
    for _ in range(COUNT):
        items.put(item)
    finished.set()


def consume(items):
    """Run in the consumer: count the items until the sentinel comes."""
    count = 0
    while items.get() is not None:
        count += 1
    print(f"items before the sentinel: {count} of {COUNT}", flush=True)


def main(start_method=None):
    """Have one process produce and another one consume."""
    context = multiprocessing.get_context(start_method)
    items, finished = context.Queue(), context.Event()
    producer = context.Process(target=produce, args=(items, finished), daemon=True)
    consumer = context.Process(target=consume, args=(items,), daemon=True)
    producer.start()
    consumer.start()
    finished.wait()  # it has put all, but not all is in the pipe
    items.put(None)
    consumer.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
