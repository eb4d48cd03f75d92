"""Many jobs, few workers: one result for each job, whatever happens to a job or to a worker.

python work_queue.py --jobs 20 --workers 3

To import: `from work_queue import work_queue`, under the guard `if __name__ == "__main__":`.
"""

import argparse
import collections
import contextlib
import dataclasses
import itertools
import math
import multiprocessing
import multiprocessing.connection
import operator
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from multiprocessing import resource_tracker
from typing import Any

HEADER = struct.Struct("!Q")  # before each message: how many bytes it has
LOOK = 0.5  # seconds between two looks for what no message tells
STILLBORN = 10  # so many workers in a row that die before they are ready: it is no accident
PLAIN = {int, float, bool, str, type(None)}  # can neither change nor fail to be pickled
NONE = itertools.repeat("")  # a column of no errors
NOT_YET = object()  # what a source gives when its next job waits for a result


class Result(tuple[Any, ...]):
    """One job and what became of it.

    Attributes:
        number (int): The job's place in its source, from 0.
        job (Any): The job itself.
        attempts (int): How often it was begun.
        value (Any): What `do_job` returned; None after an error.
        error (str): Why there is no value, in a line; "" when there is one.
        traceback (str): Where in the worker it was raised; "" when nothing was.
    """

    __slots__ = ()
    number, job, attempts, value, error, traceback = (
        property(operator.itemgetter(place)) for place in range(6)
    )

    def __repr__(self):
        form = "number={}, job={!r}, attempts={}, value={!r}, error={!r}, traceback={!r}"
        return f"Result({form.format(*self)})"


class Results(itertools.chain[Result]):
    """The results one by one, out of lists: a generator takes longer for each."""

    def close(self):
        """End the workers."""
        self.lists.close()
        collections.deque(self, maxlen=0)


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


def described(error):
    """Return an exception as text, which can always be pickled: a line, and the traceback."""
    line = traceback.format_exception_only(error)[0].strip()
    return line, "".join(traceback.format_exception(error))


class Channel:
    """One end of a way to and fro, by which messages come whole. In the parent nothing waits."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.received, self.unsent = b"", b""

    @classmethod
    def pair(cls, context):
        """Return the parent's end and the worker's. Each pipe has one writer, and no lock."""
        if sys.platform == "win32":  # where selectors take nothing but sockets
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            return cls(ours, ours.dup()), cls(theirs, theirs)
        (jobs, to_worker), (from_worker, answers) = context.Pipe(False), context.Pipe(False)
        for end in (to_worker, from_worker):
            os.set_blocking(end.fileno(), False)
        return cls(from_worker, to_worker), cls(jobs, answers)

    def send(self, message):
        """Send a message, or, when nothing waits, as much of it as there is room for."""
        self.unsent = HEADER.pack(len(message)) + message
        self.send_rest()

    def send_rest(self):
        """Send what is left of the message."""
        try:
            while (sent := write(self.writer, self.unsent)) < len(self.unsent):
                self.unsent = memoryview(self.unsent)[sent:]
            self.unsent = b""
        except BlockingIOError:
            pass

    def receive(self):
        """Return a message when the whole of it has come, else None: a part may stay a part."""
        whole, size = read(self.reader, 2**16), HEADER.size
        if not whole:
            raise EOFError
        if self.received:
            self.received += whole
            whole = self.received
        if len(whole) >= size and len(whole) == size + HEADER.unpack_from(whole)[0]:
            self.received = b""
            return memoryview(whole)[size:]
        self.received = self.received or bytearray(whole)
        return None

    def close(self):
        """Close this end."""
        self.reader.close()
        self.writer.close()


def read(end, size):
    """Read what there is, at most so many bytes."""
    return end.recv(size) if sys.platform == "win32" else os.read(end.fileno(), size)


def write(end, data):
    """Write as much as there is room for; return how much that was."""
    return end.send(data) if sys.platform == "win32" else os.write(end.fileno(), data)


def work(channel, begun, do_job, setup):
    """Run in a worker: answer one message of jobs after the other, until an empty one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler of the caller's isn't for us
    multiprocessing.current_process().daemon = False  # a job may have processes of its own
    threading.Thread(target=end_with_parent, daemon=True).start()
    failure = loaded = ""
    do = do_job if setup is None else lambda job: do_job(job, loaded)
    try:
        if setup is not None:
            loaded = setup()
    except BaseException as error:
        failure = described(error)[1]
    begun = memoryview(begun).cast("B").cast("Q")  # begun[0] is faster than begun.value
    with contextlib.suppress(EOFError, OSError):  # the parent has died, so we end
        channel.send(pickle.dumps(failure))
        while message := receive_job(channel, begun):
            channel.send(pickle.dumps(answers_to(pickle.loads(message), begun, do)))


def answers_to(jobs, begun, do_job):
    """Do jobs; return what is sent of each: its value as it is, or in bytes, or its error."""
    answers, first, plain = [], begun[0], True
    for begun[0], packed in enumerate(jobs, first):
        try:
            answer = do_job(pickle.loads(packed) if type(packed) is bytes else packed)
            if type(answer) not in PLAIN:  # pickled at once: a later job may change it
                answer, plain = pickle.dumps(answer), False
        except BaseException as error:  # sys.exit() is no reason to end, either
            answer, plain = described(error), False
        answers.append(answer)
    return answers if plain else tuple(answers)


def opened(answer):
    """Return what an answer says: value, error and traceback."""
    try:
        if type(answer) is tuple:
            return None, *answer
        return pickle.loads(answer) if type(answer) is bytes else answer, "", ""
    except Exception as error:  # raised by whatever the value is made of
        return None, *described(error)


def receive_job(channel, begun):
    """Return the next message; from its first part on, a death counts as an attempt."""
    message = channel.receive()
    begun[0] += 1
    while message is None:
        message = channel.receive()
    return message


class Worker:
    """A worker process as its parent sees it."""

    def __init__(self, context, do_job, setup):
        self.channel, theirs = Channel.pair(context)
        self.begun, self.ready, self.message = context.RawValue("Q"), False, None
        self.deadline, self.begun_before, self.begun_seen = math.inf, 0, 0
        args = (theirs, self.begun, do_job, setup)
        self.process = context.Process(target=WithoutCtrlC(work), args=args, daemon=True)
        with contextlib.closing(theirs):  # before the next worker is forked and inherits it
            self.process.start()

    def give(self, message):
        """Hand a message of jobs to the worker, which is idle."""
        self.message, self.begun_before = message, self.begun.value
        self.begun_seen = self.begun_before + 1
        self.channel.send(pickle.dumps(message[-1]))

    def died_in_silence(self):
        """Tell a death that no end of file has told: a process of a job holds the channel."""
        alive = self.process.is_alive()
        return not alive and not multiprocessing.connection.wait([self.channel.reader], 0)

    def hang_up(self):
        """Let an idle worker end; kill a busy one."""
        if self.ready and not self.message:
            with contextlib.suppress(OSError):
                self.channel.send(b"")
        else:
            self.process.kill()

    def end(self, timeout):
        """Wait for its end, so that it has an exit code, and kill it when it doesn't come."""
        self.process.join(timeout)
        self.process.kill()
        self.process.join()
        self.channel.close()


@dataclasses.dataclass
class WorkQueue:
    """One call of work_queue(): its arguments, and how far it is with jobs and workers."""

    jobs: Iterable[Any]
    start: Callable[[], Worker]
    workers: int
    bound: int
    batch: int
    attempts: int
    retry_late: bool
    time_limit: float | None
    ordered: bool
    progress: Callable[[int, int], object] | None

    def __post_init__(self):
        self.source = iter(self.jobs)
        self.taken = self.done = self.given = 0
        self.waiting, self.finished = collections.deque(), {}
        self.team, self.idle, self.stillborn = [], [], 0
        self.paused, self.look_at = False, 0.0

    def lists(self):
        """Yield the results, in lists, and end the workers whatever happens."""
        self.selector = selectors.DefaultSelector()
        try:
            with ctrl_c_held_back():
                for _ in range(self.workers):
                    self.hire()
            while True:
                while results := self.finished.pop(self.given, None):  # before it takes more
                    self.given += len(results)
                    self.paused = self.source is None
                    yield results
                if self.may_take():
                    self.take()
                if self.source is None and self.given == self.taken:
                    break
                self.give()
                self.hear()
                if time.monotonic() >= self.look_at:
                    self.look()
        finally:
            with ctrl_c_held_back():
                for worker in self.team:
                    worker.hang_up()
                deadline = time.monotonic() + 5
                for worker in self.team:
                    worker.end(max(0, deadline - time.monotonic()))
                self.selector.close()

    def may_take(self):
        """Tell whether there may be a job to take: this is the back-pressure."""
        return not self.paused and self.taken - self.given < self.bound

    def take(self):
        """Take as many jobs as fit into a message: numbers, jobs, attempts, and what is sent."""
        jobs, others, unfit = [], {}, []
        room = min(self.batch, self.bound - self.taken + self.given)
        for job in itertools.islice(self.source, room):
            if type(job) not in PLAIN:
                if job is NOT_YET:
                    self.paused = True
                    break
                try:
                    others[len(jobs)] = pickle.dumps(job)
                except Exception as error:  # raised by whatever the job is made of
                    unfit = [Result((self.taken + len(jobs), job, 0, None, *described(error)))]
                    break  # it ends the message, whose jobs follow one another
            jobs.append(job)
        else:
            if len(jobs) < room:  # that was the last of them
                self.paused, self.source = True, None
        if jobs:
            packed = list(map(others.get, itertools.count(), jobs)) if others else jobs
            numbers = range(self.taken, self.taken + len(jobs))
            self.waiting.append((numbers, jobs, [1] * len(jobs), packed))
        self.taken += len(jobs) + len(unfit)
        if unfit:
            self.finish(unfit)

    def give(self):
        """Give the waiting messages to the idle workers."""
        while self.waiting and self.idle:
            worker = self.idle.pop()
            try:
                worker.give(self.waiting.popleft())
            except OSError:  # it has died: the end of its channel tells
                continue
            if worker.channel.unsent:
                writer = worker.channel.writer
                self.selector.register(writer, selectors.EVENT_WRITE, worker)
            if self.time_limit is not None:
                self.set_deadline(worker)

    def set_deadline(self, worker):
        """Let the time limit of a busy worker begin now."""
        if self.time_limit is not None and worker.message:
            worker.deadline = time.monotonic() + self.time_limit
            self.look_at = min(self.look_at, worker.deadline)

    def hear(self):
        """Read what workers say; wait for it only when there is nothing else to do."""
        busy = self.may_take() or self.given in self.finished
        timeout = 0 if busy else max(0, self.look_at - time.monotonic())
        for key, event in self.selector.select(timeout):
            worker = key.data
            try:
                if event & selectors.EVENT_READ:
                    message = worker.channel.receive()
                else:
                    worker.channel.send_rest()
                    if not worker.channel.unsent:
                        self.selector.unregister(worker.channel.writer)
                    continue
            except BlockingIOError:
                continue
            except (EOFError, OSError):
                if worker in self.team:  # the other end of its channel may have told before
                    self.replace(worker)
                continue
            self.settle(worker, message)

    def settle(self, worker, message):
        """Take in that a worker is ready, or its answers; in both cases it is idle now."""
        if message is None:  # it has begun to answer, so it is not too late
            self.set_deadline(worker)
            return
        said, done, worker.message = pickle.loads(message), worker.message, None
        if not worker.ready and said:
            raise RuntimeError(f"setup() failed in a worker:\n{said}")
        worker.ready, worker.deadline, self.stillborn = True, math.inf, 0
        self.idle.append(worker)
        self.give()  # first of all, for it waits
        if done:
            plain = type(said) is list
            columns = (said, NONE, NONE) if plain else zip(*map(opened, said), strict=True)
            numbers, jobs, attempts, _ = done
            fields = zip(numbers, jobs, attempts, *columns)  # noqa: B905  # strict takes longer
            self.finish(list(map(Result, fields)))  # no Python for each of them

    def finish(self, results):
        """Keep results that follow one another until their turn."""
        self.finished[results[0].number if self.ordered else self.done] = results
        before, self.done = self.done, self.done + len(results)
        if self.progress is not None:
            for done in range(before, self.done):
                self.progress(done + 1, self.taken)

    def look(self):
        """Look for what no message tells: jobs over their limit, and deaths in silence."""
        now, self.paused = time.monotonic(), self.source is None
        for worker in list(self.team):
            if now >= worker.deadline and worker.begun.value <= worker.begun_seen:
                self.replace(worker, f"TimeoutError: not done within {self.time_limit} s")
            elif now >= worker.deadline:  # it has come to a later job of its message
                worker.begun_seen = worker.begun.value
                self.set_deadline(worker)
            elif worker.died_in_silence():
                self.replace(worker)
        self.look_at = min([now + LOOK, *(worker.deadline for worker in self.team)])

    def hire(self):
        """Start a worker; call it with Ctrl-C held back."""
        worker = self.start()
        self.team.append(worker)
        self.selector.register(worker.channel.reader, selectors.EVENT_READ, worker)

    def replace(self, worker, late=""):
        """End a worker that is dead or late, start another one, and give back its jobs."""
        with ctrl_c_held_back():
            if late:
                worker.process.kill()
            for end in (worker.channel.reader, worker.channel.writer):
                if end in self.selector.get_map():
                    self.selector.unregister(end)
            worker.end(timeout=1)
            self.team.remove(worker)
            if worker in self.idle:
                self.idle.remove(worker)
            code = worker.process.exitcode
            self.stillborn += not worker.ready
            if self.stillborn == STILLBORN:
                raise ChildProcessError(
                    f"{STILLBORN} workers ended in setup, exit code {code}"
                )
            self.hire()
        begun = worker.begun.value - worker.begun_before
        if worker.message is None:
            return
        at = max(0, begun - 1)
        *again, guilty = (
            [column[which] for column in worker.message]
            for which in (slice(begun, None), slice(at), slice(at, begun))
        )
        if begun:  # none, when it died before it saw them
            (number,), (job,), attempts, _ = guilty
            if attempts[0] < self.attempts and (self.retry_late or not late):
                attempts[0] += 1
                again.append(guilty)  # alone, it ends nobody else's
            else:
                why = late or f"ChildProcessError: the worker ended, exit code {code}"
                self.finish([Result((number, job, *attempts, None, why, ""))])
        self.waiting.extendleft(message for message in again if message[0])


def work_queue(
    jobs,
    do_job,
    *,
    workers=4,
    setup=None,
    time_limit=None,
    attempts=2,
    retry_late=False,
    bound=None,
    batch=1,
    ordered=True,
    progress=None,
    start_method=None,
):
    """Do many jobs in a few worker processes; yield one `Result` for each.

    What fails in a job, be it by an exception, a dead worker, a limit, or because it or its
    result can't be pickled, is the `error` of its own result and touches no other job.

    Args:
        jobs (Iterable): The source. It may be endless, and may wait for results: what is
            ready is handed on before it is asked for more, and where its next job depends on
            a result that isn't there yet, it gives `NOT_YET`.
        do_job (Callable): Called with a job, in a worker: `do_job(job)`; with what `setup`
            returned too, if there is one: `do_job(job, loaded)`.
        workers (int): How many worker processes there are.
        setup (Callable | None): Called once in each worker, before its first job.
        time_limit (float | None): Seconds after which the worker of a job is killed. They are
            watched while you wait for a result.
        attempts (int): How often a job is begun at most, when workers die of it.
        retry_late (bool): Whether a job over its limit is tried again as well.
        bound (int | None): How many jobs may be in hand: taken, and their results not given.
            None: four messages for each worker.
        batch (int): How many jobs go in a message. Above 1 for small jobs that may be done
            again: a worker that dies gives back all jobs of its message.
        ordered (bool): Whether the results come in the order of the jobs, or as they come.
        progress (Callable | None): Called with two counts, after each job: done and taken.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        Iterator[Result]: Its end, its close(), an exception and Ctrl-C end all workers.

    Raises:
        ValueError: An argument is out of range.
        RuntimeError: `setup` has raised; the text has its traceback.
        ChildProcessError: The workers die, one after the other, before they are ready.
    """
    counts = {"workers": workers, "attempts": attempts, "batch": batch}
    counts["bound"] = bound = 4 * workers * batch if bound is None else bound
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value}, not 1 or more")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit is {time_limit}, not above 0")
    if start_method is None:  # the default, without fixing it for the caller
        start_method = multiprocessing.get_start_method(allow_none=True)
    context = multiprocessing.get_context(
        start_method or multiprocessing.get_all_start_methods()[0]
    )
    lists = WorkQueue(
        jobs,
        lambda: Worker(context, do_job, setup),
        **counts,
        retry_late=retry_late,
        time_limit=time_limit,
        ordered=ordered,
        progress=progress,
    ).lists()
    results = Results.from_iterable(lists)
    results.lists = lists
    return results


def square(job):
    """Return the square of the job, but for a few that have their troubles."""
    if job == 5:
        raise ValueError("this job always fails")
    if job == 9:
        os._exit(1)  # this job ends each worker that has it
    if job == 13:
        time.sleep(3600)  # this job is too slow
    return job * job


def main(jobs=20, workers=3, start_method=None):
    """Print the squares of 1 to `jobs` in order, worked out in worker processes.

    Args:
        jobs (int): How many jobs there are.
        workers (int): How many worker processes do them.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[Result]: One for each job.
    """
    results, numbers = [], range(1, jobs + 1)
    for result in work_queue(
        numbers, square, workers=workers, time_limit=0.5, start_method=start_method
    ):
        said = f"failed, {result.error}" if result.error else f"done, {result.value}"
        print(f"Job {result.job}: {said} (attempts: {result.attempts})", flush=True)
        results.append(result)
    print(f"Jobs: {len(results)}, failed: {sum(bool(result.error) for result in results)}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Do many jobs in few workers, in order.")
    for name, default in (("jobs", 20), ("workers", 3)):
        parser.add_argument(f"--{name}", type=int, default=default, help="1 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name in ("jobs", "workers"):
        if getattr(args, name) < 1:
            parser.error(f"argument --{name}: {getattr(args, name)} is not 1 or more")
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        main(args.jobs, args.workers, args.start_method)
    except BrokenPipeError:  # who read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
