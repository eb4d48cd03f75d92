"""The programs that measure channels, for what they deliver; and what is read off their tables."""

import contextlib
import importlib.util
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import time
import zlib

import psutil
import pytest

from examples.channels import latency, reuse_buffer, shared_ring, throughput
from recorder import channels
from recorder.store import EXAMPLES
from tests.harness import START_METHODS, RunningProgram, run, wait_until
from tests.stress_work_queue import workers_of


def old_answer_rows(output):
    """The table of old_answer.py, which no page reads."""
    return channels.read(r"([A-Z]\w+) +([\d,]+)", 3, 0, output)


QUICK = {  # program: arguments, and how its table is read
    "throughput.py": (("--budget", 0.05), channels.throughput_rows, 33),
    "latency.py": (("--budget", 0.01, "--rounds", 2), channels.latency_rows, 16),
    "old_answer.py": (("--scale", 0.001, "--rounds", 1), old_answer_rows, 12),
    "batch.py": (("--items", 1000, "--rounds", 2), channels.way_rows, 4),
    "reuse_buffer.py": (
        ("--size", 1000, "--messages", 9, "--rounds", 2),
        channels.way_rows,
        4,
    ),
    "shared_ring.py": (("--amount", 2**24, "--rounds", 1), channels.way_rows, 4),
}
LONG = {  # program: arguments with which it is at work when a test is at its worst
    "throughput.py": ("--budget", 1000),
    "latency.py": ("--budget", 1000),
    "old_answer.py": ("--scale", 10),
    "batch.py": ("--rounds", 10**6),
    "reuse_buffer.py": ("--rounds", 1000),
    "shared_ring.py": ("--rounds", 1000),
}
SHM = pathlib.Path("/dev/shm")
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_program = pytest.mark.parametrize("program", QUICK)
with_method = pytest.mark.parametrize("method", START_METHODS)


def copied(folder, program):
    return shutil.copy(EXAMPLES / "channels" / program, folder)


def method_for(program):
    """One start method for each program, all of them in turn."""
    return START_METHODS[list(QUICK).index(program) % len(START_METHODS)]


@with_program
@with_method
def test_prints_a_table_that_can_be_read_back(tmp_path, program, method):
    arguments, read, rows = QUICK[program]
    status, out, err = run(
        tmp_path, copied(tmp_path, program), *arguments, "--start-method", method
    )
    assert (status, err) == (0, "")
    found = read(out)
    assert len(found) == rows
    assert all(0 < row.low <= row.median <= row.high for row in found)
    assert f"start method {method}" in out.splitlines()[0].replace("Start", "start")


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (
            "throughput.py",
            ("--budget", 0),
            "argument --budget: 0 is not more than 0, up to 3600",
        ),
        (
            "throughput.py",
            ("--budget", "nan"),
            "argument --budget: nan is not more than 0, up to 3600",
        ),
        (
            "latency.py",
            ("--budget", -1),
            "argument --budget: -1 is not more than 0, up to 3600",
        ),
        ("old_answer.py", ("--scale", 0), "argument --scale: 0 is not from 0.0001 to 10"),
        ("old_answer.py", ("--rounds", 0), "argument --rounds: 0 is not from 1 to 1000"),
        ("batch.py", ("--batches", "1,x"), "argument --batches: '1,x' is not like 1,10"),
        ("batch.py", ("--batches", "0"), "argument --batches: 0 are not all 1 or more"),
        ("batch.py", ("--items", "0"), "argument --items: 0 is not from 1 to 10000000"),
        ("batch.py", ("--rounds", "0"), "argument --rounds: 0 is not 1 or more"),
        ("reuse_buffer.py", ("--size", "0"), "argument --size: 0 is not from 1 to 1073741824"),
        ("shared_ring.py", ("--slots", "0"), "argument --slots: 0 is not from 1 to 100"),
    ],
)
def test_bad_arguments(tmp_path, program, arguments, message):
    status, out, err = run(tmp_path, copied(tmp_path, program), *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"{program}: error: {message}"


def test_pyzmq_is_missing(tmp_path):
    (tmp_path / "zmq.py").write_text("raise ImportError")
    status, out, err = run(tmp_path, copied(tmp_path, "peers.py"))
    assert (status, out) == (1, "")
    assert err == "peers.py needs pyzmq: python -m pip install pyzmq\n"


@pytest.mark.skipif(not importlib.util.find_spec("zmq"), reason="pyzmq is not installed")
def test_peers(tmp_path):
    status, out, _ = run(tmp_path, copied(tmp_path, "peers.py"), "--budget", 0.05)
    assert status == 0
    names = {row.name for row in channels.throughput_rows(out)}
    assert names >= {"Queue", "Pipe() send_bytes", "pyzmq"}
    assert re.search(r"^pyzmq [\d.]+, licence BSD-3-Clause$", out, re.MULTILINE)


def at_work(started, number):
    """Wait for so many workers of a program, in the order of their starts; return them."""
    process = psutil.Process(started.process.pid)

    def enough():
        found = sorted(workers_of(process), key=psutil.Process.create_time)
        return found if len(found) >= number else None

    return wait_until(enough, f"{number} workers run")


WORKERS = {"throughput.py": 3, "latency.py": 3}  # else 2


@on_posix
@with_program
def test_ctrl_c(tmp_path, program):
    arguments = (*LONG[program], "--start-method", method_for(program))
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        at_work(started, WORKERS.get(program, 2))
        started.interrupt()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, out, err) == (130, "", "Interrupted\n")


@on_posix
@with_program
def test_a_worker_is_killed(tmp_path, program):
    method = START_METHODS[::-1][START_METHODS.index(method_for(program))]
    arguments = (*LONG[program], "--start-method", method)
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        victim = at_work(started, WORKERS.get(program, 2))[-1]
        wait_until(lambda: sum(victim.cpu_times()[:2]) > 0.05, "it works")
        victim.kill()
        killed = time.monotonic()
        status, out, err = started.finish()
        assert time.monotonic() - killed < 2
        started.assert_nothing_left()
    assert (status, out) == (1, "")
    assert re.fullmatch(r"\w+ ended, exit code -9\n", err)


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
@with_method
@pytest.mark.parametrize("victim", [0, 1, "all"])
def test_a_crash_leaves_no_shared_memory(tmp_path, method, victim):
    arguments = (*LONG["shared_ring.py"], "--start-method", method)
    with RunningProgram(tmp_path, copied(tmp_path, "shared_ring.py"), *arguments) as started:
        both = at_work(started, 2)
        wait_until(lambda: sum(both[1].cpu_times()[:2]) > 0.05, "they work")
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
            both[victim].kill()
        killed = time.monotonic()
        status, out, err = started.finish()
        assert time.monotonic() - killed < 2
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


@with_method
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


@with_method
def test_the_ring_without_its_producer(method):
    reader, writer = multiprocessing.get_context(method).Pipe(duplex=False)
    with ring_with(method, fill, 2, writer) as (ring, process):
        process.join()
        began = time.monotonic()
        for _ in range(2):  # what it has put is still there
            with ring.get() as slot:
                assert len(slot) <= 5000
        with pytest.raises((EOFError, OSError)), ring.get():
            pass
        assert time.monotonic() - began < 2
    reader.close()


@on_posix
@with_method
def test_the_ring_without_its_consumer(method):
    with ring_with(method, take, 2) as (ring, process):
        began = time.monotonic()
        with pytest.raises((EOFError, OSError)):
            put_all(ring.put, 100)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert time.monotonic() - began < 5  # with the start of the process


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


@with_method
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


@with_method
def test_the_buffer_used_again_holds_each_message(method):
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe()
    process = context.Process(target=put_all, args=(sender.send_bytes, 50), daemon=True)
    process.start()
    buffer = bytearray(5000)
    for message in messages(50):  # shorter ones after longer ones
        assert reuse_buffer.receive_into(receiver, buffer) == message
    process.join()


THROUGHPUT = """\
Start method fork, rounds: 3
channel                          size  in a turn  messages/s      lowest     highest      MB/s
Queue                             8 B      9,351   160,000.0   150,000.0   170,000.0       1.3
Pipe(duplex=False) send           8 B     14,029   320,000.0   300,000.0   330,000.0       2.4
SimpleQueue                       8 B      7,662   165,000.0   161,000.0   239,000.5       1.4
Queue                           1 MiB          1     1,000.0       900.0     1,100.0   1,048.6
Pipe(duplex=False) send         1 MiB          1     2,000.0     2,000.0     2,000.0   2,097.2
memory copy                   128 MiB          5        84.3        73.8        88.0  11,315.5
"""
LATENCY = """\
Start method fork, rounds: 10; microseconds
                                 median   lowest  highest  99th per cent   lowest  highest
Queue                              60.0     39.0    104.9          121.2     77.0   4197.7
Pipe() send                        15.0     10.0     31.0           68.6     36.9     99.1
"""
RING = """\
Messages of 1,048,576 bytes, 4 slots, start method fork, no NumPy, rounds: 5
                         GB/s   lowest  highest  x Queue   x copy
Queue                    0.43     0.36     0.48     1.00     0.04
ring, copied out        24.29    16.08    28.25    58.33     1.98
"""
BATCH = """\
Items of 8 bytes: 20,000, start method fork, rounds: 5
  batch      items/s       lowest      highest   x first
      1      228,552      220,647      245,915      1.00
  1,000   15,304,889   11,064,725   21,171,773     68.96
"""


def test_the_tables_are_read():
    rows = channels.throughput_rows(THROUGHPUT)
    assert [(row.name, row.size) for row in rows[-2:]] == [
        ("Pipe(duplex=False) send", 2**20),
        ("memory copy", 2**27),
    ]
    simple = channels.of(rows, "SimpleQueue", "8 B")
    assert (simple.median, simple.low, simple.high) == (165_000, 161_000, 239_000.5)
    rows = channels.latency_rows(LATENCY)
    assert [row.high for row in rows] == [104.9, 4197.7, 31.0, 99.1]
    assert channels.of(rows, "Pipe() send", "99th per cent").median == 68.6
    assert channels.way_rows(RING)[1].ratios == (58.33, 1.98)
    assert channels.way_rows(BATCH)[1].ratios == (68.96,)
    assert channels.way_rows(BATCH)[1].name == "1,000"


@pytest.mark.parametrize(
    "read",
    [
        channels.throughput_rows,
        channels.latency_rows,
        channels.way_rows,
    ],
)
def test_no_table(read):
    with pytest.raises(ValueError, match="no such table"):
        read("Traceback (most recent call last):\n1 2\n")


def test_no_such_row():
    with pytest.raises(LookupError, match="Queue, 9 B"):
        channels.of(channels.throughput_rows(THROUGHPUT), "Queue", "9 B")


def figures_out(text):
    return re.sub(r"<[^>]*>", "", text)


def test_sentences_follow_from_the_figures():
    rows = channels.throughput_rows(THROUGHPUT)
    queue, pipe, simple = rows[:3]
    said = (
        "Pipe(duplex=False) send carries 2.0 times as many messages as Queue "
        "(320,000 against 160,000 a second)"
    )
    assert figures_out(channels.faster(queue, pipe)) == said
    assert figures_out(channels.faster(pipe, queue)) == said
    assert '<data class="figure" value="2.0 times">' in channels.faster(pipe, queue)
    assert (
        channels.faster(queue, simple) == "Queue and SimpleQueue: no difference measured here"
    )
    assert channels.fastest(rows[:3]) == "Pipe(duplex=False) send"
    assert channels.fastest([queue, simple]) == (
        "Queue, SimpleQueue (no difference measured here)"
    )
    single = channels.faster(rows[3], rows[4])  # one round only
    assert single.endswith("no difference measured here")
    queue, _, pipe, _ = channels.latency_rows(LATENCY)
    assert figures_out(channels.sooner(queue, pipe)) == (
        "Pipe() send takes 25 % of the time that Queue takes (15.0 against 60.0 µs)"
    )


def test_the_plots():
    picture = channels.throughput_plot(channels.throughput_rows(THROUGHPUT))
    assert picture == channels.throughput_plot(channels.throughput_rows(THROUGHPUT))
    assert picture.count('class="bp-channel') == 3
    assert 'class="bp-limit"' in picture
    assert "Queue, 1 MiB: 1000 (900 to 1100)" in picture
    assert ">64 KiB<" not in picture and ">1 MiB<" in picture
    picture = channels.latency_plot(channels.latency_rows(LATENCY))
    assert "Pipe() send, 99th per cent: 68.6 (36.9 to 99.1)" in picture
    assert len(picture) < 15_000
