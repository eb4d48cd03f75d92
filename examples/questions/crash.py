"""Let one of two workers crash, and see what is left of the other one and of the program.

python crash.py --way process
"""

import argparse
import concurrent.futures
import os
import sys

EXECUTORS = {
    "thread": "ThreadPoolExecutor",
    "subinterpreter": "InterpreterPoolExecutor",
    "process": "ProcessPoolExecutor",
}


def crash():
    """Run in a worker: end as an extension does that writes where it must not."""
    os.abort()


def main(way):
    """Let a worker crash, and say that the program is still there."""
    executor = getattr(concurrent.futures, EXECUTORS[way], None)
    if executor is None:
        sys.exit(f"--way {way} needs Python 3.14 or newer")
    with executor(1) as workers:
        error = workers.submit(crash).exception()
    print(f"program: goes on after {type(error).__name__}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=EXECUTORS, required=True)
    main(parser.parse_args().way)
