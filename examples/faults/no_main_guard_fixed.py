"""Start a worker under the guard: only the program itself does, not what imports it.

python no_main_guard_fixed.py --start-method spawn
"""

import argparse
import multiprocessing


def answer(sender):
    """Run in the worker: send the answer."""
    sender.send(42)


def main():
    """Return the worker's answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    context = multiprocessing.get_context(parser.parse_args().start_method)
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=answer, args=(sender,), daemon=True)
    worker.start()
    sender.close()  # so recv() raises EOFError if the worker ends without an answer
    number = receiver.recv()
    worker.join()
    print(f"answer: {number}", flush=True)
    return number


if __name__ == "__main__":  # not when the worker imports this file
    main()
