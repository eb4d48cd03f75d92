"""who_waits.py: the right ring and page for each program that hangs, and none for one that works."""

import contextlib
import re
import runpy
import subprocess
import sys
import uuid

import pytest

from examples.recipes import who_waits
from render.runs import ROOT, read_runs
from tests.harness import (
    EXAMPLES,
    PYTHON,
    START_METHODS,
    RunningProgram,
    copy_of_program,
    run,
    wait_until,
    with_start_method,
)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or who_waits.MACHINE < 0, reason="Linux on x86-64 or arm64 only"
)

PARENT = r"The (?:parent|process)"
WORKER = r"Worker \d+"
ENDS = rf"{PARENT} waits for worker \d+ to end\."
SILENT = rf"{PARENT} waits for data from a pipe\. Only this process itself could write to it\."
ASKS = rf"{PARENT} waits for data from a pipe\. Only worker \d+ could write to it\."
THREAD = "waits for another of its threads, or a lock of theirs."
ALONE = (
    rf"{WORKER} waits for a lock of its own threads, and has no other: nobody can release it\."
)
FULL = r"Its thread \d+ waits for room in a pipe that is full: [\d,]+ of 65,536 bytes\. Only"
LOCK = r"waits for a semaphore \(a lock of processes\)\. Only"
NOBODY = LOCK.replace("Only", "Nobody else")
POOL = r"Its thread \d+ waits for (?:any of \d things|data from a pipe)\. Only .+ could .+\."
RING = "A ring: the last waits for the (?:parent|process), and nobody can wake another."
LAST = "Nobody else could wake the last one."
FAULTS = {  # the sentences, one after the other, and the page
    "join_before_get": (
        [ENDS, f"{WORKER} {THREAD}", f"{FULL} the parent could read it.", RING],
        "join-before-get",
    ),
    "dead_worker_queue": ([SILENT, LAST], "dead-worker"),
    "dead_worker_pipe": ([SILENT, LAST], "dead-worker"),
    "worker_exception": ([SILENT, LAST], "worker-exception"),
    "unpicklable_put": ([SILENT, LAST], "unpicklable-put"),
    "dead_worker_siblings": (
        [
            rf"{PARENT} waits for data from a socket\. Only {WORKER} or {WORKER} .+ it\.",
            rf"{WORKER} waits for data from a socket\. Only the parent or {WORKER} .+ it\.",
            RING,
        ],
        "dead-worker",
    ),
    "killed_holding_lock": (
        [
            ASKS,
            f"{WORKER} {THREAD}",
            rf"Its thread \d+ {LOCK} the parent could release it\.",
            RING,
        ],
        "killed-holding-lock",
    ),
    "terminate_worker": (
        [
            ASKS,
            f"{WORKER} {THREAD}",
            rf"Its thread \d+ {LOCK} the parent could release it\.",
            RING,
        ],
        "killed-holding-lock",
    ),
    "idle_worker_killed": (
        [ASKS, f"{WORKER} {LOCK} the parent could release it.", RING],
        "killed-holding-lock",
    ),
    "event_set": (
        [
            f"{PARENT} {LOCK} {WORKER} could release it.",
            f"{WORKER} {LOCK} the parent .+",
            RING,
        ],
        "event-set",
    ),
    "fork_with_threads": ([ENDS, ALONE, LAST], "fork-with-threads"),
    "two_way_deadlock": (
        [
            rf"{PARENT} waits for room in a socket that is full: [\d,]+ bytes\. Only {WORKER} could read it\.",
            rf"{WORKER} waits for room in a socket that is full: [\d,]+ bytes\. Only the parent could read it\.",
            RING,
        ],
        "two-way-deadlock",
    ),
    "ctrl_c": (
        [f"{PARENT} {THREAD}", f"{FULL} this process itself could read it.", RING],
        "ctrl-c",
    ),
    "sentinel_too_few": (
        [
            ENDS,
            rf"{WORKER} waits for data from a pipe\. Only the parent could write to it\.",
            RING,
        ],
        "sentinel-too-few",
    ),
    "task_done_too_few": (
        [
            f"{PARENT} {LOCK} {WORKER} could release it.",
            rf"{WORKER} waits for data from a pipe\. Only the parent could write to it\.",
            RING,
        ],
        "joinable-queue",
    ),
    "feeder_traceback": (
        [
            ASKS,
            rf"{WORKER} waits for data from a pipe\. Only the parent could write to it\.",
            RING,
        ],
        "worker-exception",
    ),
    "task_done_dead": ([f"{PARENT} {NOBODY} could release it."], "joinable-queue"),
    "full_queue": ([f"{PARENT} {NOBODY} could release it."], "full-queue"),
    "pool_exception": ([f"{PARENT} {THREAD}", POOL], "pool-hangs"),
    "pool_killed": ([f"{PARENT} {THREAD}", POOL], "pool-hangs"),
    "max_tasks": ([f"{PARENT} {THREAD}", POOL], "pool-hangs"),
    "watchdog_fork": ([ENDS, ALONE, LAST], "fork-with-threads"),
    "large_argument": (
        [
            rf"{PARENT} waits for room in a pipe.*\. Only this process itself could read it\.",
            LAST,
        ],
        "large-argument",
    ),
}


def hanging():
    """Each broken program that hangs here, with one of the start methods under which it does."""
    for turn, (name, spec) in enumerate(read_runs().items()):
        methods = [
            method
            for method in spec.start_methods
            if method in START_METHODS and any(one.hangs for one in spec.expected(method))
        ]
        if methods and name.endswith("_broken"):
            yield name, methods[turn % len(methods)]


def unwrapped(text):
    return text.replace("\n  ", " ").splitlines()


def pages_of(lines):
    return re.findall(r"faults/([\w-]+)\.html", lines[-1])


def assert_said(sentences, lines):
    """Assert that these lines come, one after the other."""
    text = "\n".join(lines)
    pattern = "\n".join(sentences)
    assert re.search(f"^{pattern}$", text, re.MULTILINE | re.IGNORECASE), text


@pytest.mark.parametrize(("name", "method"), list(hanging()))
def test_a_fault(tmp_path, name, method):
    name = name.removesuffix("_broken")
    broken = copy_of_program(tmp_path, f"faults/{name}_broken.py").name
    command = ("--once", "--", "python", broken, "--start-method", method)
    status, out, _ = run(tmp_path, "recipes/who_waits.py", *command)
    lines = unwrapped(out)
    sentences, page = FAULTS[name]
    assert status == 0
    assert_said(sentences, lines)
    assert page in pages_of(lines), out
    assert all((EXAMPLES.parent / f"docs/faults/{one}.md").exists() for one in pages_of(lines))


def test_the_chain_begins_with_the_main_thread_whatever_its_number():
    """The kernel counts on from 1 after its highest number: a thread's can be below its process's."""
    wait = who_waits.Wait
    own, room = wait("own", "its thread", {32767}), wait("room", "room in a pipe", {32767})
    main = who_waits.Thread(32767, 32767, "futex", waits=[own])
    feeder = who_waits.Thread(32767, 304, "write", waits=[room])
    look = object.__new__(who_waits.Look)
    look.root, look.threads, look.still = 32767, {304: feeder, 32767: main}, [feeder, main]
    assert look.chain() == ([main, feeder], 0)


SLOW = (
    "asyncio",
    "concurrent.futures",
    "multiprocessing.connection",
    "subprocess",
)  # to import
BEGIN = """
import fcntl, multiprocessing, os, queue, signal, sys, threading, time
context = multiprocessing.get_context(sys.argv[1])

def say(): print("now", flush=True)
def rest(*_): time.sleep(600)
def flock(name): one = open(name, "w"); fcntl.flock(one, fcntl.LOCK_EX); return one
def lockf(name): one = open(name, "w"); fcntl.lockf(one, fcntl.LOCK_EX); return one
"""
LOCKED = r"waits for the lock of the file .+, held by"
HANGS = {
    "two locks in opposite orders": (
        """
def take(first, second, here, there):
    with first:
        here.set(); there.wait()
        with second: pass
def main():
    locks, events = [context.Lock() for _ in "ab"], [context.Event() for _ in "ab"]
    teams = [context.Process(target=take, args=(*locks[::n], *events[::n])) for n in (1, -1)]
    for one in teams: one.start()
    say()
    for one in teams: one.join()
""",
        [
            ENDS,
            rf"{WORKER} {LOCK} .*{WORKER} could release it\.",
            rf"{WORKER} {LOCK} .*{WORKER} could release it\.",
            r"A ring: the last waits for worker \d+, and nobody can wake another\.",
        ],
        "event-set",
    ),
    "three processes in a chain": (
        """
def hand_on(source, target):
    while True: target.send_bytes(source.recv_bytes())
def main():
    (a, b), (c, d) = context.Pipe(False), context.Pipe(False)
    first = context.Process(target=hand_on, args=(a, d))
    second = context.Process(target=answer, args=(c,))
    first.start(); second.start(); say()
    a.close(); d.close(); c.close()
    while True: b.send_bytes(bytes(50_000))
def answer(source):
    source.recv_bytes(); threading.Lock().__enter__(); lock = threading.Lock()
    lock.acquire(); lock.acquire()
""",
        [
            rf"{PARENT} waits for room in a pipe that is full: .+\. Only {WORKER}.* could read it\.",
            rf"{WORKER} waits for room in a pipe that is full: .+\. Only {WORKER}.* could read it\.",
            ALONE,
            LAST,
        ],
        None,
    ),
    "a barrier that one is missing from": (
        """
def work(barrier):
    barrier.wait()
def main():
    barrier = context.Barrier(3)
    teams = [context.Process(target=work, args=(barrier,)) for _ in "ab"]
    for one in teams: one.start()
    say()
    for one in teams: one.join()
""",
        [ENDS, rf"{WORKER} {LOCK} .*could release it\."],
        None,
    ),
    "a full bounded queue": (
        """
def fill(results):
    for number in range(5): results.put(number)
def main():
    results = context.Queue(maxsize=2)
    worker = context.Process(target=fill, args=(results,))
    worker.start(); say(); worker.join()
""",
        [ENDS, f"{WORKER} {LOCK} the parent could release it.", RING],
        "join-before-get",
    ),
    "a task lost with its worker": (
        """
def work(tasks, results):
    for task in iter(tasks.get, None): os._exit(1) if task == 0 else results.put(task)
def main():
    tasks, results = context.Queue(), context.Queue()
    for _ in "ab": context.Process(target=work, args=(tasks, results)).start()
    for task in (0, 1): tasks.put(task)
    say()
    while True: results.get()
""",
        [rf"{PARENT} waits for data from a pipe\. Only {WORKER} could write to it\."],
        "worker-exception",
    ),
    "a Pool whose worker was killed": (
        """
def work(task):
    if task == 0: os.kill(os.getpid(), 9)
def main():
    pool = context.Pool(2); say(); pool.map(work, range(2))
""",
        [
            f"{PARENT} {THREAD}",
            POOL,
        ],
        "pool-hangs",
    ),
    "an event loop": (
        "def main(): say(); asyncio.run(asyncio.Event().wait())",
        [rf"{PARENT} waits for data from a socket\. Only this process itself could .+", LAST],
        None,
    ),
    "a ring of four, of which the parent has the ends, too": (
        """
def work(source, target):
    while True: target.send(source.recv())
def main():
    pipes = [context.Pipe(False) for _ in "abcd"]
    team = [context.Process(target=work, args=(pipes[n][0], pipes[n - 1][1])) for n in range(4)]
    for one in team: one.start()
    say()
    for one in team: one.join()
""",
        [
            ENDS,
            *[rf"{WORKER} waits for data from a pipe\. Only the parent or {WORKER} could .+"]
            * 4,
            r"A ring: the last waits for worker \d+, and nobody can wake another\.",
        ],
        None,
    ),
    "four locks in a ring": (
        """
def take(first, second, barrier):
    with first:
        barrier.wait()
        with second: pass
def main():
    locks, barrier = [context.Lock() for _ in "abcd"], context.Barrier(4)
    team = [context.Process(target=take, args=(locks[n - 1], locks[n], barrier)) for n in range(4)]
    for one in team: one.start()
    say()
    for one in team: one.join()
""",
        [
            ENDS,
            *[f"{WORKER} {LOCK} the parent and {WORKER} could release it."] * 4,
            r"A ring: the last waits for worker \d+, and nobody can wake another\.",
        ],
        None,
    ),
    "a lock of a file, of flock()": (
        """
def main():
    one = flock("file"); team = context.Process(target=flock, args=("file",)); team.start(); say()
    team.join()
""",
        [ENDS, f"{WORKER} {LOCKED} the parent\\.", RING],
        None,
    ),
    "a lock of a file, of lockf()": (
        """
def main():
    one = lockf("file"); team = context.Process(target=lockf, args=("file",)); team.start(); say()
    team.join()
""",
        [ENDS, f"{WORKER} {LOCKED} the parent\\.", RING],
        None,
    ),
    "a lock of a file that is locked by another descriptor": (
        "def main(): one = flock('file'); say(); flock('file')",
        [f"{PARENT} {LOCKED} this process itself\\.", LAST],
        None,
    ),
    "a lock of a file that a child has from its parent": (
        """
def main():
    one = flock("file"); r, w = os.pipe()
    if os.fork() == 0: os.close(w); os.read(r, 1); os._exit(0)
    one.close(); say(); flock("file")
""",
        [
            rf"{PARENT} {LOCKED} worker \d+\.",
            rf"{WORKER} waits for data from a pipe\. Only the parent could write to it\.",
            RING,
        ],
        None,
    ),
    "a FIFO that has no name any more": (
        """
def main():
    os.mkfifo("fifo"); end = os.open("fifo", os.O_RDWR); os.unlink("fifo")
    if os.fork() == 0: say(); os.read(end, 1)
    os.wait()
""",
        [ENDS, rf"{WORKER} waits for data from the FIFO .+\. Only the parent .+", RING],
        "sentinel-too-few",
    ),
    "a Connection that was sent to an executor": (
        """
def main():
    here, there = context.Pipe()
    executor = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
    executor.submit(there.__class__.recv, there); say(); executor.shutdown(); here.send(1)
""",
        [
            rf"{WORKER} waits for data from a socket\. Only the parent could write to it\.",
            RING,
        ],
        None,
    ),
}
ORPHAN = """
def main():
    shared = multiprocessing.get_context("fork").Semaphore(0)
    if os.fork() == 0:
        if os.fork() == 0: time.sleep(3); shared.release()
        os._exit(0)
    os.wait(); say(); shared.acquire()
"""
JOINS = "def main(): p = context.Process(target=rest); p.start(); say(); p.join()"
WORKS = {
    "computes": "def main():\n say()\n while True: pass",
    "sleeps": "def main(): say(); rest()",
    "polls": "def main(): q = context.Queue(); say(); q.get(timeout=600)",
    "has a worker that sleeps": JOINS,
    "has a worker that could put": (
        "def main():\n q = context.Queue(); p = context.Process(target=rest, args=(q,))\n"
        " p.start(); say(); q.get()"
    ),
    "has a thread that sleeps": (
        "def main():\n t = threading.Thread(target=rest); t.start(); say(); t.join()"
    ),
    "runs an event loop": "def main(): say(); asyncio.run(asyncio.sleep(600))",
    "runs another program": "def main(): say(); subprocess.run(['sleep', '600'])",
    "waits for a terminal": "def main(): a, b = os.openpty(); say(); os.read(b, 1)",
    "waits for a pipe from outside": "def main(): say(); os.write(1, bytes(1_000_000))",
    "waits for SIGTERM": (
        "def main():\n stop = threading.Event(); signal.signal(signal.SIGTERM, print)\n"
        " say(); stop.wait()"
    ),
    "waits for SIGTERM, and its worker for tasks": (
        "def main():\n q = context.Queue(); context.Process(target=q.get).start()\n"
        " signal.signal(signal.SIGTERM, print); say(); threading.Event().wait()"
    ),
    "waits for SIGTERM in an event loop": (
        "async def wait():\n stop = asyncio.Event()\n"
        " asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)\n"
        " say(); await stop.wait()\n"
        "def main(): asyncio.run(wait())"
    ),
    "waits for the end of a child by its signal": (
        "def main():\n signal.signal(signal.SIGCHLD, print)\n"
        " subprocess.Popen(['sleep', '600']); say(); threading.Event().wait()"
    ),
    "has an orphan that shares a semaphore": ORPHAN.replace("(3)", "(600)"),
    "has an orphan that could write": (
        "def main():\n r, w = os.pipe()\n if os.fork() == 0:\n"
        "  if os.fork() == 0: rest()\n  os._exit(0)\n os.wait(); say(); os.read(r, 1)"
    ),
    "serves clients of the network": (
        "def main(): one = multiprocessing.connection.Listener(('127.0.0.1', 0)); say(); one.accept()"
    ),
    "serves who opens its FIFO": "def main(): os.mkfifo('fifo'); say(); open('fifo')",
    "has a worker that serves who opens its FIFO": (
        "def main():\n os.mkfifo('fifo'); p = context.Process(target=open, args=('fifo',))\n"
        " p.start(); say(); p.join()"
    ),
    "serves who writes to its FIFO": (
        "def main():\n os.mkfifo('fifo'); end = os.open('fifo', os.O_RDWR); say(); os.read(end, 1)"
    ),
    "waits for the lock of a file of a worker that sleeps": (
        "def work(): one = flock('file'); say(); rest()\n"
        "def main(): context.Process(target=work).start(); time.sleep(1); flock('file')"
    ),
    "serves clients in a thread": (
        "def main():\n one = multiprocessing.connection.Listener(); t = threading.Thread(target=one.accept)\n"
        " t.start(); say(); t.join()"
    ),
    "waits for a signal": (
        "def main():\n signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); say()\n"
        " signal.sigwait([signal.SIGALRM])"
    ),
    "has a child that nobody reaps": "def main():\n if os.fork() == 0: os._exit(3)\n say(); rest()",
}


TAKEN = "a lock of threading that is taken twice"
ITS_OWN = "a queue.Queue, Event or executor that each process has for itself"
UNSET = "a lock or an Event that nobody is left to release or set"
REMADE = "a Queue that each process makes for itself, as its module is run in each"
LOOKS_LIKE = {  # what else hangs, and the last line; under one start method, or under each
    "each receives first": (
        """
def work(end): end.recv(); end.send(1)
def main():
    a, b = context.Pipe(); one = context.Process(target=work, args=(b,)); one.start()
    b.close(); say(); a.recv()
""",
        "each receives before the other has sent",
    ),
    "each receives first, by TCP": (
        """
def work(address): multiprocessing.connection.Client(address).recv()
def main():
    listener = multiprocessing.connection.Listener(("127.0.0.1", 0))
    context.Process(target=work, args=(listener.address,)).start()
    end = listener.accept(); listener.close(); say(); end.recv()
""",
        "each receives before the other has sent",
    ),
    "both put to a full bounded queue": (
        """
def work(tasks, results):
    for task in iter(tasks.get, None): results.put(task)
def main():
    tasks, results = context.Queue(2), context.Queue(2)
    context.Process(target=work, args=(tasks, results)).start(); say()
    for number in range(20): tasks.put(number)
""",
        "full-queue.html or two-way-deadlock.html",
    ),
    "an Event that nobody sets": (
        "def main(): event = context.Event(); say(); event.wait()",
        "a lock or an Event that nobody is left to release or set",
    ),
    "a lock whose owner was killed": (
        """
def work(lock): lock.acquire(); os.kill(os.getpid(), 9)
def main():
    lock = context.Lock(); one = context.Process(target=work, args=(lock,)); one.start()
    multiprocessing.connection.wait([one.sentinel]); say(); lock.acquire()
""",
        "fork: killed-holding-lock.html",
    ),
    "a Pipe that its reader keeps open": (
        """
def work(end): end.send(1); end.close()
def main():
    reader, writer = multiprocessing.Pipe(False)
    context.Process(target=work, args=(writer,)).start(); say()
    while True: reader.recv()
""",
        "fork: an end of a Pipe that who reads from it keeps open, too",
    ),
    "workers that keep each other's Pipe open": (
        """
def work(end):
    while True: end.recv()
def main():
    team = []
    for _ in "ab":
        reader, writer = context.Pipe(False)
        team.append((context.Process(target=work, args=(reader,)), writer)); team[-1][0].start()
        reader.close()
    for _, writer in team: writer.close()
    say()
    for one, _ in team: one.join()
""",
        "fork: an end of a Pipe that who reads from it keeps open, too",
    ),
    "a put() before there is a reader": (
        "def main():\n q = context.SimpleQueue(); say()\n while True: q.put(bytes(10_000))",
        "fork: a put() or send() before somebody can receive",
    ),
    "join() before recv()": (
        """
def work(end): end.send(bytes(1_000_000))
def main():
    reader, writer = context.Pipe(False)
    one = context.Process(target=work, args=(writer,)); one.start(); say(); one.join()
""",
        "join-before-get.html",
    ),
    "join() before get() of several": (
        """
def work(results): results.put(bytes(1_000_000))
def main():
    results = context.Queue(); team = [context.Process(target=work, args=(results,)) for _ in "abc"]
    for one in team: one.start()
    say()
    for one in team[::-1]: one.join()
""",
        "join-before-get.html",
    ),
    "a subprocess whose output nobody reads": (
        """
def main():
    text = "print('x' * 200_000)"
    one = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE); say(); one.wait()
""",
        "output of a subprocess that nobody reads: take communicate(), or close it",
    ),
    "a subprocess whose input is not closed": (
        "def main(): one = subprocess.Popen(['cat'], stdin=subprocess.PIPE); say(); one.wait()",
        "input of a subprocess that is not flushed or closed",
    ),
    "tasks of a Pool that wait for a full queue": (
        """
def init(one): global results; results = one
def work(number): results.put(number)
def main():
    pool = context.Pool(1, init, (context.Queue(1),)); say(); pool.map(work, range(9))
""",
        "full-queue.html",
    ),
    "a lock copied into an executor's worker": (
        """
lock = threading.Lock()
def work(): lock.acquire()
def main():
    lock.acquire(); executor = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
    say(); executor.submit(work).result()
""",
        f"fork: {TAKEN} or {ITS_OWN} or fork-with-threads.html",
    ),
    "a ring of three": (
        """
def work(tasks, results):
    while True: results.put(tasks.get())
def main():
    queues = [context.Queue() for _ in "abc"]
    team = [context.Process(target=work, args=(queues[n - 1], queues[n])) for n in range(3)]
    for one in team: one.start()
    say()
    for one in team: one.join()
""",
        None,
    ),
    "tasks of a Pool that wait for an Event": (
        """
def init(one): global event; event = one
def work(number): event.wait()
def main(): pool = context.Pool(2, init, (context.Event(),)); say(); pool.map(work, range(9))
""",
        None,
    ),
    "a Queue that each process makes": (
        """
tasks = context.Queue()
def work(): tasks.put(1)
def main():
    one = context.Process(target=work); one.start()
    multiprocessing.connection.wait([one.sentinel]); say(); tasks.get()
""",
        f"spawn: {REMADE} or unpicklable-put.html",
    ),
    "a queue.Queue between processes": (
        """
tasks = queue.Queue()
def work(): tasks.get()
def main(): one = context.Process(target=work); one.start(); say(); tasks.put(1); one.join()
""",
        f"spawn: {TAKEN} or {ITS_OWN}",
    ),
    "a queue.Queue between forked processes": (
        """
tasks = queue.Queue()
def work(): tasks.get()
def main(): one = context.Process(target=work); one.start(); say(); tasks.put(1); one.join()
""",
        f"fork: {TAKEN} or {ITS_OWN} or fork-with-threads.html",
    ),
    "a queue.Queue that nobody's fork copied": (
        """
tasks = queue.Queue()
def work(): tasks.get()
def main(): one = context.Process(target=work); one.start(); say(); tasks.put(1); one.join()
""",
        f"forkserver: {TAKEN} or {ITS_OWN}",
    ),
    "nobody accepts, by TCP": (
        """
def work(address): multiprocessing.connection.Client(address).recv()
def main():
    listener = multiprocessing.connection.Listener(("127.0.0.1", 0))
    one = context.Process(target=work, args=(listener.address,)); one.start(); say(); one.join()
""",
        "a connection that nobody accepts",
    ),
    "a Pool whose tasks come from a queue that stays empty": (
        """
def main():
    tasks = context.Queue(); say()
    with context.Pool(2) as pool: list(pool.imap(abs, iter(tasks.get, None)))
""",
        None,
    ),
    "nobody accepts": (
        """
def work(address): multiprocessing.connection.Client(address).recv()
def main():
    listener = multiprocessing.connection.Listener()
    one = context.Process(target=work, args=(listener.address,)); one.start(); say(); one.join()
""",
        "a connection that nobody accepts",
    ),
    "tasks of a Pool that wait for a queue": (
        """
def init(one): global tasks; tasks = one
def work(number): tasks.get()
def main():
    pool = context.Pool(1, init, (context.Queue(),)); say(); pool.map(work, range(2))
""",
        None,
    ),
    "threads of a ThreadPool": (
        """
def main():
    event = threading.Event(); pool = __import__("multiprocessing.pool").pool.ThreadPool(2)
    say(); pool.map(lambda _: event.wait(), range(2))
""",
        None,
    ),
    "a Pipe whose readers keep it open for each other": (
        """
def work(end):
    while True: end.recv()
def main():
    reader, writer = context.Pipe(False)
    team = [context.Process(target=work, args=(reader,)) for _ in "ab"]
    for one in team: one.start()
    writer.close(); say()
    for one in team: one.join()
""",
        "fork: an end of a Pipe that who reads from it keeps open, too",
    ),
    "join() in a thread of an event loop, before get()": (
        """
async def run():
    results = context.Queue(); one = context.Process(target=results.put, args=(bytes(1_000_000),))
    one.start(); say(); await asyncio.to_thread(one.join); results.get()
def main(): asyncio.run(run())
""",
        "join-before-get.html",
    ),
    "a subprocess that is asked for more than it was given": (
        """
def main():
    one = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    one.stdin.write(b"x"); say(); one.stdout.read()
""",
        "input of a subprocess that is not flushed or closed",
    ),
    "an Event of threads in a subprocess": (
        """
def main():
    text = "import threading; threading.Event().wait()"
    say(); subprocess.run([sys.executable, "-c", text])
""",
        None,
    ),
    "a lock of processes that a thread takes twice": (
        """
def main():
    one = context.Lock(); one.acquire(); thread = threading.Thread(target=one.acquire)
    thread.start(); say(); thread.join()
""",
        f"{UNSET} or full-queue.html",
    ),
    "a Queue that nobody reads, at the end": (
        "def main(): context.Queue().put(bytes(1_000_000)); say()",
        "a Queue from which nobody is left to read or ctrl-c.html",
    ),
    "subprocesses in threads": (
        """
def run(): subprocess.Popen(["cat"], stdin=subprocess.PIPE).wait()
def main():
    team = [threading.Thread(target=run) for _ in "ab"]
    for one in team: one.start()
    say()
    for one in team: one.join()
""",
        "input of a subprocess that is not flushed or closed",
    ),
    "an eventfd": (
        """
def main():
    end = os.eventfd(0)
    if os.fork() == 0: say(); os.eventfd_read(end)
    os.wait()
""",
        None,
    ),
    "two locks of files in opposite orders": (
        """
def take(first, second, here, there):
    one = flock(first); here.set(); there.wait(); flock(second)
def main():
    names, events = ["a", "b"], [context.Event() for _ in "ab"]
    team = [context.Process(target=take, args=(*names[::n], *events[::n])) for n in (1, -1)]
    for one in team: one.start()
    say()
    for one in team: one.join()
""",
        "two locks that are taken in opposite orders",
    ),
    "an orphan that keeps the output open": (
        """
def main():
    text = "import os; r, w = os.pipe(); os.fork() or os.read(r, 1)"
    say(); subprocess.run([sys.executable, "-c", text], capture_output=True)
""",
        None,
    ),
}


def ask(*arguments):
    """Run who_waits.py, compiled already; return (exit status, its lines, what it says of an error)."""
    command = [PYTHON, "-m", "examples.recipes.who_waits", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.returncode, unwrapped(done.stdout), done.stderr


def wait_until_stuck(pid):
    def stuck():
        status, lines, err = ask(pid)
        assert (status, err) == (0, "")
        return lines if "processes stuck." in lines[0] else None

    return wait_until(stuck, "somebody is stuck")


@pytest.mark.parametrize("what", HANGS)
def test_another_program_that_hangs(tmp_path, what):
    text, sentences, page = HANGS[what]
    methods = ("fork", "spawn", "forkserver")  # in this order, whichever is the default
    method = methods[list(HANGS).index(what) % len(methods)]
    with started(tmp_path, text, method) as program:
        lines = wait_until_stuck(program.process.pid)
    assert_said(sentences, lines)
    assert pages_of(lines)[:1] == ([page] if page else []), lines


@pytest.mark.parametrize("what", LOOKS_LIKE)
def test_what_it_looks_like(tmp_path, what):
    text, like = LOOKS_LIKE[what]
    methods = ("fork", "spawn", "forkserver")
    only, _, rest = (like or "").partition(": ")
    method = only if only in methods else methods[list(LOOKS_LIKE).index(what) % len(methods)]
    with started(tmp_path, text, method) as program:
        lines = wait_until_stuck(program.process.pid)
    said = [line for line in lines if line.startswith("It looks like ")]
    said = [line.removeprefix("It looks like ").replace("faults/", "") for line in said]
    said = [
        line.removesuffix(".").removesuffix(" of the site Between Processes") for line in said
    ]
    assert said == ([rest if only in methods else like] if like else []), lines


FIFOS = {  # what the parent and the worker do, and what is said of each
    "opened in opposite orders": (
        "(open('a', 'w'), open('b'))|(open('b', 'w'), open('a'))",
        r"waits until somebody opens the FIFO [ab] to read: anybody may\.",
    ),
    "read by both": (
        "a, b = open('a', 'w'), open('b'); b.read()|a, b = open('a'), open('b', 'w'); a.read()",
        r"waits for data from the FIFO .+/[ab]\. Its other end is open in .+; anybody may open it\.",
    ),
}


@pytest.mark.parametrize("what", FIFOS)
def test_who_waits_for_a_fifo_is_stuck_unless_somebody_else_opens_it(tmp_path, what):
    deeds, said = FIFOS[what]
    ours, theirs = deeds.split("|")
    text = (
        f"def work(): {theirs}\n"
        "def main():\n for name in 'ab': os.mkfifo(name)\n"
        f" one = context.Process(target=work); one.start(); say(); {ours}"
    )
    with started(tmp_path, text, "spawn") as program:

        def told():
            lines = ask(program.process.pid)[1]
            return lines if " stuck, unless" in lines[0] else None

        lines = wait_until(told, "it is told", timeout=30)
    assert lines[0].endswith(": 2 of 2 processes stuck, unless somebody else opens the FIFO.")
    assert_said([f"{PARENT} {said}", f"{WORKER} {said}", RING], lines)


def test_what_they_do_is_told_when_it_is_interrupted(tmp_path):
    (tmp_path / "my_program.py").write_text(f"{BEGIN}\nsay()\nrest()\n")
    command = ("--", "python", "my_program.py", "fork")
    with RunningProgram(tmp_path, "recipes/who_waits.py", *command) as program:
        program.read_until("now")
        pid = program.process.pid
        wait_until(lambda: who_waits.read_call(pid, pid)[0] == "sleep", "it has looked")
        program.interrupt()
        status, out, err = program.finish()
        program.assert_nothing_left()
    assert status == 130 and err.endswith("Interrupted\n")
    lines = unwrapped(out)
    assert lines[0].endswith(": nobody is stuck.")
    assert lines[2].startswith("The process ")


def test_a_thread_of_a_manager_that_has_no_request_is_not_waited_for(tmp_path):
    text = """
def work(condition):
    with condition: condition.wait()
def main():
    condition = context.Manager().Condition()
    with condition: condition.notify_all()
    one = context.Process(target=work, args=(condition,)); one.start(); say(); one.join()
"""
    with started(tmp_path, text, "fork") as program:

        def told():
            lines = ask(program.process.pid)[1]
            return lines if "Manager" in lines[0] else None

        lines = wait_until(told, "it is told", timeout=30)
    asks = rf"{WORKER} waits for data from a socket\. Only {WORKER} could write to it\."
    assert_said([ENDS, asks, rf"Thread \d+ of {WORKER} {THREAD}"], lines)


MANAGERS = """
def work(tasks): tasks.get()
def main():
    manager = context.Manager(); tasks = manager.Queue()
    one = context.Process(target=work, args=(tasks,)); one.start(); say(); START; one.join()
"""


@with_start_method
def test_who_waits_for_a_manager_is_stuck_if_it_is_one(tmp_path, method):
    with started(tmp_path, MANAGERS.replace("START", "pass"), method) as program:

        def told():
            lines = ask(program.process.pid)[1]
            return lines if "Manager" in lines[0] else None

        lines = wait_until(told, "it is told", timeout=30)
    assert re.fullmatch(
        r".+: nobody is stuck, unless worker \d+ is a Manager: then all the others\.", lines[0]
    )
    assert_said(
        [ENDS, rf"{WORKER} waits for data from a socket\. Only {WORKER} could .+"], lines
    )


def test_somebody_who_could_still_ask_a_manager(tmp_path):
    text = MANAGERS.replace("START", "threading.Timer(600, tasks.put, (1,)).start()")
    with started(tmp_path, text, "fork") as program:
        program.wait_for_workers(2)
        assert all("Manager" not in ask(program.process.pid)[1][0] for _ in range(3))


def test_nothing_is_reported_while_an_orphan_could_release(tmp_path):
    (tmp_path / "my_program.py").write_text(f"{BEGIN}{ORPHAN}\nmain()\n")
    command = ("--once", "--", "python", "my_program.py", "fork")
    status, out, _ = run(tmp_path, "recipes/who_waits.py", *command)
    assert (status, out) == (0, "now\nIt has ended, exit status 0: nobody was stuck.\n")


@pytest.mark.parametrize("what", WORKS)
def test_a_program_that_is_not_stuck(tmp_path, what):
    method = START_METHODS[list(WORKS).index(what) % len(START_METHODS)]
    with started(tmp_path, WORKS[what], method) as program:
        status, lines, err = ask(program.process.pid)
    assert (status, err) == (0, "")
    assert lines[0] == f"my_program.py, process {program.process.pid}: nobody is stuck."
    text = "\n".join(lines)
    assert "stuck, too" not in text and "faults/" not in text
    if "nobody reaps" in what:
        assert re.search(r"Process \d+ has ended \(exit code 3\); its parent has not", text)


@contextlib.contextmanager
def started(folder, text, method, name="my_program.py"):
    script = folder / name
    imports = "".join(f"import {module}\n" for module in SLOW if module in text)
    script.write_text(f"{imports}{BEGIN}{text}\nif __name__ == '__main__': main()\n")
    with RunningProgram(folder, script, method) as program:
        program.read_until("now")
        yield program


@with_start_method
def test_a_name_or_any_of_the_processes_will_do(tmp_path, method):
    text, name = JOINS, f"{uuid.uuid4().hex}.py"
    with started(tmp_path, text, method, name) as program:
        (worker,) = program.wait_for_workers(1)
        for word in (program.process.pid, worker.pid, name, name.removesuffix(".py")):
            assert (
                ask(word)[1][0] == f"{name}, process {program.process.pid}: nobody is stuck."
            )


def test_a_name_of_several_programs(tmp_path):
    name = f"{uuid.uuid4().hex}.py"
    with (
        started(tmp_path, JOINS, "fork", name) as one,
        started(tmp_path, JOINS, "fork", name) as two,
    ):
        pids = ", ".join(map(str, sorted((one.process.pid, two.process.pid))))
        assert ask(name) == (1, [], f"several processes match {name}: {pids}\n")


@pytest.mark.parametrize("method", [one for one in START_METHODS if one != "forkserver"])
def test_a_worker_whose_parent_has_died_is_a_program_of_its_own(tmp_path, method):
    with started(tmp_path, JOINS, method) as program:
        (worker,) = program.wait_for_workers(1)
        program.program.kill()
        program.process.wait()
        wait_until(lambda: worker.ppid() != program.process.pid, "it has another parent")
        status, lines, err = ask(worker.pid)
    assert (status, err) == (0, "")
    assert re.fullmatch(rf".+, process {worker.pid}: nobody is stuck\.", lines[0])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (2**22 + 1, f"there is no process {2**22 + 1}\n"),
        ("nobody_is_called_so", "there is no process called nobody_is_called_so\n"),
    ],
)
def test_a_program_that_is_not_there(word, said):
    assert ask(word) == (1, [], said)


def test_a_command_that_is_not_there():
    status, lines, err = ask("--", "./no_such_program")
    assert (status, lines) == (1, [])
    assert err == "[Errno 2] No such file or directory: './no_such_program'\n"


def test_a_program_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    read = who_waits.read
    monkeypatch.setattr(
        who_waits, "read", lambda name: "" if "syscall" in name else read(name)
    )
    with started(tmp_path, WORKS["sleeps"], "fork") as program:
        pid = program.process.pid
        with pytest.raises(LookupError, match=f"process {pid} can't be read by you"):
            who_waits.main(str(pid))


def test_where_only_some_may_be_read_nobody_is_called_stuck(tmp_path, monkeypatch):
    with started(tmp_path, HANGS["a full bounded queue"][0], "fork") as program:
        pid = program.process.pid
        wait_until_stuck(pid)
        read = who_waits.read
        hidden = [f"{one.pid}/" for one in program.workers()]
        monkeypatch.setattr(
            who_waits,
            "read",
            lambda name: "" if "syscall" in name and name.startswith(*hidden) else read(name),
        )
        before = who_waits.Look(pid)
        assert who_waits.Look(pid, before).stuck == []


RACES = """
def main():
    say()
    while True:
        team = [context.Process(target=int) for _ in range(3)]
        for one in team: one.start()
        for one in team: one.join()
"""


def test_processes_that_come_and_go_are_no_trouble(tmp_path):
    with started(tmp_path, RACES, "fork") as program:
        for _ in range(3):
            status, lines, err = ask(program.process.pid)
            assert (status, err) == (0, "")
            assert (
                lines[0] == f"my_program.py, process {program.process.pid}: nobody is stuck."
            )


def test_another_system_is_told_what_to_take(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sys, "argv", ["who_waits.py", "1"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(EXAMPLES / "recipes/who_waits.py"), run_name="__main__")
    said = capsys.readouterr()
    assert (stop.value.code, said.out) == (2, "")
    assert "py-spy dump" in said.err and said.err.count("\n") == 1


def test_who_is_looked_at_goes_on(tmp_path):
    text = "def main():\n say()\n while not os.path.exists('go'): time.sleep(0.01)\n print('done')"
    with started(tmp_path, text, "fork") as program:
        assert ask(program.process.pid)[0] == 0
        (tmp_path / "go").touch()
        assert program.finish() == (0, "done\n", "")


def test_one_that_it_started_goes_on_after_the_report(tmp_path):
    """It is told once, and ended only with Ctrl-C."""
    broken = copy_of_program(tmp_path, "faults/join_before_get_broken.py").name
    command = ("--", "python", broken, "--start-method", "fork")
    with RunningProgram(tmp_path, "recipes/who_waits.py", *command) as program:
        program.read_until("faults/join-before-get.html")
        assert len(program.others()) == 2
        program.interrupt()
        status, out, err = program.finish()
        program.assert_nothing_left()
    assert (status, out) == (130, "")
    assert err.endswith("Interrupted\n")


PY_SPY = """#!{python}
import json, sys
pid = int(sys.argv[-1])
assert "--nonblocking" in sys.argv
own = {{"filename": "/usr/lib/python3.11/threading.py", "line": 1, "name": "wait"}}
theirs = {{"filename": "/home/me/my_program.py", "line": 7, "name": "main"}}
print(json.dumps([{{"os_thread_id": pid, "frames": [own, theirs]}}]))
"""


def test_with_py_spy_a_thread_gets_its_line(tmp_path, monkeypatch):
    fake = tmp_path / "bin/py-spy"
    fake.parent.mkdir()
    fake.write_text(PY_SPY.format(python=sys.executable))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    with started(tmp_path, WORKS["sleeps"], "fork") as program:
        lines = ask(program.process.pid)[1]
    assert lines[2] == (
        "The process (my_program.py, line 7, in main) sleeps, or waits with a time limit."
    )
