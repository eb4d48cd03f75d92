"""Time what starting a process costs under each start method, cold and warm.

python start_cost.py --interpreters 3 --starts 5

Cold is the first start in a fresh interpreter, warm is each later one. A start is timed from
before Process() to the first message received from the new process.
"""

import argparse
import csv
import multiprocessing
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
    """Run in a fresh interpreter: return the seconds that each start took."""
    context = multiprocessing.get_context(method)
    seconds = []
    for _ in range(starts):
        receiver, sender = context.Pipe(duplex=False)
        started = time.perf_counter()
        process = context.Process(target=say_hello, args=(sender,), daemon=True)
        process.start()
        sender.close()  # the new process has it: should that die, recv() ends
        receiver.recv()
        seconds.append(time.perf_counter() - started)
        process.join()
    return seconds


def main(interpreters=3, starts=5):
    """Time the starts of every start method that this platform has and print a table.

    Args:
        interpreters (int): How many fresh interpreters to take for each start method.
        starts (int): How many processes each of them starts: one cold, the rest warm.

    Returns:
        list[tuple[int, str, str, float]]: Interpreter, method, "cold" or "warm", seconds.

    Raises:
        ChildProcessError: An interpreter ended without its measurements.
    """
    methods = multiprocessing.get_all_start_methods()  # the default comes first
    rows, seconds = [], {}
    for interpreter in range(1, interpreters + 1):  # in turn: a busy moment hits all alike
        for method in methods:
            command = [sys.executable, __file__, "--measure", method, "--starts", str(starts)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                reason = done.stderr.strip().rpartition("\n")[2]
                raise ChildProcessError(
                    f"measuring {method} ended, exit code {done.returncode} {reason}".rstrip()
                )
            for index, second in enumerate(map(float, done.stdout.split())):
                start = "warm" if index else "cold"
                rows.append((interpreter, method, start, second))
                seconds.setdefault((method, start), []).append(second)
    print("                              milliseconds")
    print("start method          start   median      min      max")
    for (method, start), times in seconds.items():
        name = f"{method} (default)" if method == methods[0] else method
        cells = [
            1000 * second for second in (statistics.median(times), min(times), max(times))
        ]
        print(f"{name:20}  {start:5}" + "".join(f" {cell:8.2f}" for cell in cells))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time what starting a process costs.")
    parser.add_argument("--interpreters", type=int, default=3, help="for each start method")
    parser.add_argument("--starts", type=int, default=5, help="in each interpreter, 2 or more")
    parser.add_argument("--csv", metavar="FILE", help="write every single start to this file")
    parser.add_argument(
        "--measure",
        choices=multiprocessing.get_all_start_methods(),
        help="only time the starts of this method, in this very interpreter",
    )
    args = parser.parse_args()
    if args.interpreters < 1:
        parser.error(f"argument --interpreters: {args.interpreters} is not 1 or more")
    if args.starts < 2:
        parser.error(f"argument --starts: {args.starts} is not 2 or more")
    try:
        if args.csv:
            open(args.csv, "a").close()  # if that fails, now and not after the run
    except OSError as error:
        parser.error(f"argument --csv: {error}")
    try:
        if args.measure:
            print(*measure(args.measure, args.starts))
            sys.exit()
        result = main(args.interpreters, args.starts)
    except EOFError:
        sys.exit("a process ended before its first message")
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            header = ("interpreter", "start method", "start", "seconds")
            csv.writer(file).writerows([header, *result])
