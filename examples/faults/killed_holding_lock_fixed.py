"""Kill a worker that is writing to a Pipe of its own: nothing of it is left to the rest.

python killed_holding_lock_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def answer(number, sender):
    """Run in a worker: send one result, larger than the pipe can hold."""
    sender.send((number, bytes(1_000_000)))


def main(start_method=None):
    """Return the number of the worker that answered, after the first one was killed."""
    context = multiprocessing.get_context(start_method)
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=answer, args=(1, sender), daemon=True)
    worker.start()
    sender.close()
    receiver.poll(None)  # until the first bytes come: now it writes
    worker.kill()  # what the out-of-memory killer does
    worker.join()
    print("worker 1: killed", flush=True)
    # A new pipe: no lock to wait for, and nothing in it from worker 1.
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=answer, args=(2, sender), daemon=True)
    worker.start()
    sender.close()
    number, data = receiver.recv()
    print(f"worker {number}: sent {len(data):,} bytes", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
