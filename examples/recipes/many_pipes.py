"""Read from many pipes at once: a chatty worker doesn't keep the others waiting.

python many_pipes.py --messages 5000
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


def talk(sender, messages, pause):
    """Run in a worker: send the time, again and again."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with contextlib.suppress(OSError):  # the parent reads no more, so we end
        for _ in range(messages):
            sender.send(time.monotonic())
            time.sleep(pause)


def talk_and_die(sender, messages, pause):
    """Run in a worker: talk, and don't end as one should."""
    talk(sender, messages, pause)
    os._exit(3)


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


def main(messages=5000, start_method=None):
    """Read all that three workers send, and print how long a message had to wait.

    Args:
        messages (int): How many messages the chatty worker sends.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        dict[str, tuple[int, int]]: For each worker how many messages came, and its exit code.
    """
    context = multiprocessing.get_context(start_method)
    talks = {
        "Chatty": (talk, messages, 0),
        "Quiet": (talk, 10, 0.01),
        "Dying": (talk_and_die, 5, 0),
    }
    team, ends, waited = [], {}, {}
    try:
        for name, (target, *args) in talks.items():
            receiver, sender = context.Pipe(duplex=False)
            worker = context.Process(
                target=WithoutCtrlC(target), args=(sender, *args), name=name
            )
            with ctrl_c_held_back():
                worker.start()
                team.append(worker)
            sender.close()  # now, before the next worker is forked and inherits it
            ends[receiver] = ends[worker.sentinel] = worker
            waited[worker] = []
        while ends:
            ready = multiprocessing.connection.wait(ends, timeout=1)
            for end in ready or [end for end in ends if not ends[end].is_alive()]:
                worker = ends[end]
                if end == worker.sentinel:
                    worker.join()
                    print(f"{worker.name}: ended, exit code {worker.exitcode}", flush=True)
                    del ends[end]
                    continue
                try:
                    if not end.poll():
                        raise EOFError  # dead, and a child of its own holds the pipe open
                    sent = end.recv()  # one message, then the next worker's turn: that is fair
                    waited[worker].append(time.monotonic() - sent)
                except (EOFError, OSError):  # all is read, the messages of the dead as well
                    print(f"{worker.name}: {len(waited[worker])} messages", flush=True)
                    del ends[end]
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
    for worker, times in waited.items():
        print(f"{worker.name}: longest wait {1000 * max(times, default=0):.1f} ms", flush=True)
    return {worker.name: (len(times), worker.exitcode) for worker, times in waited.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Read from many pipes, fairly.")
    parser.add_argument("--messages", type=int, default=5000, help="of the chatty worker")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if args.messages < 0:
        parser.error(f"argument --messages: {args.messages} is not 0 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.messages, args.start_method)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
