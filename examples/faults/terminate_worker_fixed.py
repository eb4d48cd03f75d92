"""Ask a worker that uses a Queue to end, and take what is left: the queue goes on working.

python terminate_worker_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import time


def produce(number, results, stop):
    """Run in a worker: put one result after another, and None at the end."""
    for _ in range(3):
        if stop.poll():  # not an Event, of which a killed worker may hold the lock
            break
        results.put((number, bytes(1_000_000)))
    results.put(None)


def main(start_method=None):
    """Return the numbers of the workers, in the order in which their first results came."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    seen = []
    for number in (1, 2):
        stop, stopping = context.Pipe(duplex=False)
        worker = context.Process(target=produce, args=(number, results, stop), daemon=True)
        worker.start()
        seen.append(results.get(timeout=10)[0])
        print(f"worker {number}: a result came", flush=True)
        time.sleep(0.1)  # it goes on
        while worker.is_alive() and results.empty():  # until it writes, and holds the lock
            time.sleep(0.1)
        stopping.send("stop")
        while results.get(timeout=10) is not None:  # take what is left, or it can't end
            pass
        worker.join()
        print(f"worker {number}: ended", flush=True)
    return seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
