"""The ring of shared_ring.py: what it delivers, what it waits for, and who may die."""

import contextlib
import multiprocessing
import os
import random
import sys
import threading
import time
import zlib

import psutil
import pytest

from examples.channels.shared_ring import Ring, end_with_parent
from tests.harness import (
    wait_until,
    with_each,
    with_start_method,
)

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="where mappings can be listed")
SIZES = (1, 999, 5000, 64, 0)


def messages(number):
    """So many messages, of sizes that differ, the same each time."""
    source = random.Random(0)
    return [source.randbytes(SIZES[at % len(SIZES)]) for at in range(number)]


def write(ring, number, raises=None):
    """Run in a process: be the producer."""
    with ring.producer() as producer:
        for message in messages(number):
            with producer.slot() as view:
                view[: len(message)] = message
                producer.length = len(message)
        if raises:
            raise SystemExit(raises)


def read(ring, number, answer, most=None):
    """Run in a process: be a consumer; answer with what came, and how it ended."""
    checksums, end = [], "end"
    try:
        with ring.consumer(number) as received:
            for message in received:
                with message as view:
                    checksums.append((len(view), zlib.crc32(view)))
                if most and len(checksums) == most:
                    os._exit(3)
    except EOFError:
        end = "EOFError"
    answer.send((checksums, end))


def be_parent(method, sizes, told):
    """Run in a process that will be killed: have a ring whose three workers wait, and a bystander.

    Under `fork` the bystander, which is started last, hides from the others that their parent ends.
    """
    context = multiprocessing.get_context(method)
    ring = Ring(2, sizes, 2, context)
    never, keep = context.Pipe(duplex=False)
    workers = [context.Process(target=wait_as_producer, args=(ring, never, told))]
    workers += [
        context.Process(target=wait_as_consumer, args=(ring, at, told)) for at in range(2)
    ]
    bystander = context.Process(target=time.sleep, args=(60,))
    for worker in [*workers, bystander]:
        worker.start()
    ring.close()
    told.send(("bystander", bystander.pid))
    never.recv()
    keep.close()


def wait_as_producer(ring, never, told):
    """Run in a process: fill all slots, and wait for a consumer that doesn't read."""
    with contextlib.suppress(EOFError, BrokenPipeError), ring.producer() as producer:
        told.send(("producer", os.getpid()))
        while True:
            with producer.slot():
                pass


def wait_as_consumer(ring, at, told):
    """Run in a process: read what comes; the first one waits in the middle of a message."""
    with contextlib.suppress(EOFError), ring.consumer(at) as received:
        told.send((at, os.getpid()))
        for message in received:
            with message:
                if at == 0:
                    end_with_parent()


@contextlib.contextmanager
def workers_for(method, *targets, slots=3, consumers=None):
    """A ring with these parts in processes of their own: (target, arguments after the ring)."""
    context = multiprocessing.get_context(method)
    consumers = consumers or sum(target is read for target, *_ in targets)
    ring = Ring(slots, 5000, consumers, context)
    workers = [context.Process(target=target, args=(ring, *args)) for target, *args in targets]
    try:
        for worker in workers:
            worker.start()
        yield ring, workers
    finally:
        ring.close()
        for worker in workers:
            worker.kill()
            worker.join()


def answers_of(method, number):
    return [multiprocessing.get_context(method).Pipe(duplex=False) for _ in range(number)]


def received(answers):
    """What the consumers answer."""
    found = []
    for receiver, _ in answers:
        assert receiver.poll(60), "a consumer answers"
        found.append(receiver.recv())
    return found


EXPECTED = [(len(message), zlib.crc32(message)) for message in messages(200)]


@pytest.mark.parametrize(("consumers", "method"), with_each([1, 2, 5]))
def test_every_consumer_sees_every_message(consumers, method):
    answers = answers_of(method, consumers)
    readers = [(read, number, answers[number][1]) for number in range(consumers)]
    with workers_for(method, (write, 200), *readers) as (ring, _):
        ring.close()
        assert received(answers) == [(EXPECTED, "end")] * consumers


@with_start_method
def test_the_producer_ends_early(method):
    answers = answers_of(method, 2)
    parts = [(write, 200, 1), (read, 0, answers[0][1]), (read, 1, answers[1][1])]
    with workers_for(method, *parts) as (ring, _):
        ring.close()
        assert received(answers) == [(EXPECTED, "EOFError")] * 2


@with_start_method
def test_a_consumer_that_dies_holds_nobody_up(method):
    answers = answers_of(method, 2)
    parts = [(write, 200), (read, 0, answers[0][1], 5), (read, 1, answers[1][1])]
    with workers_for(method, *parts) as (ring, workers):
        ring.close()
        assert received(answers[1:]) == [(EXPECTED, "end")]
        workers[0].join(60)
        assert workers[0].exitcode == 0


@with_start_method
def test_the_producer_is_told_that_no_consumer_is_left(method):
    answers = answers_of(method, 2)
    parts = [(read, at, answers[at][1], 5) for at in range(2)]
    with workers_for(method, *parts) as (ring, _), pytest.raises(BrokenPipeError):
        write(ring, 200)


@pytest.fixture
def both():
    """A producer and a consumer in this process, of a ring with two slots."""
    ring = Ring(2, 100)
    ends = [end for pipe in ring.full + ring.free for end in pipe]
    ring.close = lambda *mine: None
    with ring.consumer(0) as received:
        producer = ring.producer()
        yield producer.__enter__(), received
    for end in ends:
        end.close()


def put(producer, data):
    with producer.slot() as view:
        view[:] = data * 100


def take(received):
    with next(received) as view:
        return bytes(view[:1])


def blocks(call, *args):
    """Whether a call waits; the thread ends when what it waits for comes."""
    thread = threading.Thread(target=call, args=args, daemon=True)
    thread.start()
    thread.join(0.3)
    return thread.is_alive() and thread


def test_the_slowest_consumer_holds_the_producer_back(both):
    producer, received = both
    put(producer, b"1")
    put(producer, b"2")
    waiting = blocks(put, producer, b"3")
    assert waiting
    assert take(received) == b"1"
    waiting.join(60)
    assert not waiting.is_alive()
    assert [take(received), take(received)] == [b"2", b"3"]


def test_an_exception_loses_no_slot(both):
    producer, received = both
    for _ in range(5):
        with pytest.raises(KeyError), producer.slot():
            raise KeyError
    for number in b"12345":
        put(producer, bytes([number]))
        with pytest.raises(KeyError), next(received) as view:
            assert view[0] == number
            raise KeyError
    put(producer, b"6")
    assert take(received) == b"6"  # and what a block had raised in wasn't sent


@pytest.mark.parametrize("length", [-1, 101])
def test_a_message_that_does_not_fit_is_not_sent(both, length):
    producer, received = both
    for _ in range(3):
        with pytest.raises(ValueError, match=f"no room for {length} bytes"), producer.slot():
            producer.length = length
    put(producer, b"1")
    assert take(received) == b"1"


def test_a_message_that_is_not_used_loses_no_slot(both):
    producer, received = both
    for number in b"12345":
        put(producer, bytes([number]))
        next(received)
    put(producer, b"6")
    assert take(received) == b"6"


def test_a_view_is_of_no_use_after_its_block(both):
    producer, received = both
    with producer.slot() as filled:
        filled[:] = b"1" * 100
    with next(received) as view:
        assert view.readonly
    for gone in filled, view:
        with pytest.raises(ValueError, match="released memoryview"):
            gone[0]


def keeping(kind, view):
    if kind == "slice":
        return view[:5]
    return pytest.importorskip("numpy").frombuffer(view, "uint8")


@pytest.mark.parametrize("kind", ["slice", "array"])
def test_what_is_kept_is_not_overwritten(both, kind):
    producer, received = both
    put(producer, b"1")
    with pytest.raises(BufferError, match="in use"), next(received) as view:
        kept = keeping(kind, view)
    for number in b"2345":
        put(producer, bytes([number]))
        assert take(received) == bytes([number])
        assert bytes(kept[:5]) == b"11111"
    del kept  # now its slot can be used again
    put(producer, b"6")
    assert take(received) == b"6"
    put(producer, b"7")
    put(producer, b"8")
    assert [take(received), take(received)] == [b"7", b"8"]


@pytest.mark.parametrize("kind", ["slice", "array"])
def test_what_the_producer_keeps_is_not_sent(both, kind):
    producer, received = both
    with pytest.raises(BufferError, match="in use"), producer.slot() as view:
        kept = keeping(kind, view)
    put(producer, b"1")
    assert take(received) == b"1"
    with pytest.raises(BufferError, match="in use"), producer.slot() as view:
        second = keeping(kind, view)
    with pytest.raises(BufferError, match="in use"):  # and not a wait for ever
        put(producer, b"2")
    del kept, second
    put(producer, b"3")
    assert take(received) == b"3"


@pytest.mark.parametrize(
    "slots, size, consumers", [(0, 1, 1), (256, 1, 1), (1, 0, 1), (1, 1, 0)]
)
def test_what_is_no_ring(slots, size, consumers):
    with pytest.raises(ValueError, match="a ring has 1 to 255 slots"):
        Ring(slots, size, consumers)


def nameless(pid):
    """How much of the folder of shared memory a process has mapped, of files without a name."""
    maps = [m for m in psutil.Process(pid).memory_maps() if "/dev/shm/" in m.path]
    return sum(m.size for m in maps if not os.path.exists(m.path))


@on_linux
@with_start_method
def test_nothing_outlives_a_killed_parent(method):
    size = 2**20
    (receiver, told), context = answers_of(method, 1)[0], multiprocessing.get_context(method)
    parent = context.Process(target=be_parent, args=(method, size, told))
    parent.start()
    told.close()
    pids = dict(receiver.recv() for _ in range(4))
    bystander = psutil.Process(pids.pop("bystander"))
    try:
        # It has no name, so there is nothing to take away.
        assert all(nameless(pid) >= size for pid in pids.values())
        parent.kill()
        parent.join()
        wait_until(lambda: not any(map(psutil.pid_exists, pids.values())), "all have ended")
        assert bystander.is_running()
    finally:
        parent.kill()
        bystander.kill()
