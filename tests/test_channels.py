"""What the measured channels deliver: every byte, in order."""

import multiprocessing
import random

from examples.channels import latency, reuse_buffer, throughput
from tests.harness import with_start_method


def messages(number, most=5000):
    """The same random messages each time, of all lengths."""
    source = random.Random(7)
    return [source.randbytes(source.randrange(most + 1)) for _ in range(number)]


def put_all(put, number, most=5000):
    for message in messages(number, most):
        put(message)


def send_each(puts, number):
    """Run in a process: put the same messages through every channel."""
    for put in puts.values():
        put_all(put, number)


@with_start_method
def test_every_channel_delivers_every_byte_in_order(method):
    context = multiprocessing.get_context(method)
    with context.Manager() as manager:
        made = throughput.make_channels(context, manager)
        made.pop(throughput.BARE, None)  # it throws away what it reads
        for echoed, calls in latency.make_channels(context, manager).items():
            put, get, back, take_one = calls
            if not echoed.startswith("os."):
                made[f"{echoed}, there"] = put, take_one
                made[f"{echoed}, back"] = back, get
        puts = {name: ends[0] for name, ends in made.items()}
        process = context.Process(target=send_each, args=(puts, 20), daemon=True)
        process.start()
        for name, (_, get) in made.items():
            assert [get() for _ in range(20)] == messages(20), name
        process.join()


@with_start_method
def test_the_buffer_used_again_holds_each_message(method):
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe()
    process = context.Process(target=put_all, args=(sender.send_bytes, 50), daemon=True)
    process.start()
    buffer = bytearray(5000)
    for message in messages(50):  # shorter ones after longer ones
        assert reuse_buffer.receive_into(receiver, buffer) == message
    process.join()
