"""End workers in many ways, and print the exit code of each and what it says on standard error.

python exit_codes.py --start-method spawn
"""

import argparse
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile

WAYS = {
    "return 5": lambda: 5,
    "sys.exit()": sys.exit,
    "sys.exit(3)": lambda: sys.exit(3),
    "sys.exit(256)": lambda: sys.exit(256),
    'sys.exit("no input")': lambda: sys.exit("no input"),
    "int('x')": lambda: int("x"),
    "Ctrl-C": lambda: signal.raise_signal(signal.SIGINT),
    "os._exit(4)": lambda: os._exit(4),
    "os.abort()": os.abort,
    "read address 0": lambda: ctypes.string_at(0),
    "terminate()": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "kill()": lambda: os.kill(os.getpid(), 9),
}


def end(way, file):
    """Run in a worker: end in one of the ways, with standard error in a file."""
    with open(file, "w") as errors:
        os.dup2(errors.fileno(), 2)
    faulthandler.enable()  # a crash prints where it was
    WAYS[way]()


def telling_line(file):
    """Return the line of a file that says most: the first of a crash, or the last."""
    with open(file) as errors:
        lines = errors.read().splitlines()
    return next((line for line in lines if "Fatal" in line), "".join(lines[-1:]))


def main(start_method=None):
    """Print how each way ends."""
    context = multiprocessing.get_context(start_method)
    print(f"{'the worker':22} {'exitcode':>8}   standard error")
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS:
            file = os.path.join(folder, "errors.txt")
            worker = context.Process(target=end, args=(way, file))
            worker.start()
            worker.join()
            said = telling_line(file)
            print(f"{way:22} {worker.exitcode:8}   {said}".rstrip(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
