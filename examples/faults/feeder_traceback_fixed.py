"""Send what can't be pickled through a Pipe: send() raises at once, where it can be caught.

python feeder_traceback_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def squares(limit, sender, tasks):
    """Run in the worker: hand the squares over as a generator, which can't be pickled."""
    try:
        sender.send(number * number for number in range(limit))  # pickled here and now
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
    tasks.get()  # the worker goes on: it waits for the next task


def main(start_method=None):
    """Return the squares that the worker hands over."""
    context = multiprocessing.get_context(start_method)
    receiver, sender = context.Pipe(duplex=False)
    tasks = context.SimpleQueue()
    print("parent: wait for the answer", flush=True)
    worker = context.Process(target=squares, args=(3, sender, tasks), daemon=True)
    worker.start()
    sender.close()
    answer = receiver.recv()
    tasks.put(None)
    worker.join()
    print(f"from the worker: {answer}", flush=True)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
