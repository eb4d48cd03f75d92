"""Stop a worker in each of the known ways, and look at what is broken afterwards.

python stop_workers.py --task 0.02 --patience 1
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker
from typing import Any, NamedTuple

SIZE = 100_000  # bytes of a result: more than a pipe has room for, so its writer waits
WAITING = 5  # tasks that stand before the sentinel


class Way(NamedTuple):
    """A way to stop a worker. The functions stay where they are: only its name travels."""

    channel: Any  # called with the context: makes what the parent says it through
    asked: Any  # called with the channel, in the worker, before each task: is it to end?
    stop: Any  # called with worker and channel, in the parent


def put_sentinel(_, tasks):
    """Put the sentinel behind the tasks that wait already."""
    for task in [*range(WAITING), None]:
        tasks.put(task)


WAYS = {
    "sentinel": Way(lambda new: new.Queue(), lambda tasks: tasks.get() is None, put_sentinel),
    "Event": Way(
        lambda new: new.Event(), lambda event: event.is_set(), lambda _, event: event.set()
    ),
    "closed pipe": Way(
        lambda new: new.Pipe(duplex=False),
        lambda pipe: pipe[0].poll(),
        lambda _, pipe: pipe[1].close(),
    ),
    "terminate()": Way(
        lambda new: None, lambda _: False, lambda worker, _: worker.terminate()
    ),
    "kill()": Way(lambda new: None, lambda _: False, lambda worker, _: worker.kill()),
}
if hasattr(multiprocessing.Process, "interrupt") and sys.platform != "win32":  # from 3.14 on
    WAYS["interrupt()"] = Way(
        lambda new: None, lambda _: False, lambda worker, _: worker.interrupt()
    )


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


def work(way, channel, seconds, results, notes):
    """Run in the worker: put one result after another, until it is asked to end."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    if way == "closed pipe":
        channel[1].close()  # our copy of the parent's end: open, the pipe would have no end
    if way == "interrupt()":  # which is a Ctrl-C for this worker alone
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            while not WAYS[way].asked(channel):
                time.sleep(seconds)  # the work for one result
                results.put(bytes(SIZE))
        finally:
            notes.send("finally")


def use(results, connection):
    """Run in the user of the same Queue: when told, put a mark, and take all until it comes."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    connection.send("ready")
    connection.recv()
    results.put("mark")
    while results.get() != "mark":
        pass
    connection.send("usable")
    while True:  # what the worker still has to write: before that it doesn't end
        results.get()


def join_or_kill(worker, timeout):
    """Wait for a worker that was asked to end, and kill it if it doesn't.

    Returns:
        bool: Whether it ended. If not: throw away each Queue, Lock and Event that it used.
    """
    worker.join(timeout)
    followed = not worker.is_alive()
    if not followed:
        worker.kill()
        worker.join()
    return followed


def received(connection, timeout):
    """Return what a process sent within the timeout, or None: nothing, or it has ended."""
    with contextlib.suppress(EOFError, OSError):
        if connection.poll(timeout):
            return connection.recv()
    return None


def measure(way, seconds, patience, context, processes):
    """Stop a worker at work; return (seconds, exit code, finally ran, Queue usable)."""
    results = context.Queue()
    user_end, its_end = context.Pipe()
    notes, its_notes = context.Pipe(duplex=False)
    user = context.Process(target=WithoutCtrlC(use), args=(results, its_end), daemon=True)
    with ctrl_c_held_back():
        user.start()
        processes.append(user)
        channel = WAYS[way].channel(
            context
        )  # now, so that the user has no copy of a pipe's end
        args = (way, channel, seconds, results, its_notes)
        worker = context.Process(target=WithoutCtrlC(work), args=args, daemon=True)
        worker.start()
        processes.append(worker)
    for end in (its_end, its_notes, *([channel[0]] if way == "closed pipe" else [])):
        end.close()
    if way == "sentinel":
        channel.put("a first task")
    if received(user_end, 60) is None:
        raise ChildProcessError(f"the user ended too early, exit code {user.exitcode}")
    while worker.is_alive() and results.empty():  # until it writes, and holds the lock
        time.sleep(0.001)
    start = time.monotonic()
    WAYS[way].stop(worker, channel)
    with contextlib.suppress(OSError):
        user_end.send("use it")
    followed = join_or_kill(worker, patience)
    took = time.monotonic() - start if followed else None
    usable = received(user_end, patience) == "usable"
    return took, worker.exitcode, received(notes, 0) == "finally", usable


def main(task=0.02, patience=1.0, start_method=None):
    """Print a table of what each way to stop a worker does.

    Args:
        task (float): The seconds that the worker needs for one result.
        patience (float): The seconds after which a worker is killed, and a Queue is broken.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, tuple[float | None, int, bool, bool]]: For each way the seconds until the
            worker ended, its exit code, whether `finally` ran, whether the Queue is usable.
    """
    context, outcomes, processes = multiprocessing.get_context(start_method), {}, []
    print(f"{'Way':<13}{'Ended after':>12}{'Exit code':>11}  {'finally ran':<13}Queue usable")
    try:
        for way in WAYS:
            outcomes[way] = measure(way, task, patience, context, processes)
            took, code, cleaned, usable = outcomes[way]
            after = "not at all" if took is None else f"{took * 1000:.0f} ms"
            words = ["yes" if word else "no" for word in (cleaned, usable)]
            print(f"{way:<13}{after:>12}{code:>11}  {words[0]:<13}{words[1]}", flush=True)
    finally:
        with ctrl_c_held_back():
            for process in processes:
                process.kill()
                process.join()
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Stop a worker in each of the known ways.")
    parser.add_argument(
        "--task", type=float, default=0.02, help="seconds for a result, up to 1"
    )
    parser.add_argument(
        "--patience", type=float, default=1.0, help="seconds to wait, up to 60"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 0 <= args.task <= 1:
        parser.error(f"argument --task: {args.task} is not from 0 to 1")
    if not 0 < args.patience <= 60:
        parser.error(f"argument --patience: {args.patience} is not above 0 and up to 60")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.task, args.patience, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
