"""Make shared memory in a forked worker: it is gone when the worker has ended.

python worker_creates_broken.py --start-method fork
"""

import argparse
import multiprocessing
import time
from multiprocessing.shared_memory import SharedMemory


def work(names):
    """Run in the worker: make a block with a result in it, and hand over its name."""
    block = SharedMemory(create=True, size=64)
    time.sleep(0.05)  # its work
    block.buf[:5] = b"hello"
    names.put(block.name)
    block.close()


def main(start_method=None):
    """Return what the worker has left in the block."""
    context = multiprocessing.get_context(start_method)
    names = context.SimpleQueue()
    worker = context.Process(target=work, args=(names,))
    worker.start()
    name = names.get()
    worker.join()
    time.sleep(1)  # the parent's own work
    block = SharedMemory(name)
    result = bytes(block.buf[:5])
    print(f"parent: reads {result}", flush=True)
    block.close()
    block.unlink()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
