"""Kill a parent: its workers work on without it, daemon or not.

python orphans_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import os
import time


def work(sender):
    """Run in a worker: work on and on, and give a sign of life each time."""
    while True:
        sender.send(os.getpid())
        time.sleep(0.02)  # the work


def be_parent(senders, start_method):
    """Run in the process that will be killed: start one worker of each kind."""
    context = multiprocessing.get_context(start_method)
    for daemon, sender in zip((False, True), senders, strict=True):
        context.Process(target=work, args=(sender,), daemon=daemon).start()
    time.sleep(60)  # its own work


def main(start_method=None):
    """Return how many of the two workers live on after their parent was killed."""
    context = multiprocessing.get_context(start_method)
    receivers, senders = zip(*(context.Pipe(duplex=False) for _ in range(2)), strict=True)
    parent = context.Process(target=be_parent, args=(senders, start_method))
    parent.start()
    for sender in senders:
        sender.close()  # so a pipe ends when its worker has ended
    try:
        pids = [receiver.recv() for receiver in receivers if receiver.poll(10)]
    finally:
        parent.kill()  # what the out-of-memory killer does
        parent.join()
    alive = 0
    for name, pid, receiver in zip(("worker", "daemon worker"), pids, receivers, strict=True):
        try:
            while receiver.poll():  # signs of life from before
                receiver.recv()
            for _ in range(15):
                receiver.recv()
        except EOFError:
            print(f"{name}: ended with its parent", flush=True)
        else:
            print(f"{name}: works on without its parent", flush=True)
            os.kill(pid, 9)
            alive += 1
    return alive


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
