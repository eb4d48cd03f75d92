"""Count in five subinterpreters, and collect their subtotals through one queue (Python 3.14).

python interpreter_queue.py --count 10000000
"""

import argparse
import sys

try:
    from concurrent import interpreters
except ImportError:
    sys.exit("interpreter_queue.py needs Python 3.14 or newer")


def count_up(number, count, results):
    """Run in a subinterpreter: count one by one, then put (number, subtotal) on the queue."""
    subtotal = 0
    for _ in range(count):
        subtotal += 1
    results.put((number, subtotal))


def main(count=10_000_000):
    """Start five subinterpreters, each in a thread of its own, and add up what they find."""
    results = interpreters.create_queue()
    team = []
    for number in range(1, 6):
        interpreter = interpreters.create()
        thread = interpreter.call_in_thread(count_up, number, count, results)
        team.append((interpreter, thread))
    total = 0
    for _ in team:
        number, subtotal = results.get()
        print(f"Subinterpreter {number}: {subtotal:,}", flush=True)
        total += subtotal
    for interpreter, thread in team:
        thread.join()
        interpreter.close()  # only now: what it had put on the queue would go with it
    print(f"Total: {total:,}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000_000, help="how far each counts")
    main(parser.parse_args().count)
