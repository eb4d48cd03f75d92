"""Join every worker: then the system forgets it.

python zombies_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import subprocess
import time


def work():
    """Run in a worker: there is not much to do."""


def main(start_method=None):
    """Return the worker processes that the system still lists."""
    context = multiprocessing.get_context(start_method)
    workers = [context.Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()  # its end, and its exit code
    time.sleep(0.2)  # the parent's own work
    command = ["ps", "-A", "-o", "ppid,pid,stat,args"]
    head, *lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    own = [line for line in lines if line.split()[0] == str(os.getpid())]
    left = [line for line in own if line.split()[2].startswith("Z")]
    print("\n".join([head, *left]), flush=True)
    print(f"zombies: {len(left)} of 3 workers", flush=True)
    return left


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
