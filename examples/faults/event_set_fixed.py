"""Kill a worker that waits for a message: the others get theirs.

python event_set_fixed.py --start-method spawn
"""

import argparse
import contextlib
import multiprocessing
import time


def wait_for(stop, started, number):
    """Run in a worker: wait until it may stop."""
    started.send(number)
    stop.recv()
    print(f"worker {number}: stopped", flush=True)


def main(start_method=None):
    """Start two workers, kill one, and tell the other to stop."""
    context = multiprocessing.get_context(start_method)
    started, start = context.Pipe(duplex=False)
    workers, stops = [], []
    for number in (1, 2):
        receiver, sender = context.Pipe(duplex=False)  # one for each worker
        args = (receiver, start, number)
        workers.append(context.Process(target=wait_for, args=args, daemon=True))
        workers[-1].start()
        receiver.close()
        stops.append(sender)
        started.recv()
    time.sleep(0.5)  # by now both wait
    workers[0].kill()  # what the out-of-memory killer does
    workers[0].join()
    print("worker 1: killed", flush=True)
    for stop in stops:
        with contextlib.suppress(BrokenPipeError):  # worker 1 can't be told any more
            stop.send("stop")
    workers[1].join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
