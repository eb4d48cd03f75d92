"""A service: requests come as lines, workers that load once reply, each within a time limit.

python service.py --workers 2 --limit 1 < requests.txt
python service.py 7 8 slow 9 die 10
"""

import argparse
import collections
import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import resource_tracker
from typing import Any


def load():
    """Return what each worker loads once, before its first request. Put your own here."""
    return {str(number): number * number for number in range(100_000)}


def reply_to(squares, request):
    """Return the reply to a request, from what was loaded. Put your own work here."""
    if request == "slow":
        time.sleep(60)
    if request == "die":
        os._exit(1)
    return squares[request]


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


class Lines:
    """The lines of a file or a pipe, to be waited for in the same wait() as the workers.

    No buffer of sys.stdin: a line in it would be there, and wait() would not know.
    """

    def __init__(self, descriptor):
        self.source, self.rest, self.ended = descriptor, b"", False
        if sys.platform == "win32":  # whose wait() takes no standard input: a thread copies it
            self.source, writer = multiprocessing.Pipe(duplex=False)
            threading.Thread(target=self.copy, args=(descriptor, writer), daemon=True).start()

    @staticmethod
    def copy(descriptor, writer):
        """Run in a thread: send on what comes."""
        with writer:
            while chunk := os.read(descriptor, 65536):
                writer.send_bytes(chunk)

    def read(self):
        """Return the lines that have come; only after wait() has said that there is something."""
        try:
            on_windows = sys.platform == "win32"
            chunk = self.source.recv_bytes() if on_windows else os.read(self.source, 65536)
        except EOFError:
            chunk = b""
        self.ended = not chunk
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if self.ended and self.rest:
            lines.append(self.rest)
        return [line.decode(errors="replace").rstrip("\r") for line in lines]


def work(setup, reply, connection, parents_end):
    """Run in a worker: load, say that it is ready, reply until the parent has no more."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    parents_end.close()  # our copy of it
    loaded = setup()
    with contextlib.suppress(EOFError, OSError):  # the parent has no more requests
        connection.send("ready")
        while True:
            request = connection.recv()
            connection.send("begun")  # who dies before this has done nothing for it
            try:
                connection.send((True, reply(loaded, request)))
            except Exception as error:  # also: the reply can't be pickled
                connection.send((False, f"{type(error).__name__}: {error}"))


@dataclasses.dataclass
class Worker:
    """A worker process, our end of its pipe, and what it does."""

    process: Any
    connection: Any
    deadline: float | None  # by when it must have loaded, or replied; None: it is idle
    request: tuple[int, str] | None = None  # None: it is idle, or loads
    begun: bool = False
    ready: bool = False

    def end(self):
        """End it, whatever it does; return how it ended."""
        with ctrl_c_held_back():
            self.process.kill()
            self.process.join()
            self.connection.close()
        return self.process.exitcode


class Service:
    """A crew of workers that load once, and their requests; see serve()."""

    def __init__(self, setup, reply, workers, limit, load_limit, context):
        self.setup, self.reply, self.context = setup, reply, context
        self.workers, self.limit, self.load_limit = workers, limit, load_limit
        self.crew, self.failed = [], 0
        self.waiting, self.replies = collections.deque(), {}

    def start_missing(self):
        """Start a worker for each that is missing: at first all of them."""
        while len(self.crew) < self.workers:
            with ctrl_c_held_back():
                ours, theirs = self.context.Pipe()
                args = (self.setup, self.reply, theirs, ours)
                process = self.context.Process(
                    target=WithoutCtrlC(work), args=args, daemon=True
                )
                process.start()
                theirs.close()  # now, before the next worker is forked and inherits it
                self.crew.append(Worker(process, ours, time.monotonic() + self.load_limit))

    def hand_out(self):
        """Send a waiting request to each idle worker."""
        for worker in self.crew:
            if self.waiting and worker.ready and worker.request is None:
                worker.request = self.waiting.popleft()
                worker.deadline = time.monotonic() + self.limit
                with contextlib.suppress(
                    OSError
                ):  # it has died: the end of its pipe will tell
                    worker.connection.send(worker.request[1])

    def wait(self, source):
        """Wait until something happens: a line, a message, a death, or a time limit."""
        ends = [
            end for worker in self.crew for end in (worker.connection, worker.process.sentinel)
        ]
        deadlines = [worker.deadline for worker in self.crew if worker.deadline is not None]
        timeout = min([1.0, *(deadline - time.monotonic() for deadline in deadlines)])
        return multiprocessing.connection.wait([*ends, *source], max(0, timeout))

    def look_after(self, worker, ready):
        """Take what a worker has sent; replace it when it has died, or is over its limit."""
        reason = None
        try:
            if worker.connection in ready:
                return self.receive(worker, worker.connection.recv())
            if worker.process.is_alive():  # else a child of its own holds the pipe open
                if worker.deadline is None or time.monotonic() < worker.deadline:
                    return None
                reason = "too late"
        except (EOFError, OSError):
            pass  # it has died, perhaps in mid-reply
        except Exception as error:  # its reply can't be unpickled
            reason = f"{type(error).__name__}: {error}"
        return self.lose(worker, reason)

    def receive(self, worker, message):
        """Note that the worker has loaded, has begun, or has replied and is idle."""
        worker.begun = message == "begun"
        if worker.begun:
            return
        if message == "ready":
            worker.ready, self.failed = True, 0
        else:
            number, request = worker.request
            self.replies[number] = request, *message
        worker.request = worker.deadline = None

    def lose(self, worker, reason):
        """Give the reason as the reply to its request; end the worker, and forget it.

        No reason: it has died, and a request that it had not begun goes to another one.
        """
        self.crew.remove(worker)
        given_back = worker.request and not worker.begun and not reason
        worker.process.join(timeout=0 if reason else 1)  # dead or about to be: how did it end?
        code = worker.process.exitcode
        worker.end()
        reason = reason or f"its worker ended, exit code {code}"
        if given_back:
            self.waiting.appendleft(worker.request)
        elif worker.request:
            number, request = worker.request
            self.replies[number] = request, False, reason
        elif not worker.ready:
            self.failed += 1
            if self.failed == 3:
                raise ChildProcessError(f"3 workers in a row did not load: {reason}")


def serve(lines, setup, reply, workers=2, limit=1.0, load_limit=60.0, start_method=None):
    """Yield (request, done, reply or reason) for each line, in their order.

    Use it in `with contextlib.closing(serve(...)) as replies`: that ends the workers at once.

    Args:
        lines (Lines): Where the requests come from.
        setup (Callable): Called once in each worker; returns what it needs for its replies.
        reply (Callable): Called with that and a request, in a worker; returns the reply.
        workers (int): How many worker processes there are.
        limit (float): The seconds for one reply, from when a worker has the request; then
            that worker is ended, and another one loads in its place.
        load_limit (float): The seconds for setup.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Raises:
        ChildProcessError: Three workers in a row ended, or were too late, while they loaded.
    """
    if start_method is None:  # the default, without fixing it for the caller
        start_method = multiprocessing.get_start_method(allow_none=True)
    context = multiprocessing.get_context(
        start_method or multiprocessing.get_all_start_methods()[0]
    )
    service, taken, given = Service(setup, reply, workers, limit, load_limit, context), 0, 0
    try:
        while not lines.ended or given < taken:
            service.start_missing()
            service.hand_out()
            hungry = not lines.ended and taken - given < 10 * workers  # back-pressure
            ready = service.wait([lines.source] if hungry else [])
            for worker in list(service.crew):
                service.look_after(worker, ready)
            if hungry and lines.source in ready:
                for request in lines.read():
                    service.waiting.append((taken, request))
                    taken += 1
            while given in service.replies:
                yield service.replies.pop(given)
                given += 1
    finally:
        with ctrl_c_held_back():
            for worker in service.crew:
                worker.end()


def main(requests=(), workers=2, limit=1.0, start_method=None):
    """Print the replies to the requests, or to the lines of standard input if there are none.

    Args:
        requests (Sequence[str]): Requests for a trial.
        workers (int): How many worker processes reply.
        limit (float): The seconds for one reply.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: How many requests got a reply.
    """
    count = 0
    with tempfile.TemporaryFile() as file:
        file.write("".join(f"{request}\n" for request in requests).encode())
        file.seek(0)
        lines = Lines(file.fileno() if requests else sys.stdin.fileno())
        replies = serve(lines, load, reply_to, workers, limit, start_method=start_method)
        with contextlib.closing(replies):
            for request, done, reply in replies:
                print(f"{request}: {reply if done else f'no reply, {reply}'}", flush=True)
                count += done
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Reply to requests in workers that load once."
    )
    parser.add_argument("requests", nargs="*", help="none: the lines of standard input")
    parser.add_argument("--workers", type=int, default=2, help="how many, 1 to 30")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds a reply, up to 60")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 30:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 30")
    if not 0 < args.limit <= 60:
        parser.error(f"argument --limit: {args.limit} is not above 0 and up to 60")
    if not args.requests and sys.stdin is None:
        parser.error("neither requests nor standard input")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.requests, args.workers, args.limit, args.start_method)
    except BrokenPipeError:  # nobody reads the replies any more, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
