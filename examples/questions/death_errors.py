"""Kill the process at the other end at different moments, and print which error this one gets.

python death_errors.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import struct
from concurrent.futures import ProcessPoolExecutor


def die(connection=None, begun=False):
    """Run in a worker: be killed, perhaps when the beginning of a message is sent.

    A message begins with its length, unless the system is Windows, which keeps messages whole.
    """
    if begun and os.name == "posix":
        os.write(connection.fileno(), struct.pack("!i", 1000) + b"a few of 1000 bytes")
    os.kill(os.getpid(), 9)


def end_of_pipe(context, duplex=True, begun=False, requests=()):
    """Return this end of a Pipe; the worker at the other end was killed."""
    here, there = context.Pipe(duplex)
    for request in requests:
        here.send(request)
    worker = context.Process(target=die, args=(there, begun))
    worker.start()
    there.close()
    worker.join()
    return here


def outcome(call, *arguments, **options):
    """Return the error that a call raises, or what it returns."""
    try:
        return f"returns {call(*arguments, **options)}"
    except Exception as error:
        number = f" [Errno {error.errno}]" if getattr(error, "errno", None) else ""
        text = f": {error}" if isinstance(error, OSError) and not number else ""
        return f"{type(error).__name__}{number}{text}"


def main(start_method=None):
    """Print what each call says when the other process is dead."""
    context = multiprocessing.get_context(start_method)

    print("It had sent nothing", flush=True)
    print(f"  recv(), Pipe(duplex=False): {outcome(end_of_pipe(context, duplex=False).recv)}")
    here = end_of_pipe(context)
    print(f"  recv(), Pipe(): {outcome(here.recv)}")
    print(f"  poll(), Pipe(): {outcome(here.poll)}")
    print(f"  send(), Pipe(): {outcome(here.send, 'a request')}", flush=True)

    print("It had sent the beginning of a message")
    print(f"  recv(): {outcome(end_of_pipe(context, begun=True).recv)}", flush=True)

    print("It had not read a request")
    print(
        f"  recv(): {outcome(end_of_pipe(context, requests=['a request']).recv)}", flush=True
    )

    print("It had a Queue")
    queue = context.Queue()
    worker = context.Process(target=die, args=(queue,))
    worker.start()
    worker.join()
    print(f"  get(timeout=0.1): {outcome(queue.get, timeout=0.1)}", flush=True)

    print("It was the process of a Manager")
    with context.Manager() as manager:
        shared = manager.dict()
        shared["answer"] = 42
        (server,) = multiprocessing.active_children()
        server.kill()
        server.join()
        print(f"  a further call of a proxy: {outcome(len, shared)}")
        print(f"  a new dict(): {outcome(manager.dict)}", flush=True)

    print("It was a worker of a ProcessPoolExecutor")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        print(f"  result(): {outcome(executor.submit(die).result)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
