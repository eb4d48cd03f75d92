"""What is left of a Process: no result, only an exit code. A Pipe or a Queue carries results.

python return_value_process.py --start-method spawn
"""

import argparse
import multiprocessing
import sys


def square(number):
    """Run in a worker: return the square, which nobody gets."""
    return number * number


def exit_with_square(number):
    """Run in a worker: make the square the exit code."""
    sys.exit(number * number)


def send_square(number, sender):
    """Run in a worker: send the square through a Pipe."""
    sender.send(number * number)


def put_square(number, results):
    """Run in one of many workers: put the square, and whose it is, on their Queue."""
    results.put((number, number * number))


def main(start_method=None):
    """Ask for the square of 20 in four ways; return what the last one brought."""
    context = multiprocessing.get_context(start_method)

    worker = context.Process(target=square, args=(20,))
    worker.start()
    worker.join()
    print(f"return: exit code {worker.exitcode}, and no result")

    worker = context.Process(target=exit_with_square, args=(20,))
    worker.start()
    worker.join()
    print(f"sys.exit(400): exit code {worker.exitcode}")

    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=send_square, args=(20, sender))
    worker.start()
    sender.close()  # so recv() raises EOFError when the worker dies
    print(f"Pipe: {receiver.recv()}")
    worker.join()

    results = context.Queue()
    workers = [context.Process(target=put_square, args=(n, results)) for n in (20, 21, 22)]
    for worker in workers:
        worker.start()
    squares = dict(results.get() for _ in workers)  # they come in any order
    for worker in workers:
        worker.join()
    print(f"Queue: {dict(sorted(squares.items()))}")
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
