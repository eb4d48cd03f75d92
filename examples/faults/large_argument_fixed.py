"""Send large data when the worker runs: its death is an error, and nobody waits.

python large_argument_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import sys


class Job:
    """Something that can be pickled, but not unpickled: its constructor wants what pickle lacks."""

    def __init__(self, name, data):
        self.name, self.data = name, data

    def __reduce__(self):
        return Job, (self.name,), {"data": self.data}  # forgets that data is an argument


def work(jobs):
    """Run in a worker."""
    job = jobs.recv()
    print(f"{job.name}: {len(job.data):,} bytes", flush=True)


def main(start_method=None):
    """Start a worker, send it a job, and wait for it."""
    context = multiprocessing.get_context(start_method)
    job = Job("job 1", bytes(1_000_000))
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(receiver,))
    worker.start()
    receiver.close()  # so that a worker that has died makes send() fail
    try:
        sender.send(job)
    except BrokenPipeError:
        print("the worker died before it had read its job", flush=True)
    worker.join()
    print(f"worker: exit code {worker.exitcode}", flush=True)
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
