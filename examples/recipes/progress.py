"""Needs rich (python -m pip install rich). Show a progress bar for each of several workers.

python progress.py --workers 3 --steps 25
"""

import argparse
import multiprocessing
import queue
import signal
import sys
import time

try:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
except ImportError:
    sys.exit("progress.py needs rich: python -m pip install rich")


def work(number, steps, events):
    """Run in a worker: after each step put (number, steps done) on the queue."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    for step in range(1, steps + 1):
        time.sleep(0.01 * number)  # put your own work here
        events.put((number, step))


def start_all(workers):
    """Start the workers with Ctrl-C held back: they never see it, the parent does."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    for worker in workers:
        worker.start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def next_event(events, working):
    """Return the next (number, steps done), unless a worker died that isn't done."""
    while True:
        dead = [worker for worker in working.values() if not worker.is_alive()]
        try:
            return events.get(timeout=0.2)  # small messages: none is ever there by half
        except queue.Empty:
            for worker in dead:  # dead before the wait, and the rest of its steps hasn't come
                raise ChildProcessError(
                    f"{worker.name} ended before its work did, exit code {worker.exitcode}"
                ) from None


def main(workers=3, steps=25, start_method=None):
    """Draw the bars in the parent, the only process that writes to the terminal.

    Args:
        workers (int): How many worker processes to start.
        steps (int): How many steps each of them has to do.
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        list[int]: The numbers of the workers in the order in which they finished.

    Raises:
        ChildProcessError: A worker ended before its work did. None is left running.
    """
    context = multiprocessing.get_context(start_method)
    events, working, finished = context.Queue(), {}, []
    for number in range(1, workers + 1):
        working[number] = context.Process(
            target=work, args=(number, steps, events), name=f"Worker {number}"
        )
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        start_all(working.values())
        with Progress(*columns) as progress:  # after the start: it makes a thread
            bars = {n: progress.add_task(working[n].name, total=steps) for n in working}
            while working:
                number, step = next_event(events, working)
                progress.update(bars[number], completed=step)
                if step == steps:
                    working.pop(number).join()
                    finished.append(number)
    finally:
        for worker in multiprocessing.active_children():  # after a failure or Ctrl-C
            worker.kill()
            worker.join()
    print("Finished, in this order:", *finished, flush=True)
    return finished


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Progress bars, fed through a queue.")
    parser.add_argument("--workers", type=int, default=3, help="how many, 1 to 100")
    parser.add_argument("--steps", type=int, default=25, help="of each, 1 or more")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    if not 1 <= args.workers <= 100:
        parser.error(f"argument --workers: {args.workers} is not from 1 to 100")
    if args.steps < 1:
        parser.error(f"argument --steps: {args.steps} is not 1 or more")
    try:
        main(args.workers, args.steps, args.start_method)
    except ChildProcessError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
