"""Send many small objects in each message, and see how many more get through a Queue.

python batch.py --items 20000 --batches 1,10,100,1000

One process puts objects of 8 bytes on a Queue, alone or as lists, and another gets them. The clock
runs from before the consumer's order to put them to after the last get; the first round doesn't
count. The sizes of the batch take turns; the table has the median of the other rounds, the lowest
and the highest, and the median of what each round was to the same round with the first size.
"""

import argparse
import multiprocessing
import multiprocessing.connection
import signal
import statistics
import sys
import time


def make_items(count):
    """Return so many objects of 8 bytes."""
    return [number.to_bytes(8, "big") for number in range(count)]


def produce(queue, orders, count):
    """Run in a process: put the items, as many of them into a message as an order says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    items = make_items(count)
    for batch in iter(orders.recv, None):
        if batch == 1:
            for item in items:
                queue.put(item)
        else:
            for at in range(0, len(items), batch):
                queue.put(items[at : at + batch])


def consume(queue, orders, count, batches, rounds, answers):
    """Run in a process: order and get the items; answer with the items a second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    items = make_items(count)
    rates = {batch: [] for batch in batches}
    for turn in range(rounds + 1):
        for batch in batches:
            came = []
            began = time.perf_counter()
            orders.send(batch)
            while len(came) < count:
                if batch == 1:
                    came.append(queue.get())
                else:
                    came.extend(queue.get())
            seconds = time.perf_counter() - began
            if came != items:
                raise ValueError("other items came than were put")
            if turn:
                rates[batch].append(count / seconds)
    answers.send(rates)


def start(worker):
    """Start a worker with Ctrl-C held back: it never sees it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def answer_of(workers, answers):
    """Start the workers and return what one of them answers, unless one ends before that."""
    try:
        for worker in workers:
            start(worker)
        sentinels = {worker.sentinel: worker for worker in workers}
        ready = multiprocessing.connection.wait([answers, *sentinels])
        if answers not in ready:
            worker = sentinels[ready[0]]
            worker.join()
            raise ChildProcessError(f"{worker.name} ended, exit code {worker.exitcode}")
        return answers.recv()
    finally:
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()


def main(items=20_000, batches=(1, 10, 100, 1000), rounds=5, start_method=None):
    """Send the same items in batches of several sizes and print a table.

    Args:
        items (int): How many objects to send in a turn.
        batches (Sequence[int]): How many of them to put into one message; 1 is not a list.
        rounds (int): How many turns each batch size has.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[int, list[float]]: Items a second in each round, by batch size.

    Raises:
        ChildProcessError: A worker ended too early. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    queue = context.Queue()
    (ordered, orders), (answers, answer) = (
        context.Pipe(duplex=False),
        context.Pipe(duplex=False),
    )
    consuming = (queue, orders, items, batches, rounds, answer)
    workers = [
        context.Process(target=produce, args=(queue, ordered, items), name="producer"),
        context.Process(target=consume, args=consuming, name="consumer"),
    ]
    rates = answer_of(workers, answers)
    method = context.get_start_method()
    print(f"Items of 8 bytes: {items:,}, start method {method}, rounds: {rounds}")
    print("  batch      items/s       lowest      highest   x first")
    for batch, found in rates.items():
        ratio = statistics.median(map(float.__truediv__, found, rates[batches[0]]))
        numbers = statistics.median(found), min(found), max(found)
        cells = "".join(f" {number:12,.0f}" for number in numbers)
        print(f"{batch:7,}{cells} {ratio:9.2f}")
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send many small objects in each message.")
    parser.add_argument("--items", type=int, default=20_000, help="how many in a turn")
    parser.add_argument("--batches", default="1,10,100,1000", metavar="1,10")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each batch size")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    try:
        sizes = list(dict.fromkeys(int(size) for size in args.batches.split(",")))
    except ValueError:
        parser.error(f"argument --batches: {args.batches!r} is not like 1,10")
    if min(sizes) < 1:
        parser.error(f"argument --batches: {args.batches} are not all 1 or more")
    if not 1 <= args.items <= 10_000_000:
        parser.error(f"argument --items: {args.items} is not from 1 to 10000000")
    if args.rounds < 1:
        parser.error(f"argument --rounds: {args.rounds} is not 1 or more")
    try:
        main(args.items, sizes, args.rounds, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
