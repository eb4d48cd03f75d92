"""Kill a program that has a Queue, under each start method, and print what Python says afterwards.

python leaked_semaphores.py
"""

import multiprocessing
import re
import subprocess
import sys

KILLED = """
import multiprocessing, os
queue = multiprocessing.get_context({!r}).Queue()
os.kill(os.getpid(), 9)
"""


def main():
    """Print the resource tracker's warning, if there is one."""
    for method in sorted(multiprocessing.get_all_start_methods()):
        command = [sys.executable, "-c", KILLED.format(method)]
        killed = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        warning = re.search("There appear to be .* at shutdown", killed.stderr)
        print(f"{method}: {warning[0] if warning else 'no warning'}")


if __name__ == "__main__":
    main()
