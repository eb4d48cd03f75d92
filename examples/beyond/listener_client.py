"""Count in workers at the far ends of Pipes over TCP: a Listener here, a Client in each.

python listener_client.py --workers 5 --count 100000000
python listener_client.py --connect 127.0.0.1:PORT  (one more worker, from another terminal)

Both need the same key in the environment variable COUNTING_KEY; without one it is made up,
and nobody can join. Who has the key can run any code here, because recv() unpickles.
"""

import argparse
import contextlib
import multiprocessing
import os
import queue
import secrets
import signal
import sys
import threading
import time
from multiprocessing.connection import Client, Listener

COUNTS = 5


def count_up(address, key):
    """Run in a worker: count as often as the far end asks for it, until the sentinel."""
    if multiprocessing.parent_process():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    name = multiprocessing.current_process().name
    gone = contextlib.suppress(EOFError, ConnectionError)  # the far end: then we go as well
    with Client(address, authkey=key) as connection, gone:
        for count in iter(connection.recv, None):
            subtotal = 0
            for _ in range(count):
                subtotal += 1
            connection.send((os.getpid(), name, subtotal))


def serve(listener, todo, results, serving):
    """Run in a thread: let in one worker after the other, and let each of them count."""
    while True:
        try:
            connection = listener.accept()
        except (multiprocessing.AuthenticationError, EOFError, ConnectionError):
            continue  # a wrong key, or somebody who went away
        except OSError:
            return  # the listener is closed
        serving.add(connection)
        for count in iter(todo.get, None):
            try:
                connection.send(count)
                results.put(connection.recv())
            except Exception:  # the worker has gone, most likely: another does this count
                todo.put(count)
                break
        else:
            todo.put(None)  # the sentinel, for the next thread
            with contextlib.suppress(OSError):
                connection.send(None)
        serving.remove(connection)
        connection.close()


def start_all(workers):
    """Start the workers with Ctrl-C held back: they never see it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    for worker in workers:
        worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def main(workers=5, count=100_000_000, start_method=None):
    """Let workers count, and print each subtotal as it comes over TCP.

    Args:
        workers (int): How many worker processes to start. More can join.
        count (int): How far each of the five counts goes.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: The total of all subtotals.

    Raises:
        ChildProcessError: No worker is left, but counts are.
    """
    print(f"Parent process ID: {os.getpid()}", flush=True)
    started = time.perf_counter()
    context = multiprocessing.get_context(start_method)
    context.Lock()  # starts the resource tracker, which up to Python 3.13.0 unblocks Ctrl-C
    key = os.environ.get("COUNTING_KEY", secrets.token_hex()).encode()
    todo, results, serving = queue.SimpleQueue(), queue.SimpleQueue(), set()
    total, received = 0, 0
    with Listener(("127.0.0.1", 0), backlog=workers + 10, authkey=key) as listener:
        address = listener.address
        print(f"Listening on {address[0]}:{address[1]}", flush=True)
        team = [
            context.Process(target=count_up, args=(address, key), name=f"Worker {number}")
            for number in range(1, workers + 1)
        ]
        try:
            start_all(team)
            # One thread for each connection, and ten more: accept() waits for the key, and
            # a stranger who says nothing holds up one of them and not all.
            for _ in range(workers + 10):
                args = (listener, todo, results, serving)
                threading.Thread(target=serve, args=args, daemon=True).start()
            try:
                Client(address, authkey=b"wrong").close()
            except multiprocessing.AuthenticationError as error:
                print(f"With a wrong key: {error}", flush=True)
            for _ in range(COUNTS):
                todo.put(count)
            while received < COUNTS:
                alone = not serving and not any(worker.is_alive() for worker in team)
                try:
                    pid, name, subtotal = results.get(timeout=0.2)
                except queue.Empty:
                    if alone:  # before the wait, and still nothing has come
                        raise ChildProcessError("no worker is left") from None
                    continue
                line = f"Process ID: {pid}, name: {name}, subtotal: {subtotal:,}"
                print(line, flush=True)
                total += subtotal
                received += 1
            todo.put(None)
            for worker in team:
                worker.join(timeout=5)
        finally:
            for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
                worker.kill()
                worker.join()
    print(f"Elapsed: {time.perf_counter() - started:.2f} s")
    print(f"Total: {total:,}", flush=True)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count in workers, with a Pipe over TCP.")
    parser.add_argument("--workers", type=int, default=5, help="how many, 1 to 100")
    parser.add_argument("--count", type=int, default=100_000_000, help="how far each counts")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--connect", metavar="HOST:PORT", help="be a worker of that program")
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.count < 0:
        parser.error(f"argument --count: {args.count} is not 0 or more")
    host, _, port = (args.connect or "localhost:0").rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"argument --connect: {args.connect} is not HOST:PORT")
    if args.connect and "COUNTING_KEY" not in os.environ:
        parser.error("argument --connect: COUNTING_KEY is not in the environment")
    try:
        if args.connect:
            count_up((host, int(port)), os.environ["COUNTING_KEY"].encode())
        else:
            main(args.workers, args.count, args.start_method)
    except (ChildProcessError, OSError, multiprocessing.AuthenticationError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
