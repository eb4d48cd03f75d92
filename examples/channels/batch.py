"""Send many small objects in each message, and see how many more get through a Queue.

python batch.py --items 20000 --batches 1,10,100,1000

One process puts objects of 8 bytes on a Queue, alone or as lists, and another gets them. The clock
runs from before the consumer's order to put them to after the last get; the first round doesn't
count. The sizes of the batch take turns; the table has the median of the other rounds, the lowest
and the highest, and the median of what each round was to the same round with the first size.
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import threading
import time
from multiprocessing import resource_tracker


def make_items(count):
    """Return so many objects of 8 bytes."""
    return [number.to_bytes(8, "big") for number in range(count)]


def produce(queue, orders, count):
    """Run in a process: put the items, as many of them into a message as an order says."""
    threading.Thread(target=end_with_parent, daemon=True).start()
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
    threading.Thread(target=end_with_parent, daemon=True).start()
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


@contextlib.contextmanager
def ctrl_c_held_back():
    """Hold Ctrl-C back while workers start or end; what starts in here has it blocked."""
    pressed, handler = [], signal.getsignal(signal.SIGINT)
    ours = handler is not None and threading.current_thread() is threading.main_thread()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if sys.platform != "win32" else None
    try:
        if ours:  # the block is this thread's; a press that another one takes is noted
            signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # up to Python 3.13.0 its start unblocks Ctrl-C
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        yield
    finally:  # everything as it was found, and then the press
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if ours:
            signal.signal(signal.SIGINT, handler)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def leave_ctrl_c_to_parent(function):
    """Run in a worker: Ctrl-C ends what it has started, and the parent ends it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # programs would inherit SIG_IGN
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    return function


class WithoutCtrlC:
    """What a worker runs: a function, once Ctrl-C is left to the parent.

    A fork server that ran before doesn't block Ctrl-C, so that is done when this is unpickled.
    """

    def __init__(self, function):
        self.function = function

    def __reduce__(self):  # what is unpickled is the function itself
        return leave_ctrl_c_to_parent, (self.function,)

    def __call__(self, *args):  # a fork pickles nothing
        leave_ctrl_c_to_parent(self.function)(*args)


class Interrupt(KeyboardInterrupt):
    """A press of Ctrl-C, from when it is raised until it has been dealt with."""

    alive = 0

    def __init__(self):
        type(self).alive += 1

    def __del__(self):
        type(self).alive -= 1


def interrupt_once(*_):
    """Handle Ctrl-C, but not a second one while the first is dealt with."""
    if not Interrupt.alive:
        raise Interrupt


def end_with_parent():
    """Run in a thread of a worker: wait for the end of its parent, then end it too."""
    from multiprocessing.connection import wait

    parent, number = multiprocessing.parent_process(), os.getppid()
    ends = [parent.sentinel]  # a process that is forked later may hold it open,
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ends.append(os.pidfd_open(parent.pid))  # but nobody holds this one
    while not wait(ends, timeout=1) and os.getppid() == number:
        pass
    os._exit(1)


def answer_of(workers, answers):
    """Start the workers and return what one of them answers, unless one ends before that."""
    team = []
    try:
        for worker in workers:
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
        sentinels = {worker.sentinel: worker for worker in workers}
        ready = multiprocessing.connection.wait([answers, *sentinels])
        if answers not in ready:
            worker = sentinels[ready[0]]
            worker.join()
            raise ChildProcessError(f"{worker.name} ended, exit code {worker.exitcode}")
        return answers.recv()
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
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
    queue = context.Queue()
    (ordered, orders), (answers, answer) = (
        context.Pipe(duplex=False),
        context.Pipe(duplex=False),
    )
    consuming = (queue, orders, items, batches, rounds, answer)
    workers = [
        context.Process(
            target=WithoutCtrlC(produce), args=(queue, ordered, items), name="producer"
        ),
        context.Process(target=WithoutCtrlC(consume), args=consuming, name="consumer"),
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
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.items, sizes, args.rounds, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
