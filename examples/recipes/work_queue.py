"""Many jobs, few workers: results in order, whatever happens to a job or to a worker.

python work_queue.py --jobs 20 --workers 3 --bound 6
"""

import argparse
import collections
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys


def do_job(job, attempt):
    """Return the square of the job. Put your own work here."""
    if job == 5:
        raise ValueError("this job always fails")
    if job == 9 and attempt == 1:
        os._exit(1)  # the worker that has this job dies, the first time
    return job * job


def work(connection, parents_end):
    """Run in a worker: answer one job after the other, until the sentinel None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    parents_end.close()  # our copy of it: open, it would hide from us that the parent died
    with contextlib.suppress(EOFError, OSError):  # the parent has died, so we end
        for job, attempt in iter(connection.recv, None):
            try:
                connection.send((True, do_job(job, attempt)))
            except Exception as error:
                connection.send((False, f"{type(error).__name__}: {error}"))


def start_worker(context):
    """Start a worker with Ctrl-C held back; return our end of its pipe, and the worker."""
    ours, theirs = context.Pipe()
    worker = context.Process(target=work, args=(theirs, ours))
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    theirs.close()  # now, before the next worker is forked and inherits it
    return ours, worker


def work_queue(jobs, workers, bound, context):
    """Yield (job, attempt, done, result or reason) in order, with `bound` jobs in hand.

    Each worker has a pipe of its own, for who dies with the lock of a shared Queue in hand
    locks it for ever. A pipe with one writer brings a whole answer or its end: the job is
    done, or not and never by this worker. One job at a time in it, and no send() waits for
    the other side's send().
    """
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    jobs, taken, given = iter(jobs), 0, 0
    waiting, busy, answers = collections.deque(), {}, {}
    idle = [start_worker(context) for _ in range(workers)]
    while True:
        for job in itertools.islice(jobs, bound - (taken - given)):  # back-pressure
            waiting.append((taken, job, 1))
            taken += 1
        while waiting and idle:
            connection, worker = idle.pop()
            busy[connection] = worker, *waiting.popleft()
            with contextlib.suppress(OSError):  # it has died: the end of its pipe will tell
                connection.send(busy[connection][2:])
        if not busy:
            break
        ready = multiprocessing.connection.wait(busy, timeout=1)
        for connection in ready or [end for end in busy if not busy[end][0].is_alive()]:
            worker, number, job, attempt = busy.pop(connection)
            try:
                if not connection.poll():
                    raise EOFError  # dead, and a child of its own holds the pipe open
                answers[number] = job, attempt, *connection.recv()
            except Exception as error:  # dead, perhaps in mid-answer; or not to be unpickled
                connection.close()
                worker.kill()
                worker.join()
                if attempt == 1:
                    waiting.appendleft((number, job, 2))
                else:
                    answers[number] = job, attempt, False, f"no answer: {error!r}"
                connection, worker = start_worker(context)
            idle.append((connection, worker))
        while given in answers:
            yield answers.pop(given)
            given += 1
    for connection, worker in idle:
        with contextlib.suppress(OSError):
            connection.send(None)  # the sentinel, one for each worker
        worker.join(timeout=5)


def main(jobs=20, workers=3, bound=6, start_method=None):
    """Print the squares of 1 to `jobs` in order, worked out in worker processes.

    Args:
        jobs (int): How many jobs there are.
        workers (int): How many worker processes do them.
        bound (int): How many jobs may be in hand: taken, and their results not yet given.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[tuple[int, int, bool, int | str]]: Job, attempt, whether done, result or reason.
    """
    context, results = multiprocessing.get_context(start_method), []
    try:
        for result in work_queue(range(1, jobs + 1), workers, bound, context):
            job, attempt, done, value = result
            word = "done" if done else "failed"
            print(f"Job {job}: {word} at attempt {attempt}, {value}", flush=True)
            results.append(result)
    finally:
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
            worker.kill()
            worker.join()
    print(f"Jobs: {len(results)}, failed: {sum(not result[2] for result in results)}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Do many jobs in few workers, in order.")
    for name, default in (("jobs", 20), ("workers", 3), ("bound", 6)):
        parser.add_argument(f"--{name}", type=int, default=default, help="1 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    for name in ("jobs", "workers", "bound"):
        if getattr(args, name) < 1:
            parser.error(f"argument --{name}: {getattr(args, name)} is not 1 or more")
    try:
        main(args.jobs, args.workers, args.bound, args.start_method)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
