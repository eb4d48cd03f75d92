"""Keep the worker's end of the Pipe open in the parent: recv() waits for ever for the dead.

python dead_worker_pipe_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import sys


def square(number, sender):
    """Run in the worker: send the square of the number."""
    os.kill(os.getpid(), 9)  # SIGKILL: what the out-of-memory killer sends
    sender.send(number * number)


def main(start_method=None):
    """Return the square that the worker sends."""
    context = multiprocessing.get_context(start_method)
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=square, args=(7, sender), daemon=True)
    worker.start()
    print("parent: wait for the answer", flush=True)
    try:
        answer = receiver.recv()
    except EOFError:  # nobody is left who could send
        worker.join()
        raise ChildProcessError(f"worker died, exit code {worker.exitcode}") from None
    worker.join()
    print(f"answer: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    try:
        main(parser.parse_args().start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
