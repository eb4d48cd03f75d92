"""Make shared memory in the parent: it is there until the parent removes it.

python worker_creates_fixed.py --start-method fork
"""

import argparse
import multiprocessing
import time
from multiprocessing.shared_memory import SharedMemory


def work(name):
    """Run in the worker: leave a result in the block."""
    block = SharedMemory(name)
    time.sleep(0.05)  # its work
    block.buf[:5] = b"hello"
    block.close()


def main(start_method=None):
    """Return what the worker has left in the block."""
    context = multiprocessing.get_context(start_method)
    block = SharedMemory(create=True, size=64)
    worker = context.Process(target=work, args=(block.name,))
    worker.start()
    worker.join()
    time.sleep(1)  # the parent's own work
    result = bytes(block.buf[:5])
    print(f"parent: reads {result}", flush=True)
    block.close()
    block.unlink()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
