"""Kill a worker that waits for a task on a Pipe of its own: the others get theirs.

python idle_worker_killed_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def work(number, tasks, answers):
    """Run in a worker: say that it is there, then do the next task."""
    answers.send(number)
    answers.send((number, tasks.recv()))


def main(start_method=None):
    """Return the number of the worker that did the task, after the first one was killed."""
    context = multiprocessing.get_context(start_method)
    answers, answer = context.Pipe(duplex=False)
    workers, tasks = [], []
    for number in (1, 2):
        receiver, sender = context.Pipe(duplex=False)  # one for each worker
        tasks.append(sender)
        args = (number, receiver, answer)
        workers.append(context.Process(target=work, args=args, daemon=True))
        workers[-1].start()
        receiver.close()
        answers.recv()
        time.sleep(0.5)  # by now it waits
    workers[0].kill()  # what the out-of-memory killer does
    workers[0].join()
    print("worker 1: killed", flush=True)
    for worker, sender in zip(workers, tasks, strict=True):
        if worker.is_alive():
            sender.send("a task")
    number, task = answers.recv()
    print(f"worker {number}: did {task}", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
