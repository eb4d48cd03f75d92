"""Count in workers that share Queues over TCP, which a BaseManager serves.

python manager_queue.py --workers 5 --count 100000000
python manager_queue.py --connect 127.0.0.1:PORT  (one more worker, from another terminal)

Both need the same key in the environment variable COUNTING_KEY; without one it is made up,
and nobody can join. Who has the key can run any code here, because the queues unpickle. A count
that a worker from another terminal has in hand when no other is left may be done twice.

Workers on other machines can join with --listen 0.0.0.0:50000, but what they send and get can
be read and changed on its way. Within ssh it can't: leave --listen out, and on the other machine
ssh -N -L 50000:127.0.0.1:PORT THIS_MACHINE
python manager_queue.py --connect 127.0.0.1:50000
"""

import argparse
import contextlib
import functools
import multiprocessing
import os
import queue
import secrets
import signal
import socket
import sys
import threading
import time
from multiprocessing import resource_tracker
from multiprocessing.managers import BaseManager

COUNTS = 5


@functools.cache  # called in the process of the manager, for each worker: always the same one
def todo():
    """Return the queue of the counts that are to do."""
    return queue.Queue()


@functools.cache
def results():
    """Return the queue of the results."""
    return queue.Queue()


class Queues(BaseManager):
    """Serves both queues over TCP."""


Queues.register("todo", todo)
Queues.register("results", results)


def count_up(address, key):
    """Run in a worker: count as long as there are counts to do."""
    if multiprocessing.parent_process():
        threading.Thread(target=end_with_parent, daemon=True).start()
    name = multiprocessing.current_process().name
    # None is left, or the manager is gone. A blocking get() would be a trap: when the worker
    # dies in it, the manager still waits for it there, and throws the next count away.
    with contextlib.suppress(queue.Empty, EOFError, ConnectionError):
        queues = Queues(address, key)
        queues.connect()
        todo, results = queues.todo(), queues.results()
        while True:
            number, count = todo.get_nowait()
            subtotal = 0
            for _ in range(count):
                subtotal += 1
            results.put((number, os.getpid(), name, subtotal))


def begin():
    """Run first in the process of the manager."""
    threading.Thread(target=end_with_parent, daemon=True).start()


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


def near(address):
    """Return the address for those on this machine: nobody can connect to 0.0.0.0."""
    host, port = address
    return "127.0.0.1" if host == "0.0.0.0" else host, port


def main(workers=5, count=100_000_000, start_method=None, listen=("127.0.0.1", 0)):
    """Let workers count, and print each subtotal as it comes over TCP.

    Args:
        workers (int): How many worker processes to start. More can join.
        count (int): How far each of the five counts goes.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.
        listen (tuple[str, int]): The address for workers, which all of this machine are for
            "0.0.0.0", and any free port for 0.

    Returns:
        int: The total of all subtotals.

    Raises:
        ChildProcessError: The manager died, or workers died again and again.
        OSError: That address isn't one of this machine, or is taken.
    """
    print(f"Parent process ID: {os.getpid()}", flush=True)
    started = time.perf_counter()
    context = multiprocessing.get_context(start_method)
    key = os.environ.get("COUNTING_KEY", secrets.token_hex()).encode()
    queues = Queues(listen, key, ctx=context)
    team, missing, total, rounds = [], set(range(COUNTS)), 0, 0
    socket.create_server(listen).close()  # raises here what would raise in the manager
    try:
        with ctrl_c_held_back():
            queues.start(WithoutCtrlC(begin))
        print("Listening on {}:{}".format(*queues.address), flush=True)
        address = near(queues.address)
        try:
            Queues(address, b"wrong").connect()
        except multiprocessing.AuthenticationError as error:
            print(f"With a wrong key: {error}", flush=True)
        todo, results = queues.todo(), queues.results()
        while missing:  # a count that a dead worker has taken is no longer on the queue
            rounds += 1
            if rounds > 3:
                raise ChildProcessError("workers died, again and again")
            for number in missing:
                todo.put((number, count))
            for n in range(1, workers + 1):
                args = (address, key)
                worker = context.Process(
                    target=WithoutCtrlC(count_up), args=args, name=f"Worker {n}"
                )
                with ctrl_c_held_back():
                    worker.start()
                    team.append(worker)
            working = True
            while missing and working:
                working = any(worker.is_alive() for worker in team)  # before the wait
                with contextlib.suppress(queue.Empty):
                    number, pid, name, subtotal = results.get(timeout=0.2)
                    working = True
                    if number in missing:  # in a later round one may come twice
                        missing.remove(number)
                        line = f"Process ID: {pid}, name: {name}, subtotal: {subtotal:,}"
                        print(line, flush=True)
                        total += subtotal
    except (EOFError, ConnectionError):
        raise ChildProcessError("the manager died") from None
    finally:
        with ctrl_c_held_back():  # a second press doesn't cut this short
            for worker in team:
                worker.kill()
                worker.join()
            if hasattr(queues, "shutdown"):  # it has started
                queues.shutdown()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


def host_and_port(text):
    """Return the parts of HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in workers, with Queues over TCP.")
    parser.add_argument("--workers", type=int, default=5, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument(
        "--listen", type=host_and_port, metavar="HOST:PORT", help="for workers"
    )
    parser.add_argument(
        "--connect",
        type=host_and_port,
        metavar="HOST:PORT",
        help="be a worker of that program",
    )
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    if args.connect and "COUNTING_KEY" not in os.environ:
        parser.error("argument --connect: COUNTING_KEY is not in the environment")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        if args.connect:
            key = os.environ["COUNTING_KEY"].encode()
            Queues(args.connect, key).connect()  # or say why not
            count_up(args.connect, key)
        else:
            listen = args.listen or ("127.0.0.1", 0)
            main(args.workers, args.count, args.start_method, listen)
    except (ChildProcessError, OSError, multiprocessing.AuthenticationError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
