"""Send numbered requests to workers: replies in any order, a time limit for each request.

python request_reply.py --workers 3 --slow 0.5
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import signal
import sys
import time

LIMITS = {1: 10.0, 2: 0.2, 3: 10.0, 4: 10.0, 5: 10.0, 6: 10.0}  # request: seconds


def serve(connection):
    """Run in a worker: reply to one request after the other, until the sentinel None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    with contextlib.suppress(EOFError, OSError):  # the parent has died, so we end
        for number, seconds in iter(connection.recv, None):
            time.sleep(seconds)
            connection.send((number, number * number))


def start(worker):
    """Start a worker with Ctrl-C held back: it never sees it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


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
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    pipes, asked, deadlines, replies = {}, {}, {}, {}
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            pipes[ours] = context.Process(target=serve, args=(theirs,))
            start(pipes[ours])
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
        for worker in multiprocessing.active_children():  # also one that is still at work
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
    try:
        main(args.workers, args.slow, args.start_method)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
