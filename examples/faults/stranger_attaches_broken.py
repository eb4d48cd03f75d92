"""Attach to shared memory from a program of its own: it takes the block away when it ends.

python stranger_attaches_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import subprocess
import sys
from multiprocessing.shared_memory import SharedMemory


def read(name):
    """Run in another program: read from the block, and close it."""
    block = SharedMemory(name)
    print(f"another program reads: {bytes(block.buf[:5])}", flush=True)
    block.close()


def main():
    """Make a block, and have another program read it, twice."""
    block = SharedMemory(create=True, size=64)
    block.buf[:5] = b"hello"
    for _ in range(2):
        command = [sys.executable, __file__, "--read", block.name]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        print(ended.stdout.decode(), end="", flush=True)
    block.close()
    block.unlink()  # the owner removes it
    print("owner: removed the block", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--read", metavar="NAME", help="be the other program, and read this block"
    )
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    arguments = parser.parse_args()
    multiprocessing.set_start_method(arguments.start_method)  # it makes no difference here
    if arguments.read:
        read(arguments.read)
    else:
        main()
