"""How large a message may be: its header, one beyond 2 GiB, and the copies on both sides.

python how_large.py --mib 128 --largest 2147483648

The header is what a Connection writes before each message. Memory is the peak that the system
counts for a process (ru_maxrss), less what it had at its start; Windows does not tell it.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import threading

if sys.platform != "win32":
    import resource

WAYS = ("send_bytes, recv_bytes", "send_bytes, recv_bytes_into", "send, recv", "Queue")


def peak():
    """Return the most memory that this process has had, in bytes."""
    if sys.platform == "win32":
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def header_of(size, context):
    """Return what stands before a message of so many bytes, in hexadecimal."""
    receiver, sender = context.Pipe(duplex=False)

    def send():
        with contextlib.suppress(BrokenPipeError):  # nobody reads the rest
            sender.send_bytes(bytes(size))

    thread = threading.Thread(target=send)
    thread.start()
    header = os.read(receiver.fileno(), 4)
    if header == b"\xff" * 4:
        header += os.read(receiver.fileno(), 8)
    receiver.close()
    thread.join()
    sender.close()
    return header.hex(" ", -4)


def send_one(way, size, zeros, ends, queue, reports):
    """Run in a process: send one message, and report the memory that it took."""
    ends[0].close()
    before = peak()
    message = bytes(size) if zeros else b"x" * size  # zeros take no memory until written to
    if way == "Queue":
        queue.put(message)
        queue.close()
        queue.join_thread()
    elif way == "send, recv":
        ends[1].send(message)
    else:
        ends[1].send_bytes(message)
    reports.put(("sender", peak() - before))


def receive_one(way, size, ends, queue, reports):
    """Run in a process: receive the message, and report the memory that it took."""
    ends[1].close()
    before = peak()
    if way == "Queue":
        message = queue.get()
    elif way == "send, recv":
        message = ends[0].recv()
    elif way == "send_bytes, recv_bytes":
        message = ends[0].recv_bytes()
    else:
        message = bytearray(size)
        ends[0].recv_bytes_into(message)
    if len(message) != size:
        raise ValueError(f"{len(message):,} bytes came")
    reports.put(("receiver", peak() - before))


def carry(way, size, context, zeros=False):
    """Send one message from a process to another; return the memory of both."""
    ends, queue, reports = context.Pipe(duplex=False), context.Queue(), context.SimpleQueue()
    rest = ends, queue, reports
    workers = [
        context.Process(target=receive_one, args=(way, size, *rest)),
        context.Process(target=send_one, args=(way, size, zeros, *rest)),
    ]
    for worker in workers:
        worker.start()
    for end in ends:
        end.close()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise ChildProcessError(f"exit code {worker.exitcode}: is there enough memory?")
    return dict(reports.get() for _ in workers)


def main(mib=128, largest=2**31, start_method=None):
    """Print the headers, what became of the largest message, and the table of copies."""
    context = multiprocessing.get_context(start_method)
    if sys.platform == "win32":
        print("On Windows the system keeps messages apart: they have no header.")
    else:
        for size in (5, 2**31 - 1, 2**31):
            print(f"{size:,} bytes, header: {header_of(size, context)}", flush=True)
    memory = carry(WAYS[0], largest, context, zeros=True)
    print(f"Arrived: {largest:,} bytes")
    print(f"Its receiver had: {memory['receiver'] / 2**20:,.0f} MiB", flush=True)
    print(f"{mib} MiB by:                     sender    receiver, times its size")
    for way in WAYS:
        memory = carry(way, mib * 2**20, context)
        cells = "".join(
            f"{memory[side] / 2**20 / mib:10.2f}" for side in ("sender", "receiver")
        )
        print(f"{way:28}{cells}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How large may a message be?")
    parser.add_argument("--mib", type=int, default=128, help="size for the table of copies")
    parser.add_argument("--largest", type=int, default=2**31, help="bytes of the largest one")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.mib, args.largest, args.start_method)
