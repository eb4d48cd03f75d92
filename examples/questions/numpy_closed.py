"""Needs NumPy (python -m pip install numpy). Use an array whose shared memory is gone: a crash.

python numpy_closed.py --start-method spawn
"""

import argparse
import faulthandler
import multiprocessing
import sys
from multiprocessing.shared_memory import SharedMemory

try:
    import numpy
except ImportError:
    sys.exit("numpy_closed.py needs numpy: python -m pip install numpy")


def attach(name):
    """Return an array in shared memory. The SharedMemory object ends with this function."""
    memory = SharedMemory(name)
    return numpy.ndarray(1000, buffer=memory.buf)


def attach_and_keep(name):
    """Return the array and the SharedMemory object: keep both as long as the array."""
    memory = SharedMemory(name)
    return numpy.ndarray(1000, buffer=memory.buf), memory


def read_array(name):
    """Run in a worker: read the array without its memory."""
    faulthandler.disable()  # where it is on, it prints where the crash was
    array = attach(name)
    print(f"sum: {array.sum()}", flush=True)


def read_kept_array(name):
    """Run in a worker: read the array with its memory."""
    array, memory = attach_and_keep(name)
    print(f"sum: {array.sum()}", flush=True)
    del array
    memory.close()


def main(start_method=None):
    """Print how both workers end."""
    context = multiprocessing.get_context(start_method)
    memory = SharedMemory(create=True, size=8000)
    try:
        for function in (read_array, read_kept_array):
            worker = context.Process(target=function, args=(memory.name,))
            worker.start()
            worker.join()
            print(f"{function.__name__}: exit code {worker.exitcode}", flush=True)
    finally:
        memory.close()
        memory.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
