"""Do the same with a Queue, a JoinableQueue and a SimpleQueue, and print what differs.

python queue_kinds.py --start-method spawn
"""

import argparse
import contextlib
import io
import multiprocessing
import queue
import threading


class Item:
    """An object that tells which thread pickled it."""

    def __reduce__(self):
        return str, (threading.current_thread().name,)


def outcome(call, *arguments, **options):
    """Return the name of the error that a call raises, or "returns"."""
    try:
        call(*arguments, **options)
    except Exception as error:
        return f"raises {type(error).__name__}"
    return "returns"


def large_put(make):
    """Put more than a pipe holds, while nobody reads; then read it."""
    channel = make()
    putting = threading.Thread(target=channel.put, args=(bytes(1_000_000),))
    putting.start()
    putting.join(timeout=0.5)
    result = "waits" if putting.is_alive() else "returns"
    channel.get()
    putting.join()
    return result


def pickling_thread(make):
    """Ask an object which thread pickled it."""
    channel = make()
    channel.put(Item())
    return channel.get()


def unpicklable_put(make):
    """Put an object that can't be pickled, and then one that can."""
    channel = make()
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        result = outcome(channel.put, threading.Lock())
        channel.put("the next item")
        channel.get()
    return f"{result}, prints" if "cannot pickle" in printed.getvalue() else result


def get_from_empty(make):
    """Get with a timeout from an empty queue."""
    return outcome(make().get, timeout=0.01)


def put_too_many(make):
    """Make a queue for one item, and put two."""
    if (result := outcome(make, 1)) != "returns":
        return result
    channel = make(1)
    channel.put("one")
    result = outcome(channel.put_nowait, "two")
    channel.get()
    return result


def put_after_close(make):
    """Close a queue, then put."""
    channel = make()
    channel.close()
    return outcome(channel.put, "too late")


def wait_for_the_work(make):
    """Put a task, get it, report it as done, and wait for all tasks."""
    channel = make()
    if not hasattr(channel, "task_done"):
        return "has none"
    channel.put("a task")
    channel.get()
    channel.task_done()
    return outcome(channel.join)


def main(start_method=None):
    """Print what each kind of queue does, and which methods it has."""
    context = multiprocessing.get_context(start_method)
    kinds = context.Queue, context.JoinableQueue, context.SimpleQueue
    rows = {
        "put(), nobody reads": large_put,
        "who pickles": pickling_thread,
        "put() of a Lock": unpicklable_put,
        "get(timeout=...)": get_from_empty,
        "more than maxsize": put_too_many,
        "put() after close()": put_after_close,
        "join()": wait_for_the_work,
    }
    print(f"{'':20} {'Queue':18} {'JoinableQueue':18} SimpleQueue")
    for what, probe in rows.items():
        cells = [f"{probe(make):18}" for make in kinds]
        print(f"{what:20} {' '.join(cells)}".rstrip(), flush=True)
    print()
    for make in kinds:
        channel = make()
        names = [name for name in dir(channel) if not name.startswith("_")]
        print(f"{type(channel).__name__}:\n  {' '.join(names)}")
    print()
    for kind, one in ("queue.Queue", queue.Queue()), ("multiprocessing.Queue", kinds[0]()):
        print(f"{kind} with shutdown: {'yes' if hasattr(one, 'shutdown') else 'no'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    main(parser.parse_args().start_method)
