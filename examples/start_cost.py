"""Time what starting a process costs under each start method, cold and warm.

python start_cost.py --interpreters 3 --starts 5

Cold is the first start in a fresh interpreter, warm is each later one. A start is timed from
before Process() to the first message received from the new process.
"""

import argparse
import csv
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time


def say_hello(sender):
    """Run in the new process: send the first message."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    sender.send("hello")


def measure(method, starts):
    """Run in a fresh interpreter: print the seconds that each start took."""
    context = multiprocessing.get_context(method)
    for _ in range(starts):
        receiver, sender = context.Pipe(duplex=False)
        started = time.perf_counter()
        process = context.Process(target=say_hello, args=(sender,), daemon=True)
        process.start()
        sender.close()  # the new process has it: should that die, recv() ends
        receiver.recv()
        print(time.perf_counter() - started)
        process.join()


def main(interpreters=3, starts=5):
    """Time each start method of this platform, print a table, return each start's time."""
    methods = multiprocessing.get_all_start_methods()  # the default comes first
    rows, times = [], {}
    for interpreter in range(1, interpreters + 1):  # in turn: a busy moment hits all alike
        for method in methods:
            name = f"{method} (default)" if method == methods[0] else method
            command = [sys.executable, __file__, "--measure", method, "--starts", str(starts)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise ChildProcessError(f"{method}: a process ended before it was measured")
            for number, second in enumerate(map(float, done.stdout.split())):
                start = "warm" if number else "cold"
                rows.append((interpreter, method, start, second))
                times.setdefault((name, start), []).append(1000 * second)
    print("                              milliseconds")
    print("start method          start   median      min      max")
    for (name, start), took in times.items():
        median = statistics.median(took)
        print(f"{name:20}  {start:5} {median:8.2f} {min(took):8.2f} {max(took):8.2f}")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time what starting a process costs.")
    parser.add_argument("--interpreters", type=int, default=3, help="for each start method")
    parser.add_argument("--starts", type=int, default=5, help="in each interpreter")
    parser.add_argument("--csv", default=os.devnull, help="write each start to this file")
    methods = multiprocessing.get_all_start_methods()
    parser.add_argument("--measure", choices=methods, help="only this one, in this process")
    args = parser.parse_args()
    if args.interpreters < 1 or args.starts < 2:
        parser.error("--interpreters is 1 or more, --starts is 2 or more")
    try:
        if args.measure:
            sys.exit(measure(args.measure, args.starts))
        with open(args.csv, "w", newline="") as file:
            head = ("interpreter", "start method", "start", "seconds")
            csv.writer(file).writerows([head, *main(args.interpreters, args.starts)])
    except ChildProcessError as error:
        sys.exit(str(error))
    except OSError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
