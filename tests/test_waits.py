"""What the kernel says of waiting threads is read right: with a time limit, without, or unknown."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap

import psutil
import pytest

from examples.recipes import who_waits
from recorder import waits as recorder_waits
from recorder.recording import Frame
from recorder.waits import AVAILABLE, Look, Pipes, Waits, match_stacks, newest, reasons, used
from recorder.waits import UNKNOWN as UNKNOWN_FILL
from tests.harness import wait_until

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="Linux on x86-64 or arm64 only")

BEGIN = """
import multiprocessing, os, queue, select, signal, socket, subprocess, sys, threading, time
from multiprocessing.connection import wait
multiprocessing.set_start_method("fork")  # with another one a lock starts a resource tracker
reader, writer = multiprocessing.Pipe()
LIMIT = (60).to_bytes(16, sys.byteorder)  # seconds, and no microseconds
lock = threading.Lock(); lock.acquire()
shared = multiprocessing.Lock(); shared.acquire()
child = os.fork() if "CHILD" in sys.argv else None
if child == 0: os.read(os.pipe()[0], 1)
print("now", flush=True)
"""
FOREVER = {
    "a lock": "lock.acquire()",
    "an event": "threading.Event().wait()",
    "a queue of threads": "queue.Queue().get()",
    "a semaphore": "shared.acquire()",
    "a condition of processes": "multiprocessing.Event().wait()",
    "a queue": "multiprocessing.Queue().get()",
    "a simple queue": "multiprocessing.SimpleQueue().get()",
    "a pipe of two ends": "reader.recv()",
    "a full pipe": "os.write(os.pipe()[1], b'x' * 100_000)",
    "a full pair of sockets": "reader.send(b'x' * 10_000_000)",
    "several connections": "wait([reader])",
    "poll": "p = select.poll(); p.register(reader); p.unregister(reader); p.register(reader, select.POLLIN); p.poll()",
    "select": "select.select([reader], [], [])",
    "epoll": "e = select.epoll(); e.register(reader, select.EPOLLIN); e.poll()",
    "a future": "import asyncio; asyncio.run(asyncio.Event().wait())",
    "a child": "os.waitpid(child, 0)",
    "any child": "os.wait() if child else 0",
    "the id of a child": "os.waitid(os.P_PID, child, os.WEXITED)",
    "a thread": "t = threading.Thread(target=lock.acquire); t.start(); t.join()",
    "an executor": "from concurrent.futures import ThreadPoolExecutor as T; T().submit(lock.acquire).result()",
}
LIMITED = {
    "sleep": "time.sleep(60)",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(60))",
    "a lock": "lock.acquire(timeout=60)",
    "a queue of threads": "queue.Queue().get(timeout=60)",
    "a semaphore": "shared.acquire(timeout=60)",
    "a queue": "multiprocessing.Queue().get(timeout=60)",
    "a connection": "reader.poll(60)",
    "poll": "p = select.poll(); p.register(0); p.unregister(0); p.poll(60_000)",
    "select": "select.select([reader], [], [], 60)",
    "a socket with a limit": "a, b = socket.socketpair(); a.setsockopt(1, socket.SO_RCVTIMEO, LIMIT); a.recv(1)",
    "a socket without room": "a, b = socket.socketpair(); a.setsockopt(1, socket.SO_SNDTIMEO, LIMIT); a.sendall(b'x' * 10_000_000)",
    "epoll": "select.epoll().poll(60)",
    "a computation": "while True: pass",
    "a thread that sleeps": "threading.Thread(target=time.sleep, args=(60,)).start(); lock.acquire()",
    "a child that sleeps": "subprocess.run(['sleep', '60'])",
    "a child that computes": "subprocess.run([sys.executable, '-S', '-c', 'while True: pass'])",
}
UNKNOWN = {
    "a network socket": "socket.create_server(('127.0.0.1', 0)).accept()",
    "a datagram": "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); s.recv(1)",
    "who may connect": "s = socket.socket(socket.AF_UNIX); s.bind('\\0' + str(os.getpid())); s.listen(); s.accept()",
    "a terminal": "a, b = os.openpty(); os.read(b, 1)",
    "a named pipe": "os.mkfifo('fifo'); open('fifo')",
    "a signal": "signal.pause()",
    "an alarm": "signal.signal(signal.SIGALRM, print); signal.alarm(60); lock.acquire()",
    "the end of a process from elsewhere": "p = select.poll(); p.register(os.pidfd_open(os.getppid())); p.poll()",
    "the output": "os.write(1, b'x' * 1_000_000)",
}
CASES = [
    (waits, what, text)
    for waits, cases in (
        (Waits.FOREVER, FOREVER),
        (Waits.LIMITED, LIMITED),
        (Waits.UNKNOWN, UNKNOWN),
    )
    for what, text in cases.items()
]


def tree(pid):
    return [pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))]


def look(pid, before=None):
    """Look at a program as the recorder does, that knows all its processes."""
    return Look(pid, tree(pid), before)


@pytest.fixture
def start(tmp_path):
    """Start a program, wait until it has said so, and end it and its children afterwards."""
    started = []

    def start(text, stdin=subprocess.DEVNULL):
        words = [sys.executable, "-S", "-c", BEGIN + text] + ["CHILD"] * ("child" in text)
        process = subprocess.Popen(
            words, stdin=stdin, stdout=subprocess.PIPE, start_new_session=True, cwd=tmp_path
        )
        started.append(process)
        assert process.stdout.readline() == b"now\n"
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize(
    ("waits", "what", "text"), CASES, ids=[f"{w.name}-{c}" for w, c, _ in CASES]
)
def test_waits(start, waits, what, text):
    process = start(text)
    if "subprocess" in text:
        wait_until(lambda: len(tree(process.pid)) == 2, "the child has started")

    def looks():
        """Five looks in a row: while a thread starts, single ones say something else."""
        first = look(process.pid)
        return [first, *(look(process.pid, first) for _ in range(4))]

    def settled():
        found = looks()
        return {one.waits for one in found} == {waits} and found

    found = wait_until(settled, f"{what}: {waits}")
    assert not found[0].proves, "one look proves nothing"
    assert found[-1].proves == (waits is Waits.FOREVER)


PLAYS = """
if os.fork() == 0:
    while True: writer.send(writer.recv())
while True: reader.send(1); reader.recv()
"""


def test_who_was_woken_in_between_is_seen(start):
    """Both may wait without a limit at each look, but one of them ran between them."""
    process = start(PLAYS)
    looks = [look(process.pid)]
    for _ in range(50):
        looks.append(look(process.pid, looks[-1]))
    assert not any(one.proves for one in looks)


ENDED = """
import ctypes
if os.fork() == 0:
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
os.wait()
"""


def test_a_process_whose_first_thread_has_ended_still_waits(start):
    """It looks like one that has ended, and another thread of it sleeps."""
    process = start(ENDED)

    def first_thread_has_ended():
        _, *children = tree(process.pid)
        return [psutil.Process(child).status() for child in children] == ["zombie"]

    wait_until(first_thread_has_ended, "its first thread has ended")
    assert look(process.pid).waits is Waits.LIMITED


def test_one_that_has_ended_and_is_not_waited_for_changes_nothing(start):
    process = start("if os.fork() == 0: os._exit(0)\nreader.recv()")
    wait_until(lambda: len(tree(process.pid)) == 2, "the child has started")
    wait_until(lambda: look(process.pid, look(process.pid)).proves, "a hang")


def test_a_local_socket_whose_other_end_is_elsewhere(start):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = start("socket.socket(fileno=0).recv(1)", theirs)
        wait_until(lambda: look(process.pid).waits is Waits.UNKNOWN, "unknown")


def test_who_only_serves_may_wait_for_anything(start):
    """The resource tracker, and the fork server, that waits in a socket of its own."""
    text = """
    context = multiprocessing.get_context("forkserver"); lock = context.Lock(); lock.acquire()
    context.Process(target=os.getpid).start(); lock.acquire()
    """
    process = start(textwrap.dedent(text))
    wait_until(lambda: look(process.pid, look(process.pid)).proves, "a hang")
    assert len(tree(process.pid)) == 3


def test_a_process_that_has_ended_is_no_proof(start):
    process = start("")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert look(process.pid).waits is Waits.LIMITED
    process.wait()
    assert Look(process.pid, [process.pid]).waits is Waits.LIMITED


def test_where_it_may_not_be_read_nothing_is_said(start, monkeypatch):
    process = start(FOREVER["a lock"])
    read = who_waits.read
    monkeypatch.setattr(
        who_waits, "read", lambda name: "" if "syscall" in name else read(name)
    )
    assert look(process.pid, look(process.pid)).waits is Waits.UNKNOWN
    assert reasons(process.pid) == {process.pid: ("", True)}


def test_a_child_by_its_handle(start):
    """A process waits for the end of another one by a pidfd, as asyncio and subprocess do."""
    text = "p = select.poll(); p.register(os.pidfd_open(child)); p.poll()"
    process = start(text)
    wait_until(lambda: look(process.pid, look(process.pid)).proves, "a hang")
    (wait,) = look(process.pid).wait_list(process.pid)
    assert (wait.kind, wait.by) == ("end", (tree(process.pid)[1],))


TIMER = """
import ctypes
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
signal.signal(signal.SIGUSR1, print)
event = (ctypes.c_char * 64)(*struct.pack("qii", 0, signal.SIGUSR1, 0))
assert libc.timer_create(1, event, ctypes.byref(timer)) == 0
lock.acquire()
"""


def test_a_timer_of_posix_may_wake_it(start):
    process = start("import struct" + TIMER)
    wait_until(lambda: look(process.pid).waits is Waits.UNKNOWN, "unknown")


REASONS = {
    "end": FOREVER["a child"],
    "data": FOREVER["a simple queue"],
    "room": FOREVER["a full pair of sockets"],
    "semaphore": LIMITED["a semaphore"],
    "own": FOREVER["a lock"],
    "sleeps": LIMITED["sleep"],
    "runs": LIMITED["a computation"],
    "outside": UNKNOWN["a terminal"],
    "outside: the lock of a file": (
        "import fcntl; a, b = open('x', 'w'), open('x', 'w'); fcntl.flock(a, 2); fcntl.flock(b, 2)"
    ),
    "outside: a FIFO": "os.mkfifo('x'); os.read(os.open('x', os.O_RDWR), 1)",
}


@pytest.mark.parametrize("what", REASONS)
def test_the_reason_of_waiting_in_one_word(start, what):
    process = start(REASONS[what])
    word = what.partition(":")[0]
    wait_until(lambda: reasons(process.pid)[process.pid][0] == word, word)


BORROWED = """
import fcntl
ends = [os.pipe() for _ in "abc"]
os.write(ends[0][1], b"x" * 1000)
os.close(ends[1][0])
fcntl.fcntl(ends[2][1], fcntl.F_SETPIPE_SZ, 4096); os.write(ends[2][1], b"x" * 4096)
os.read(os.pipe()[0], 1)
"""


def test_how_full_each_pipe_is(start):
    process = start(BORROWED)
    pipes = Pipes(os.fstat(process.stdout.fileno()).st_ino)

    def both():
        pipes.find(process.pid)
        pipes.sample(0.5)
        return len(pipes.seen) == 2

    wait_until(both, "both are filled")
    pipes.sample(0.7)  # nothing changes
    found = sorted(pipes.found([]), key=lambda pipe: pipe.capacity)
    assert [(pipe.capacity, pipe.samples) for pipe in found] == [
        (4096, ((0.5, 4096),)),
        (65536, ((0.5, 1000),)),
    ]
    process.kill()
    process.wait()
    pipes.sample(0.9)
    assert [pipe.samples[1:] for pipe in pipes.found([])] == [((0.9, UNKNOWN_FILL),)] * 2


def test_only_the_writing_end_of_a_pipe_is_borrowed():
    """To hold the reading end, even for an instant, would hide a broken pipe."""
    here, there = os.pipe()
    pipes = Pipes()
    pipes.find(os.getpid())
    assert pipes.ends[os.readlink(f"/proc/self/fd/{there}")] == [(os.getpid(), there)]
    os.close(here), os.close(there)


STACK = [
    "Thread 0x0000000000003000 (most recent call first):",
    '  File "x.py", line 1 in newest',
    "",
    "Thread 0x0000000000001000 (most recent call first):",
    '  File "x.py", line 2 in older',
    "",
    "Current thread 0x0000000000002000 (most recent call first):",
    '  File "x.py", line 3 in main',
]


@pytest.mark.parametrize(
    ("pointers", "names"),
    [
        ({7: 0x9000, 8: 0x0F00, 9: 0x2F00}, {7: "main", 8: "older", 9: "newest"}),
        ({7: 0x9000, 8: 0x0F00}, {}),  # a thread that was not looked at
        ({7: 0x9000, 8: 0x0F00, 9: 0x2F00, 10: 0x4000}, {}),  # one that is not Python's
        ({7: 0x9000, 8: 0x0F00, 9: 0x0E00}, {}),  # two of them on one stack
        ({}, {7: "main"}),  # nobody was looked at
    ],
)
def test_whose_stack_it_is(pointers, names):
    found = match_stacks(STACK, 7, pointers)
    assert {tid: frames[0].function for tid, frames in found.items()} == names


def test_of_one_thread_the_stack_is_certain():
    (frames,) = match_stacks(STACK[-2:], 7, {7: 1, 8: 2}).values()
    assert frames == (Frame("x.py", 3, "main"),)
    assert match_stacks(["<truncated>"], 7, {}) == {}
    without_a_gil = ["Stack (most recent call first):", STACK[-1]]
    assert match_stacks(without_a_gil, 7, {7: 1, 8: 2}) == {7: frames}


def test_what_a_process_has_used():
    own = used(os.getpid())
    assert own and own.alive and own.parent == os.getppid() and own.cpu > 0
    assert own.threads == len(who_waits.listed(f"{os.getpid()}/task"))
    assert abs(own.memory / psutil.Process().memory_info().rss - 1) < 0.1
    reader, writer = os.pipe()
    forked = os.fork()
    if forked == 0:
        os.read(reader, 1)
        os._exit(0)
    try:
        child = used(forked)
        assert child and child.parent == os.getpid() and child.image == own.image
        assert child.started >= own.started
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitid(os.P_PID, forked, os.WEXITED | os.WNOWAIT)
    zombie = used(forked)
    assert zombie and not zombie.alive
    os.waitpid(forked, 0)
    assert used(forked) is None
    with subprocess.Popen(["sleep", "60"]) as other:
        wait_until(
            lambda: used(other.pid).image not in (own.image, 0), "it has executed sleep"
        )
        other.kill()
    os.close(reader)
    os.close(writer)


def test_a_new_process_is_noticed(monkeypatch):
    before = newest()
    subprocess.run(["true"], check=True)
    assert newest() != before

    def not_there():
        raise FileNotFoundError

    monkeypatch.setattr(recorder_waits, "load_average", not_there)
    assert newest() != newest(), "else nobody would be looked for"
