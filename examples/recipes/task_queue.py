"""Many producers, many consumers, one Queue: the end is one sentinel for each consumer.

python task_queue.py --producers 2 --consumers 3 --tasks 60 --maxsize 8
"""

import argparse
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import signal
import sys
import threading
from multiprocessing import resource_tracker


def make_tasks(part):
    """Yield the tasks of one producer: run in it. Put your own source here."""
    first, last = part
    yield from range(first, last + 1)


def do_task(task):
    """Return a task and its square: run in a consumer. Put your own work here."""
    return task, task * task


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


def produce(make, part, tasks):
    """Run in a producer: put its tasks. It ends when all of them are in the queue's pipe."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    for task in make(part):
        tasks.put(pickle.dumps(task))  # in put() the error of a failure would be lost


def consume(do, tasks, results):
    """Run in a consumer: do one task after the other, until the sentinel None."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    while (pickled := tasks.get()) is not None:
        results.send((do(pickle.loads(pickled)),))
    results.send(None)  # the last word: it ended because it was told to


def start_workers(make, parts, do, consumers, tasks, context):
    """Yield each worker once it runs, and our end of the pipe of its results, or None."""
    for number, part in enumerate(parts, 1):
        args, name = (make, part, tasks), f"Producer {number}"
        worker = context.Process(
            target=WithoutCtrlC(produce), args=args, name=name, daemon=True
        )
        worker.start()
        yield worker, None
    for number in range(1, consumers + 1):
        ours, theirs = context.Pipe(duplex=False)  # its own: one who dies locks nobody out
        args, name = (do, tasks, theirs), f"Consumer {number}"
        worker = context.Process(
            target=WithoutCtrlC(consume), args=args, name=name, daemon=True
        )
        worker.start()
        theirs.close()  # now, before the next worker is forked and inherits it
        yield worker, ours


def lost(worker):
    """Return the error for a worker that ended before its work did."""
    worker.join(timeout=5)
    return ChildProcessError(f"{worker.name} ended too early, exit code {worker.exitcode}")


def take_results(tasks, workers, connections):
    """Yield the results as they come; put the sentinels when all producers have ended."""
    running = {worker.sentinel: worker for worker in workers}
    producing = running.keys() - {worker.sentinel for worker in connections.values()}
    sentinels = len(connections)
    while running or connections:
        if not producing:  # so all tasks stand in the queue, and the sentinels come last
            with contextlib.suppress(queue.Full):  # there is room after the next result
                while sentinels:
                    tasks.put_nowait(None)
                    sentinels -= 1
        timeout = 1 if running else 0  # 0: the rest of a pipe that can't grow any more
        ready = set(multiprocessing.connection.wait([*running, *connections], timeout))
        for connection in connections.keys() & ready:
            try:
                message = connection.recv()
            except (EOFError, OSError):  # a pipe of one writer: a whole message, or its end
                raise lost(connections[connection]) from None
            if message is None:
                del connections[connection]
            else:
                yield message[0]
        for end, worker in list(running.items()):
            if not worker.is_alive():  # a child of its own may hold both its pipes open
                if worker.exitcode != 0:
                    raise lost(worker)
                del running[end]
                producing.discard(end)
        if not ready and not running and connections:
            raise lost(next(iter(connections.values())))


def task_queue(make, parts, do, consumers=2, maxsize=8, start_method=None):
    """Yield do(task) for each task of each make(part), as the results come.

    It ends its workers whatever happens. Where an exception may come between two results, use
    `with contextlib.closing(task_queue(...)) as results`: that ends them at once.

    Args:
        make (Callable): Called with a part in a producer; gives the tasks of that part.
        parts (Iterable): What to hand to the producers: there is one for each part.
        do (Callable): Called with a task in a consumer; returns its result.
        consumers (int): How many consumer processes there are.
        maxsize (int): How many tasks may wait in the queue; then producers wait for room.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Raises:
        ChildProcessError: A worker ended before its work did. The tasks that it had are lost,
            and it may have held a lock of the queue, so the others are ended too.
    """
    context = multiprocessing.get_context(start_method)
    tasks, workers, connections = context.Queue(maxsize), [], {}
    try:
        with ctrl_c_held_back():
            for worker, ours in start_workers(make, parts, do, consumers, tasks, context):
                workers.append(worker)
                if ours:
                    connections[ours] = worker
        yield from take_results(tasks, workers, connections)
        tasks.close()
        tasks.join_thread()  # else it may hold the queue's locks when this process ends
    finally:
        with ctrl_c_held_back():
            for worker in workers:
                worker.kill()
                worker.join()
            tasks.cancel_join_thread()  # nobody reads what is left in it
            tasks.close()


def main(producers=2, consumers=3, tasks=60, maxsize=8, start_method=None):
    """Print how many tasks came back, and the sum of the squares; return the sum."""
    bounds = [tasks * index // producers for index in range(producers + 1)]
    parts = [(first + 1, last) for first, last in itertools.pairwise(bounds)]
    squares = {}
    queue_of_tasks = task_queue(make_tasks, parts, do_task, consumers, maxsize, start_method)
    with contextlib.closing(queue_of_tasks) as results:
        for task, square in results:
            squares[task] = square
    print(f"Producers: {producers}, consumers: {consumers}, sentinels: {consumers}")
    print(f"Tasks done: {len(squares):,}")
    print(f"Sum of the squares: {sum(squares.values()):,}", flush=True)
    return sum(squares.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Many producers and consumers, one Queue.")
    for name, default in (("producers", 2), ("consumers", 3), ("maxsize", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, help="1 to 30")
    parser.add_argument("--tasks", type=int, default=60, help="how many, 0 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name in ("producers", "consumers", "maxsize"):
        if not 1 <= getattr(args, name) <= 30:
            parser.error(f"argument --{name}: {getattr(args, name)} is not from 1 to 30")
    if args.tasks < 0:
        parser.error(f"argument --tasks: {args.tasks} is not 0 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.producers, args.consumers, args.tasks, args.maxsize, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
