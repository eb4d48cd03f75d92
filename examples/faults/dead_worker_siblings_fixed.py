"""Wait on the pipe and on the worker's sentinel: the parent reports the dead, fork or not.

python dead_worker_siblings_fixed.py --start-method fork
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys


def square(number, connection):
    """Run in a worker: send the square of the number, then wait for the next task."""
    if number == 1:
        os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends
    connection.send(number * number)
    with contextlib.suppress(EOFError, OSError):  # the parent has ended
        connection.recv()  # the next task, which never comes


def receive(number, connection, worker):
    """Return the worker's answer, unless it died before it sent one."""
    multiprocessing.connection.wait([connection, worker.sentinel])
    try:
        if not connection.poll():  # so it was the sentinel: it has ended and nothing has come
            raise EOFError
        return connection.recv()
    except EOFError:  # nobody is left who could send
        worker.join()
        code = worker.exitcode
        raise ChildProcessError(f"worker {number} died, exit code {code}") from None


def main(start_method=None):
    """Return {number: its square}, one from each worker."""
    context = multiprocessing.get_context(start_method)
    pipes = {number: context.Pipe() for number in (1, 2, 3)}
    workers = {}
    for number, (_, theirs) in pipes.items():
        workers[number] = context.Process(target=square, args=(number, theirs), daemon=True)
        workers[number].start()  # under fork it inherits each worker's end, not only its own
    for _, theirs in pipes.values():
        theirs.close()
    squares = {}
    for number, (ours, _) in pipes.items():
        print(f"parent: wait for worker {number}", flush=True)
        squares[number] = receive(number, ours, workers[number])
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
