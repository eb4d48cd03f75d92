"""Kill a worker that waits for a task on a shared Queue: no other worker gets one any more.

python idle_worker_killed_broken.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def work(number, tasks, answers):
    """Run in a worker: say that it is there, then do the next task."""
    answers.send(number)
    answers.send((number, tasks.get()))


def main(start_method=None):
    """Return the number of the worker that did the task, after the first one was killed."""
    context = multiprocessing.get_context(start_method)
    tasks = context.Queue()
    answers, answer = context.Pipe(duplex=False)
    workers = []
    for number in (1, 2):
        args = (number, tasks, answer)
        workers.append(context.Process(target=work, args=args, daemon=True))
        workers[-1].start()
        answers.recv()
        time.sleep(0.5)  # by now it waits, the first one with the lock
    workers[0].kill()  # what the out-of-memory killer does
    workers[0].join()
    print("worker 1: killed", flush=True)
    tasks.put("a task")
    number, task = answers.recv()
    print(f"worker {number}: did {task}", flush=True)
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
