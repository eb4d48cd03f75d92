"""Kill a worker that waits for an Event: set() then waits for it for ever.

python event_set_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def wait_for(stop, started, number):
    """Run in a worker: wait until it may stop."""
    started.send(number)
    stop.wait()
    print(f"worker {number}: stopped", flush=True)


def main(start_method=None):
    """Start two workers, kill one, and tell the other to stop."""
    context = multiprocessing.get_context(start_method)
    stop, (started, start) = context.Event(), context.Pipe(duplex=False)
    workers = []
    for number in (1, 2):
        args = (stop, start, number)
        workers.append(context.Process(target=wait_for, args=args, daemon=True))
        workers[-1].start()
        started.recv()
    time.sleep(0.5)  # by now both wait
    workers[0].kill()  # what the out-of-memory killer does
    workers[0].join()
    print("worker 1: killed", flush=True)
    stop.set()  # wakes those that wait, and then waits until each of them has woken
    workers[1].join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
