"""Let each worker send through a Pipe of its own: every message arrives whole.

python shared_pipe_end_fixed.py --start-method spawn
"""

import argparse
import multiprocessing
import multiprocessing.connection

WORKERS = 4
MESSAGES = 50  # from each worker
SIZE = 100_000  # bytes in each message


def send_all(number, sender, ready, go):
    """Run in a worker: send messages that hold nothing but the worker's number."""
    ready.release()
    go.acquire()  # so that all workers send at the same time
    for _ in range(MESSAGES):
        sender.send(bytes([number]) * SIZE)


def main(start_method=None):
    """Return how many messages arrived as they were sent."""
    context = multiprocessing.get_context(start_method)
    ready, go = context.Semaphore(0), context.Semaphore(0)
    receivers = []
    whole = 0
    for number in range(1, WORKERS + 1):
        receiver, sender = context.Pipe(duplex=False)  # for this worker
        receivers.append(receiver)
        arguments = (number, sender, ready, go)
        context.Process(target=send_all, args=arguments, daemon=True).start()
        sender.close()  # now the worker alone holds it
    for _ in range(WORKERS):
        ready.acquire(timeout=10)
    for _ in range(WORKERS):
        go.release()
    try:
        while receivers:
            for receiver in multiprocessing.connection.wait(receivers):
                try:
                    message = receiver.recv()
                    whole += message == message[:1] * SIZE
                except EOFError:  # whoever held the other end has ended
                    receivers.remove(receiver)
    finally:
        print(f"arrived whole: {whole} of {WORKERS * MESSAGES}", flush=True)
    return whole


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
