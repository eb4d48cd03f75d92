"""Put a Manager's list inside a Manager's dict: what the workers append is there.

python nested_list_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def work(number, shared):
    """Run in a worker: append a square to the list in the dict."""
    shared["squares"].append(number * number)


def main(start_method=None):
    """Return the squares that three workers have found."""
    context = multiprocessing.get_context(start_method)
    with context.Manager() as manager:
        shared = manager.dict(squares=manager.list())
        workers = [
            context.Process(target=work, args=(number, shared), daemon=True)
            for number in (1, 2, 3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        squares = sorted(shared["squares"])
    print(f"squares: {squares}", flush=True)
    return squares


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
