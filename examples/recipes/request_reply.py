"""Send numbered requests to workers: replies in any order, a time limit for each request.

python request_reply.py --workers 3 --slow 0.5
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from multiprocessing import resource_tracker

LIMITS = {1: 10.0, 2: 0.2, 3: 10.0, 4: 10.0, 5: 10.0, 6: 10.0}  # request: seconds


def serve(connection):
    """Run in a worker: reply to one request after the other, until the sentinel None."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the parent has died, so we end
        for number, seconds in iter(connection.recv, None):
            time.sleep(seconds)
            connection.send((number, number * number))


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


def main(workers=3, slow=0.5, start_method=None):
    """Send six requests to the workers in turn and print what becomes of each.

    Args:
        workers (int): How many worker processes reply.
        slow (float): The seconds that request 2 takes. Its time limit is 0.2 s.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[int, int]: The reply to each request that was replied to in time.
    """
    context = multiprocessing.get_context(start_method)
    team, pipes, asked, deadlines, replies = [], {}, {}, {}, {}
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            worker = context.Process(target=WithoutCtrlC(serve), args=(theirs,))
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            pipes[ours] = worker
            theirs.close()  # now, before the next worker is forked and inherits it
        turns = list(pipes)
        for number, limit in LIMITS.items():
            asked[number] = turns[number % workers]
            with contextlib.suppress(OSError):  # it has died: the end of its pipe will tell
                asked[number].send((number, slow if number == 2 else 0))  # small: has room
            deadlines[number] = time.monotonic() + limit
        while deadlines:
            patience = max(0, min(deadlines.values()) - time.monotonic())
            ready = multiprocessing.connection.wait(pipes, patience)
            late = [n for n, deadline in deadlines.items() if deadline <= time.monotonic()]
            for number in late:
                print(f"Request {number}: no reply within {LIMITS[number]} s", flush=True)
                del deadlines[number]
            for connection in ready:
                try:
                    number, reply = connection.recv()
                except (EOFError, OSError):  # its worker has died
                    del pipes[connection]
                    for number in [n for n in deadlines if asked[n] is connection]:
                        print(f"Request {number}: no reply, its worker died", flush=True)
                        del deadlines[number]
                    continue
                if number in deadlines:
                    print(f"Request {number}: {reply}", flush=True)
                    replies[number] = reply
                    del deadlines[number]
                else:  # without the number we'd take it for the reply to another request
                    print(f"Request {number}: the reply, too late", flush=True)
        for connection, worker in pipes.items():
            with contextlib.suppress(OSError):
                connection.send(None)  # the sentinel
            worker.join(timeout=1)
    finally:
        with ctrl_c_held_back():  # also who is still at work; a second press waits
            for worker in team:
                worker.kill()
                worker.join()
    print(f"Replies in time: {len(replies)} of {len(LIMITS)}", flush=True)
    return replies


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Requests, replies, and a limit for each.")
    parser.add_argument("--workers", type=int, default=3, help="how many, 1 to 100")
    parser.add_argument("--slow", type=float, default=0.5, help="seconds request 2 takes")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if not 0 <= args.slow <= 60:
        parser.error(f"argument --slow: {args.slow} is not from 0 to 60")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.workers, args.slow, args.start_method)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
