"""Print with flush=True in every process: each line comes at once, wherever it goes.

python output_lost_fixed.py --start-method spawn | cat
"""

import argparse
import multiprocessing
import os


def work(number, turn, end):
    """Run in a worker: print when it is its turn, then end in one of three ways."""
    turn.acquire()
    print(f"worker {number}: done, will {end}", flush=True)
    if end == "call os._exit()":
        os._exit(0)
    if end == "be killed":
        os.kill(os.getpid(), 9)


def main(start_method=None):
    """Return the exit codes of three workers that end in different ways."""
    context = multiprocessing.get_context(start_method)
    workers = []
    for number, end in enumerate(("return", "call os._exit()", "be killed"), start=1):
        turn = context.Semaphore(0)
        worker = context.Process(target=work, args=(number, turn, end), daemon=True)
        worker.start()
        workers.append((worker, turn))
    print("parent: the workers may begin", flush=True)
    for worker, turn in workers:
        turn.release()
        worker.join()
    print("parent: the workers have ended", flush=True)
    return [worker.exitcode for worker, _ in workers]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
