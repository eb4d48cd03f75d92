"""Tasks that make tasks: nobody knows the last one, but a JoinableQueue knows when all are done.

python task_queue_joinable.py --workers 3 --tasks 1000
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
from multiprocessing import resource_tracker


class Halves:
    """The demonstration: task n makes the tasks 2n and 2n + 1, up to a last one."""

    def __init__(self, last):
        self.last = last

    def __call__(self, task):
        """Return the result of a task, and the tasks that it makes. Put your own work here."""
        return task, [more for more in (2 * task, 2 * task + 1) if more <= self.last]


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


def work(do, tasks, results):
    """Run in a worker: do tasks and put those that they make, until the sentinel None."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    while (pickled := tasks.get()) is not None:
        result, more = do(pickle.loads(pickled))
        for task in more:  # before task_done(): else the queue may count 0 while there is more
            tasks.put(pickle.dumps(task))
        results.send((result,))  # before it, too: when join() returns, all results are sent
        tasks.task_done()  # once for each get(); a failure before it ends the whole queue
    results.send(None)  # the last word: it ended because it was told to


def start_workers(do, count, tasks, context):
    """Yield each worker once it runs, and our end of the pipe of its results."""
    for number in range(1, count + 1):
        ours, theirs = context.Pipe(duplex=False)  # its own: one who dies locks nobody out
        args, name = (do, tasks, theirs), f"Worker {number}"
        worker = context.Process(target=WithoutCtrlC(work), args=args, name=name, daemon=True)
        worker.start()
        theirs.close()  # now, before the next worker is forked and inherits it
        yield worker, ours


def put_sentinels(tasks, count):
    """Run in a thread, as join() has no timeout: when all tasks are done, end the workers."""
    tasks.join()
    for _ in range(count):
        tasks.put(None)


def lost(worker):
    """Return the error for a worker that ended before its work did."""
    worker.join(timeout=5)
    return ChildProcessError(f"{worker.name} ended too early, exit code {worker.exitcode}")


def take_results(connections):
    """Yield the results as they come, until each worker has said its last word."""
    wait = multiprocessing.connection.wait
    while connections:
        sentinels = [worker.sentinel for worker in connections.values()]
        ready = set(wait([*sentinels, *connections], timeout=1))
        for connection in connections.keys() & ready:
            try:
                message = connection.recv()
            except (EOFError, OSError):  # a pipe of one writer: a whole message, or its end
                raise lost(connections[connection]) from None
            if message is None:
                del connections[connection]
            else:
                yield message[0]
        for connection, worker in connections.items():
            if worker.is_alive():  # looked at each time: a child may hold its pipes open
                continue
            if worker.exitcode != 0 or not wait([connection], 0):
                raise lost(worker)


def task_tree(tasks, do, workers=3, start_method=None):
    """Yield the result of each task, and of each task that one of them makes, as they come.

    It ends its workers whatever happens. Where an exception may come between two results, use
    `with contextlib.closing(task_tree(...)) as results`: that ends them at once. When not all
    tasks are done by then, a daemon thread stays in join(): nothing can call it back.

    Args:
        tasks (Iterable): The first tasks.
        do (Callable): Called with a task in a worker; returns (result, tasks that it makes).
        workers (int): How many worker processes there are.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Raises:
        ChildProcessError: A worker ended before its work did: its task will never be done,
            join() would wait for it for ever, and so the others are ended too.
    """
    context = multiprocessing.get_context(start_method)
    queue = context.JoinableQueue()  # no maxsize: who takes and puts would wait for itself
    started, connections = [], {}
    try:
        with ctrl_c_held_back():
            for worker, ours in start_workers(do, workers, queue, context):
                started.append(worker)
                connections[ours] = worker
        for task in tasks:
            queue.put(pickle.dumps(task))
        ending = threading.Thread(target=put_sentinels, args=(queue, workers), daemon=True)
        ending.start()
        yield from take_results(connections)
        ending.join()  # else it, or the queue's own thread, may still hold
        queue.close()  # the queue's locks when this process ends
        queue.join_thread()
    finally:
        with ctrl_c_held_back():
            for worker in started:
                worker.kill()
                worker.join()
            queue.cancel_join_thread()  # nobody reads what is left in it
            queue.close()


def main(workers=3, tasks=1000, start_method=None):
    """Print how many tasks were done, and their sum; return the sum."""
    with contextlib.closing(task_tree([1], Halves(tasks), workers, start_method)) as results:
        numbers = list(results)
    print(f"Workers: {workers}, first tasks: 1")
    print(f"Tasks done: {len(numbers):,}")
    print(f"Sum of the tasks: {sum(numbers):,}", flush=True)
    return sum(numbers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tasks that make tasks, on a JoinableQueue.")
    parser.add_argument("--workers", type=int, default=3, help="how many, 1 to 30")
    parser.add_argument("--tasks", type=int, default=1000, help="the last one, 1 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 30:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 30")
    if args.tasks < 1:
        parser.error(f"argument --tasks: {args.tasks} is not 1 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.tasks, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
