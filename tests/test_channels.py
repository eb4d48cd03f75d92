"""What the measured channels deliver, and the ring of shared_ring.py whatever happens to it."""

import contextlib
import multiprocessing
import os
import pathlib
import random
import re
import signal
import sys
import zlib

import pytest

from examples.channels import latency, reuse_buffer, shared_ring, throughput
from tests.harness import (
    START_METHODS,
    RunningProgram,
    cpu_time,
    kill,
    on_posix,
    wait_until,
    with_start_method,
)

SHM = pathlib.Path("/dev/shm")


def shared_by(started, kind="psm_"):
    """The names of the blocks of shared memory, or semaphores, that a program has."""
    found = set()
    for process in started.tree():
        with contextlib.suppress(OSError):
            maps = pathlib.Path(f"/proc/{process.pid}/maps").read_text()
            found |= set(re.findall(rf"/dev/shm/({kind}\w+)", maps))
    return found


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere there is no /dev/shm to look at"
)
@with_start_method
@pytest.mark.parametrize("victim", [0, 1, "all"])
def test_a_crash_leaves_no_shared_memory(tmp_path, method, victim):
    arguments = ("--rounds", 1000, "--start-method", method)
    with RunningProgram(tmp_path, "channels/shared_ring.py", *arguments) as started:
        both = started.wait_for_workers(2)
        wait_until(lambda: cpu_time(both[1]) > 0.05, "they work")
        names = wait_until(lambda: shared_by(started), "it shares memory")
        if victim == "all":  # the resource tracker too: nobody is left to clean up
            wait_until(lambda: not any(map(in_shm, names)), "the names are gone")
            semaphores = shared_by(started, r"sem\.mp-")
            os.killpg(started.process.pid, signal.SIGKILL)
            for semaphore in filter(
                in_shm, semaphores
            ):  # the Queue's: under fork there is none
                (SHM / semaphore).unlink()
        else:
            assert kill([both[victim]]) == 1
        status, out, err = started.finish()
        assert not any(map(in_shm, names))
    if victim != "all":
        name = ("produce", "consume")[victim]
        assert (status, out, err) == (1, "", f"{name} ended, exit code -9\n")


def in_shm(name):
    return (SHM / name).exists()


def messages(number, most=5000):
    """The same random messages each time, of all lengths."""
    source = random.Random(7)
    return [source.randbytes(source.randrange(most + 1)) for _ in range(number)]


def put_all(put, number, most=5000):
    for message in messages(number, most):
        put(message)


def fill(ring, number, reports):
    """Run in a process: put messages into the ring, and report each."""
    ring.consumer.close()
    for count, message in enumerate(messages(number), 1):
        ring.put(message)
        reports.send(count)


def take(ring, number):
    """Run in a process: get so many messages from the ring, then die."""
    ring.producer.close()
    for _ in range(number):
        with ring.get():
            pass
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def ring_with(method, target, *args, slots=3):
    """A ring whose other side runs in a process."""
    context = multiprocessing.get_context(method)
    ring = shared_ring.Ring(context, slots, 5000)
    process = context.Process(target=target, args=(ring, *args))
    process.start()
    (ring.producer if target is fill else ring.consumer).close()
    try:
        yield ring, process
    finally:
        process.kill()
        process.join()
        ring.memory.close()
        ring.memory.unlink()
    assert sys.platform != "linux" or not in_shm(ring.memory.name)


@with_start_method
def test_the_ring_delivers_every_byte_in_order(method):
    reader, writer = multiprocessing.get_context(method).Pipe(duplex=False)
    with ring_with(method, fill, 100, writer) as (ring, _):
        for number, message in enumerate(messages(100)):
            with ring.get() as slot:
                if number % 2:
                    assert zlib.crc32(slot) == zlib.crc32(message)  # in place
                else:
                    assert bytes(slot) == message
    reader.close()


def test_the_ring_waits_for_a_slow_consumer():
    reader, writer = multiprocessing.get_context(START_METHODS[0]).Pipe(duplex=False)
    with ring_with(START_METHODS[0], fill, 20, writer) as (ring, _):
        reported = 0
        for number, message in enumerate(messages(20)):
            while reported < min(number + 3, 20):  # three slots
                reported = reader.recv()
            assert not reader.poll()  # it waits for a slot
            with ring.get() as slot:
                assert bytes(slot) == message
    reader.close()


@with_start_method
def test_the_ring_without_its_producer(method):
    reader, writer = multiprocessing.get_context(method).Pipe(duplex=False)
    with ring_with(method, fill, 2, writer) as (ring, process):
        process.join()
        for _ in range(2):  # what it has put is still there
            with ring.get() as slot:
                assert len(slot) <= 5000
        with pytest.raises((EOFError, OSError)), ring.get():
            pass
    reader.close()


@on_posix
@with_start_method
def test_the_ring_without_its_consumer(method):
    with ring_with(method, take, 2) as (ring, process):
        with pytest.raises((EOFError, OSError)):
            put_all(ring.put, 100)
        process.join()
        assert process.exitcode == -signal.SIGKILL


def test_the_ring_refuses_what_is_too_large():
    ring = shared_ring.Ring(multiprocessing, 2, 10)
    with pytest.raises(ValueError, match="11 bytes don't fit into a slot of 10"):
        ring.put(bytes(11))
    ring.put(b"0123456789")
    with ring.get() as slot:
        assert bytes(slot) == b"0123456789"
    ring.memory.close()
    ring.memory.unlink()


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
