"""Receive from a dead worker, and send to it: which error it is depends on what was on the way.

python dead_worker_errors.py --start-method spawn
"""

import argparse
import multiprocessing
import os


def die(connection):
    """Run in a worker: be killed before it has received or sent anything."""
    os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends


def dead_worker(context, *messages, duplex=True):
    """Return this side of a Pipe whose other side died without having read the messages."""
    here, there = context.Pipe(duplex)
    for message in messages:
        here.send(message)
    worker = context.Process(target=die, args=(there,))
    worker.start()
    there.close()
    worker.join()
    return here


def error_of(call, *arguments):
    """Return the error that a call raises."""
    try:
        return f"no error: {call(*arguments)}"
    except (EOFError, OSError) as error:
        return f"{type(error).__name__} {error}".strip()


def main(start_method=None):
    """Print what recv() and send() raise when the other side is dead."""
    context = multiprocessing.get_context(start_method)
    one_way = dead_worker(context, duplex=False)
    print(f"recv() from a Pipe(duplex=False): {error_of(one_way.recv)}", flush=True)
    read = dead_worker(context)
    print(f"recv() from a Pipe(), nothing unread: {error_of(read.recv)}", flush=True)
    unread = dead_worker(context, "a request")
    print(f"recv() from a Pipe(), a request unread: {error_of(unread.recv)}", flush=True)
    print(f"send() to the dead: {error_of(read.send, 'a request')}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
