"""Needs NumPy (python -m pip install numpy). Send an array to another process in several ways.

python numpy_arrays.py --mib 32

The clock runs from before an array is sent until the other process has its sum. The ways take
turns; the first round doesn't count. A line of the table is the median of the other rounds, the
lowest and the highest, and how many times as fast as the Queue it was.
"""

import argparse
import multiprocessing
import pickle
import statistics
import sys
import time
from multiprocessing.shared_memory import SharedMemory

try:
    import numpy
except ImportError:
    sys.exit("numpy_arrays.py needs numpy: python -m pip install numpy")


def send_buffer(sender, array):
    """Send what the array is, and then its memory, without pickle."""
    sender.send((array.shape, array.dtype))
    row = numpy.ascontiguousarray(array).reshape(-1)  # copied only if it is not in one piece
    sender.send_bytes(row.view(numpy.uint8))


def receive_buffer(receiver):
    """Return the array: its memory is the message itself, and can't be written to."""
    shape, dtype = receiver.recv()
    return numpy.frombuffer(receiver.recv_bytes(), dtype).reshape(shape)


def send_out_of_band(sender, item):
    """Send anything with arrays in it: a small pickle, and the arrays' memory beside it."""
    buffers = []
    sender.send_bytes(pickle.dumps(item, protocol=5, buffer_callback=buffers.append))
    sender.send([buffer.raw().nbytes for buffer in buffers])
    for buffer in buffers:
        sender.send_bytes(buffer.raw())


def receive_out_of_band(receiver):
    """Return what was sent; its arrays lie in memory that was made for them here."""
    pickled = receiver.recv_bytes()
    buffers = [numpy.empty(size, numpy.uint8) for size in receiver.recv()]
    for buffer in buffers:
        receiver.recv_bytes_into(buffer)
    return pickle.loads(pickled, buffers=buffers)


def receive_one(way, connection, queue, shared):
    """Return the next array in the consumer."""
    if way == "Queue":
        return queue.get()
    if way == "Pipe, send":
        return connection.recv()
    if way == "Pipe, send_bytes":
        return receive_buffer(connection)
    if way == "Pipe, out of band":
        return receive_out_of_band(connection)
    return shared


def consume(connection, queue, name, length):
    """Run in the consumer: answer with the sum of each array."""
    memory = SharedMemory(name)
    answer(connection, queue, numpy.frombuffer(memory.buf, count=length))
    memory.close()  # nothing uses its array any more


def answer(connection, queue, shared):
    """Receive arrays until the sentinel None, and answer with their sums."""
    for way in iter(connection.recv, None):
        connection.send(receive_one(way, connection, queue, shared).sum())


def measure(array, shared, connection, queue, rounds):
    """Return the seconds of each round, by way; check each sum."""

    def share():
        shared[:] = array

    ways = {
        "Queue": lambda: queue.put(array),
        "Pipe, send": lambda: connection.send(array),
        "Pipe, send_bytes": lambda: send_buffer(connection, array),
        "Pipe, out of band": lambda: send_out_of_band(connection, array),
        "SharedMemory, copied in": share,
        "SharedMemory, filled in place": lambda: None,  # it was computed there
    }
    found = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, send in ways.items():
            if way.startswith("SharedMemory"):
                started = time.perf_counter()
                send()
                connection.send(way)
            else:
                connection.send(way)
                started = time.perf_counter()
                send()
            total = connection.recv()
            found[way].append(time.perf_counter() - started)
            if total != array.sum():
                raise ValueError(f"{way} carried something else")
    return {way: times[1:] for way, times in found.items()}


def main(mib=32, rounds=5, start_method=None):
    """Measure and print the table."""
    context = multiprocessing.get_context(start_method)
    array = numpy.arange(mib * 2**17, dtype=float)
    memory = SharedMemory(create=True, size=array.nbytes)
    connection, theirs = context.Pipe()
    queue = context.Queue()
    try:
        args = (theirs, queue, memory.name, len(array))
        consumer = context.Process(target=consume, args=args, daemon=True)
        consumer.start()
        theirs.close()  # so recv() raises when the consumer dies
        shared = numpy.frombuffer(memory.buf, count=len(array))
        found = measure(array, shared, connection, queue, rounds)
        del shared  # or close() raises BufferError
        memory.close()
        connection.send(None)
        consumer.join()
    finally:
        memory.unlink()
    print(f"Messages of {array.nbytes:,} bytes, start method {context.get_start_method()}")
    print(f"{'':30}        ms   lowest  highest  x Queue")
    for way, times in found.items():
        numbers = [
            1000 * value for value in (statistics.median(times), min(times), max(times))
        ]
        cells = "".join(f"{number:9.2f}" for number in numbers)
        ratio = statistics.median(map(float.__truediv__, found["Queue"], times))
        print(f"{way:30} {cells}{ratio:9.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send an array in several ways.")
    parser.add_argument("--mib", type=int, default=32, help="size of the array")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    main(args.mib, args.rounds, args.start_method)
