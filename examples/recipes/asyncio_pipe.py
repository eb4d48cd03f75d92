"""Receive from a worker process in an event loop, and measure how long the loop stands still.

python asyncio_pipe.py --messages 5 --pause 0.1
"""

import argparse
import asyncio
import contextlib
import functools
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker


async def receive(connection):
    """Return the next message of a Connection; the loop runs meanwhile.

    The loop waits for the message, and only then it is taken. So a time limit, as in
    `asyncio.wait_for(receive(connection), 1)`, loses none. One receive() at a time.

    Raises:
        EOFError: The other end is closed, as when its process has ended.
    """
    if sys.platform == "win32":  # the loop there has no add_reader()
        return await receive_by_thread(connection)
    ready = asyncio.Event()
    asyncio.get_running_loop().add_reader(connection.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        asyncio.get_running_loop().remove_reader(connection.fileno())
    return connection.recv()


async def receive_by_thread(connection):
    """Do the same on each system, a little slower: a thread waits, and takes nothing."""
    while not await asyncio.to_thread(connection.poll, 0.2):
        pass
    return connection.recv()


def get_or_none(messages, worker):
    """Return the next object of a Queue, or None when its worker has died without one."""
    while True:
        alive = worker.is_alive()  # asked before the wait, or its last one could be missed
        try:
            return messages.get(timeout=0.2)
        except queue.Empty:
            if not alive:
                return None


def hand_on(messages, worker, loop, inbox):
    """Run in a thread: hand on to an asyncio.Queue what comes, up to a None or a death.

    Args:
        messages (multiprocessing.Queue): Where it comes from, the last one a None.
        worker (multiprocessing.Process): The one that puts it, and may die.
        loop (asyncio.AbstractEventLoop): The loop of the inbox.
        inbox (asyncio.Queue): Where it goes to, the last one a None.
    """
    message = True
    with contextlib.suppress(RuntimeError):  # the loop is closed
        while message is not None:
            message = get_or_none(messages, worker)
            loop.call_soon_threadsafe(inbox.put_nowait, message)


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


@contextlib.contextmanager
def ctrl_c_cancels(task):
    """Let Ctrl-C cancel a task while its loop runs, as asyncio.run() does; a second one raises."""
    handler = signal.getsignal(signal.SIGINT)
    ours = handler is not None and threading.current_thread() is threading.main_thread()

    def cancel(*_):
        if task.done() or task.cancelling():
            raise KeyboardInterrupt
        task.cancel()
        task.get_loop().call_soon_threadsafe(lambda: None)  # or it would sleep on

    try:
        if ours:
            signal.signal(signal.SIGINT, cancel)
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        if ours:
            signal.signal(signal.SIGINT, handler)


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


def work(channel, messages, pause):
    """Run in a worker: give one message after each pause, and None at the end."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    give = channel.put if hasattr(channel, "put") else channel.send
    for number in range(messages):
        time.sleep(pause)  # the work for one message
        give(number)
    give(None)


async def blocking(take):
    """Wait in the coroutine itself, as it should not be done: the whole loop waits."""
    return take()


async def tick(pauses):
    """Note how long the loop took to come round, each millisecond."""
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        pauses.append(now - last)
        last = now


async def count_messages(way, channel, worker, threads):
    """Take all messages in one way; return how many, and the longest pause of the loop."""
    loop, inbox, pauses, count = asyncio.get_running_loop(), asyncio.Queue(), [], 0
    if way == "Queue, get() in a thread":
        args = (channel, worker, loop, inbox)
        threads.append(threading.Thread(target=hand_on, args=args, daemon=True))
        threads[-1].start()
    take = {
        "Pipe, recv() in the coroutine": lambda: blocking(channel.recv),
        "Pipe, add_reader()": lambda: receive(channel),
        "Pipe, poll() in a thread": lambda: receive_by_thread(channel),
        "Queue, get() in the coroutine": lambda: blocking(
            functools.partial(get_or_none, channel, worker)
        ),
        "Queue, get() in a thread": inbox.get,
    }[way]
    ticking = asyncio.create_task(tick(pauses))
    try:
        await asyncio.sleep(0.01)  # it ticks
        with contextlib.suppress(EOFError, OSError):  # the worker has died
            while await take() is not None:
                count += 1
                await asyncio.sleep(0)  # the others' turn
        await asyncio.sleep(0.01)
    finally:
        ticking.cancel()
    return count, max(pauses)


WAYS = (
    "Pipe, recv() in the coroutine",
    "Pipe, add_reader()",
    "Pipe, poll() in a thread",
    "Queue, get() in the coroutine",
    "Queue, get() in a thread",
)


def measure(way, messages, pause, context):
    """Start a worker and take its messages in one way; return the longest pause in seconds."""
    if way.startswith("Queue"):
        channel = theirs = context.Queue()
    else:
        channel, theirs = context.Pipe(duplex=False)
    started, threads, runner = [], [], asyncio.Runner()
    try:
        with ctrl_c_held_back():
            args = (theirs, messages, pause)
            worker = context.Process(target=WithoutCtrlC(work), args=args, daemon=True)
            worker.start()  # before the loop: it may have threads, and a fork can't copy them
            started.append(worker)
            # A Ctrl-C in the middle of their making would leave half a loop, or half a task.
            loop = runner.get_loop()
            counting = loop.create_task(count_messages(way, channel, worker, threads))
        if theirs is not channel:
            theirs.close()
        with ctrl_c_cancels(counting):
            count, longest = loop.run_until_complete(counting)
        worker.join(timeout=5)
    finally:
        with ctrl_c_held_back():
            for each in started:
                each.kill()
                each.join()
            runner.close()
            for thread in threads:
                thread.join(timeout=1)
    if count < messages:
        raise ChildProcessError(f"the worker ended too early, exit code {worker.exitcode}")
    return longest


def main(messages=5, pause=0.1, start_method=None):
    """Print for each way to take a worker's messages how long the loop stood still.

    Args:
        messages (int): How many messages the worker sends.
        pause (float): The seconds before each of them.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, float]: For each way the longest pause of the loop in seconds.

    Raises:
        ChildProcessError: A worker ended before it had sent all messages.
    """
    context, longest = multiprocessing.get_context(start_method), {}
    for way in WAYS:
        if sys.platform == "win32" and "add_reader" in way:
            continue
        longest[way] = measure(way, messages, pause, context)
        print(f"{way}: longest pause of the loop {longest[way] * 1000:.1f} ms", flush=True)
    return longest


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Messages of a process in an event loop.")
    parser.add_argument("--messages", type=int, default=5, help="how many, 0 or more")
    parser.add_argument(
        "--pause", type=float, default=0.1, help="seconds before each, up to 1"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if args.messages < 0:
        parser.error(f"argument --messages: {args.messages} is not 0 or more")
    if not 0 <= args.pause <= 1:
        parser.error(f"argument --pause: {args.pause} is not from 0 to 1")
    try:
        main(args.messages, args.pause, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
