"""Pass a large argument to a worker that dies before it has read it: start() does not return.

python large_argument_broken.py --start-method spawn
"""

import argparse
import multiprocessing


class Job:
    """Something that can be pickled, but not unpickled: its constructor wants what pickle lacks."""

    def __init__(self, name, data):
        self.name, self.data = name, data

    def __reduce__(self):
        return Job, (self.name,), {"data": self.data}  # forgets that data is an argument


def work(job):
    """Run in a worker."""
    print(f"{job.name}: {len(job.data):,} bytes", flush=True)


def main(start_method=None):
    """Start a worker with a job as its argument, and wait for it."""
    context = multiprocessing.get_context(start_method)
    job = Job("job 1", bytes(1_000_000))
    worker = context.Process(target=work, args=(job,))
    worker.start()  # writes the pickled job into a pipe; the worker fails at its beginning
    worker.join()
    print(f"worker: exit code {worker.exitcode}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
