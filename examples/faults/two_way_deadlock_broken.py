"""Send from both sides of a Pipe before either receives: both wait for ever.

python two_way_deadlock_broken.py --start-method spawn
"""

import argparse
import multiprocessing

SIZE = 1_000_000  # bytes: more than the pipe holds in either direction


def exchange(connection):
    """Run in the worker: swap a large message with the parent."""
    connection.send(bytes(SIZE))  # both sides send first, and nobody makes room
    connection.recv()


def main(start_method=None):
    """Return the size of the message that the worker sent."""
    context = multiprocessing.get_context(start_method)
    here, there = context.Pipe()
    worker = context.Process(target=exchange, args=(there,), daemon=True)
    worker.start()
    there.close()
    print("parent: send and receive", flush=True)
    here.send(bytes(SIZE))
    size = len(here.recv())
    worker.join()
    print(f"received: {size:,} bytes", flush=True)
    return size


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
