"""Let a producer be faster than its consumer: on a Queue without a limit, and with maxsize.

python back_pressure.py --start-method spawn

The memory is what Python holds in the producer (tracemalloc). It is the same on every system, and
counts the items that wait in the queue, as they wait in the producer.
"""

import argparse
import multiprocessing
import threading
import time
import tracemalloc

SIZE, PAUSE = 256 * 1024, 0.005  # bytes of an item, seconds that the consumer needs for it
STEPS = 20


def produce(items, tasks, samples):
    """Run in the producer: put the items as fast as possible; send its memory over time."""
    tracemalloc.start()
    began, found, all_written = time.perf_counter(), [], threading.Event()

    def sample():
        while not found or not all_written.wait(0.02):
            found.append((time.perf_counter() - began, tracemalloc.get_traced_memory()[0]))

    sampler = threading.Thread(target=sample)
    sampler.start()
    for number in range(items):
        tasks.put(number.to_bytes(4, "big") * (SIZE // 4))
    tasks.put(None)
    put_took = time.perf_counter() - began
    tasks.close()
    tasks.join_thread()  # until the queue's thread has written everything
    all_written.set()
    sampler.join()
    samples.send((put_took, found))


def consume(tasks):
    """Take the items one by one, and need some time for each; return the seconds."""
    began = time.perf_counter()
    while tasks.get() is not None:
        time.sleep(PAUSE)
    return time.perf_counter() - began


def run(items, maxsize, context):
    """Return the seconds of the consumer, those of all put(), and the memory over time."""
    tasks = context.Queue(maxsize)
    receiver, sender = context.Pipe(duplex=False)
    producer = context.Process(target=produce, args=(items, tasks, sender), daemon=True)
    producer.start()
    sender.close()
    took = consume(tasks)
    put_took, found = receiver.recv()
    producer.join()
    return took, put_took, found


def main(items=200, start_method=None):
    """Print the memory of the producer over time, and what the limit costs."""
    context = multiprocessing.get_context(start_method)
    runs = {maxsize: run(items, maxsize, context) for maxsize in (0, 8)}
    longest = max(found[-1][0] for _, _, found in runs.values())
    print("seconds    no maxsize, MiB    maxsize=8, MiB")
    for step in range(STEPS + 1):
        at = longest * step / STEPS
        cells = []
        for maxsize in (0, 8):
            now = [memory for moment, memory in runs[maxsize][2] if moment <= at]
            cells.append((now or [0])[-1] / 2**20)
        print(f"{at:7.2f} {cells[0]:18.1f} {cells[1]:17.1f}")
    for maxsize, (took, put_took, found) in runs.items():
        name = "With maxsize" if maxsize else "Without maxsize"
        peak = max(memory for _, memory in found) / 2**20
        print(f"{name} at most: {peak:.1f} MiB")
        print(f"{name} all were put after: {put_took:.2f} s")
        print(f"{name} all were taken after: {took:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show what maxsize does.")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.items, args.start_method)
