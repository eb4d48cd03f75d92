"""What the site says of who waited for whom, for each program of it that hangs."""

import re
import sys
from dataclasses import replace

import pytest

from recorder.recording import Frame, Line, Pipe, Process, Thread, Wait
from recorder.waits import AVAILABLE
from recorder.watch import watch
from render import blocks
from render.runs import read_runs
from render.story import Story, ctrl_c_at, how_it_ended
from tests.harness import PYTHON
from tests.recordings import recording

W = r"(?:the worker|worker \d)"
SILENT = r"The parent waits in `{}\(\)`, line \d+, for data from a pipe\. No other process is left that could write to it\."
ASKS = rf"The parent waits in `{{}}\(\)`, line \d+, for data from a pipe\. Only {W} could write to it\."
JOINS = rf"The parent waits in `join\(\)`, line \d+, for {W} to end\."
AT_ITS_END = r"At its end {} waits for its feeder thread to end\."
FULL = r"The feeder thread waits for room in a pipe, which is full: 6\d,\d+ of 65,536 bytes\."
RING = "could {} it, and the parent waits."
LOCK = r"for the lock of the queue's {}\. Worker \d, which was killed by SIG(?:KILL|TERM), may have held it: nobody releases it then\."
LEFT_LOCKED = (
    r"The worker waits in `work\(\)`, line \d+, for a lock, and no other thread of it is left to "
    r"release it\. The worker was forked(?: while the parent had another thread; a lock that this "
    r"thread held|; a lock that another thread held) then stays locked in it\."
)
TAKES = rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\."
GIVES = "Only the parent " + RING.format("write to")
OWN = r"The parent waits in `{}\(\)`, line \d+, for {}\. No other process is left that could {}\."
POOL = r"The parent waits in `{}\(\)`, line \d+, for a result, which another thread of it would bring\."
TAKES_RESULTS = r"The Pool's result handler waits for a result: data from a pipe\. Only workers \d and \d could write to it, and both wait\."
GONE = r"The Pool's result handler has ended by `TypeError: [^`]+`: nobody takes a result\."
IDLE = rf"(?i:{W}) waits for its next task: data from a pipe\."
# Of the workers of a Pool one waits for its next task, and the others for their turn to do so.
ITS_TURN = rf"(?i:{W}) waits for its turn to take the next task\."
TURN = rf"{ITS_TURN} Only the parent and {W} could release the lock(?:, and both wait)?\."
TAKES_NEXT = f"{IDLE} {GIVES}"
NEVER_WRITTEN = r"If (?:it|they) put anything that nobody got, the feeder thread could not pickle or send that, or had no time to\."
# Now and then a worker lives so short that it is never seen, or that its exit status is not.
KILLED = r"(?: {} was killed, by SIGKILL\. `recv\(\)` raises no `EOFError`, since {} the other end open\.)?"
RAISES = r"(?: The worker has ended(?:, exit code 1: `{}: [^`]+`)?\.)?"
STORIES = {  # how each begins; then only workers that have ended are named
    "join_before_get_broken": [
        JOINS,
        AT_ITS_END.format(W),
        FULL,
        "Only the parent " + RING.format("read"),
    ],
    "dead_worker_queue_broken": [SILENT.format("get")],
    "dead_worker_pipe_broken": [
        SILENT.format("recv") + KILLED.format("The worker", "the parent itself has")
    ],
    "worker_exception_broken": [SILENT.format("get") + RAISES.format("ZeroDivisionError")],
    "unpicklable_put_broken": [
        SILENT.format("get")
        + rf"(?: The worker has ended(?:\.|, exit code 0\. {NEVER_WRITTEN}))?",
    ],
    "one_dies": [SILENT.format("get")],
    "dead_worker_siblings_broken": [
        r"The parent waits in `recv\(\)`, line \d+, for data from a socket\. Only workers \d and \d could write to it, and both wait\.",
        rf"(?i:{W}) waits in `recv\(\)`, line \d+, for data from a socket\.",
        "Only the parent and worker \\d could write to it, and the parent waits\\.",
        r"So does worker \d\." + KILLED.format(r"Worker \d", r"workers \d and \d have"),
    ],
    "killed_holding_lock_broken": [
        ASKS.format("get"),
        AT_ITS_END.format(W),
        "The feeder thread waits " + LOCK.format("writers"),
    ],
    "terminate_worker_broken": [
        ASKS.format("get"),
        AT_ITS_END.format(W),
        "The feeder thread waits " + LOCK.format("writers"),
    ],
    "idle_worker_killed_broken": [
        ASKS.format("recv"),
        rf"(?i:{W}) waits in `get\(\)`, line \d+, " + LOCK.format("readers"),
    ],
    "event_set_broken": [
        r"The parent waits in `set\(\)`, line \d+, for each process in `wait\(\)` to wake up\.",
        r"Worker \d, which was killed by SIGKILL, may be counted among them for ever\.",
        rf"(?i:{W}) waits in `wait\(\)`, line \d+, for the Event to be set\.",
        "Only the parent " + RING.format("set"),
    ],
    "fork_with_threads_broken": [JOINS, LEFT_LOCKED],
    "two_way_deadlock_broken": [
        rf"The parent waits in `send\(\)`, line \d+, for room in a socket, which is full: [\d,]+ bytes\. Only {W} could read it\.",
        rf"(?i:{W}) waits in `send\(\)`, line \d+, for room in a socket, which is full: [\d,]+ bytes\. Only the parent could read it, and the parent waits\.",
    ],
    "ctrl_c_broken": [
        AT_ITS_END.format("the parent"),
        FULL,
        r"No other process is left that could read it\.",
        r"\d tracebacks end with `KeyboardInterrupt`, which is what Ctrl-C raises\.",
    ],
    "sentinel_too_few_broken": [
        JOINS,
        rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\.",
        "Only the parent " + RING.format("write to"),
    ],
    "task_done_too_few_broken": [
        rf"The parent waits in `join\(\)`, line \d+, for the last `task_done\(\)`\. Only {W} could call it\.",
        rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\.",
        "Only the parent " + RING.format("write to"),
    ],
    "two_way_deadlock_trace": [
        rf"The parent waits in `send\(\)`, line \d+, for room in a socket, which is full: [\d,]+ bytes\. Only {W} could read it\.",
        rf"(?i:{W}) waits in `send\(\)`, line \d+, for room in a socket, which is full: [\d,]+ bytes\. Only the parent could read it, and the parent waits\.",
    ],
    "feeder_traceback_broken": [
        ASKS.format("get"),
        TAKES,
        GIVES,
        r"A feeder thread could not send an object, and dropped it: `TypeError: [^`]+`\.",
        r"Only the worker has a feeder thread\.",
    ],
    "where_stuck_hangs": [ASKS.format("get"), TAKES, GIVES],
    "full_queue_broken": [
        OWN.format("put", "room in the queue, which has a maxsize", "take an item")
        + RAISES.format("ZeroDivisionError")
    ],
    "task_done_dead_broken": [
        OWN.format("join", r"the last `task_done\(\)`", "call it")
        + RAISES.format("ZeroDivisionError")
    ],
    "thread_at_import": [JOINS, LEFT_LOCKED],
    "watchdog_fork_broken": [JOINS, LEFT_LOCKED],
    "pool_exception_broken": [POOL.format("map"), GONE],
    "pool_killed_broken": [
        POOL.format("map"),
        TAKES_RESULTS,
        f"(?:{TURN} {TAKES_NEXT}|{TAKES_NEXT} {ITS_TURN})",
        r"Worker \d was killed, by SIGKILL: a task that it had is lost\.",
    ],
    "max_tasks_broken": [
        r"The parent waits at line \d+, for a result, which another thread of it would bring\.",
        r"The executor's management thread waits for a result, or for a worker to end\. No worker is left to bring that\.",
    ],
    "large_argument_broken": [
        r"The parent waits in `start\(\)`, line \d+, for room in a pipe, which is full: 65,536 of 65,536 bytes\.",
        r"No other process is left that could read it\." + RAISES.format("TypeError"),
    ],
}
DROPPED = r"(?: A feeder thread could not send an object, and dropped it: `.+`\.)?"
ENDED = r"(?: (?:Worker \d|The worker|Workers [\d, ]+ and \d) (?:w\w+ killed, by SIG\w+|ha\w+ ended(?:, exit code \d)?)\.)*"
# What a free-threaded Python leaves open, from 3.14 on: it prints the stack of one thread a process.
ONE_STACK = {
    "the lock of the queue's writers": "a lock or semaphore that processes share",
    r" Only the worker has a feeder thread\.": "",
    GONE: rf"Another thread waits for any of 3 things\. Only {W} could bring one\. {IDLE} {GIVES}",
    "The Pool's result handler waits for a result: data": "Another thread waits for data",
    ": a task that it had is lost": "",
}
HANGING = [
    (name, spec)
    for name, run in read_runs().items()
    for spec in run.specs()
    if any(outcome.hangs for outcome in run.expected(spec.start_method))
]


def assert_story(name, seen):
    """Assert that the right ring is named, where the system tells of it."""
    if AVAILABLE:
        told = " ".join(Story(seen).sentences())
        unseen = (
            rf"(?: {NEVER_WRITTEN})?"  # where one that was killed lived too short to be seen
        )
        expected = " ".join(STORIES[name])
        if "free-threaded" in seen.machine.python:
            for words, fewer in ONE_STACK.items():
                expected = expected.replace(words, fewer)
        assert re.fullmatch(expected + ENDED + unseen + DROPPED, told), told


def test_each_program_that_hangs_has_its_story():
    assert {name for name, _ in HANGING} <= set(STORIES)


@pytest.mark.skipif(sys.executable == PYTHON, reason="test_faults.py asks this Python")
@pytest.mark.parametrize(("name", "spec"), HANGING)
def test_the_right_ring_on_another_python(name, spec):
    seen = watch(
        spec.program,
        spec.arguments,
        beside=spec.beside,
        name=spec.name,
        hangs=True,
        start_method=spec.start_method,
        python=PYTHON,
    )
    if seen.hung:  # what hangs in one release raises in another
        assert_story(name, seen)
    else:
        assert name in ("large_argument_broken", "max_tasks_broken")


BEGIN = """import asyncio, fcntl, multiprocessing as mp, os, queue, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
def work(n): os._exit(1) if n else n
def init(one): global event; event = one
def wait_for_it(n): event.wait()
def drop(q): q.put(lambda: 1); os.read(os.pipe()[0], 1)  # at its end it would not say so
def meet(barrier): barrier.wait()
def flock(): one = open("lock", "w"); fcntl.flock(one, fcntl.LOCK_EX); return one
"""
STRANGERS = {  # programs of others: what they do in main(), and what is said of them
    "who feeds a Pool waits itself": (
        """
    got, pool = queue.Queue(), mp.Pool(2)
    def tasks(): yield 0; got.get()
    list(pool.imap(work, tasks()))""",
        r".*The Pool's result handler waits for a result: data from a pipe\. .*"
        r"Another thread of the parent waits in `get\(\)`, line 12, for another of its threads.*",
    ),
    "a task of an executor waits for an Event": (
        """
    pool = ProcessPoolExecutor(2, initializer=init, initargs=(mp.Event(),))
    pool.submit(wait_for_it, 1).result()""",
        r"The parent waits in `result\(\)`, line 12, for a result, which another thread of it would "
        r"bring\. The executor's management thread waits for a result, or for a worker to end\. "
        r".*waits in `wait\(\)`, line 5, for the Event to be set\..*",
    ),
    "an object that can't be sent": (
        """
    q = mp.Queue(); mp.Process(target=drop, args=(q,)).start(); q.get()""",
        r".*A feeder thread could not send an object, and dropped it: `.*lambda.*`\. "
        r"Only the worker has a feeder thread\.",
    ),
    "an event loop": (
        """
    asyncio.run(asyncio.Event().wait())""",
        r"The parent waits in `run\(\)`, line 11, with its event loop, for something to do\. "
        r"No other thread or process is left that could bring it\.",
    ),
    "a Barrier": (
        """
    barrier = mp.Barrier(3); one = mp.Process(target=meet, args=(barrier,)); one.start(); one.join()""",
        r".*waits in `wait\(\)`, line 7, at the Barrier for others\. Only the parent could come there.*",
    ),
    "the lock of a file": (
        """
    one = flock(); worker = mp.Process(target=flock); worker.start(); worker.join()""",
        r".*The worker waits in `flock\(\)`, line 8, for the lock of the file `lock`\. "
        r"It is held by the parent\.",
    ),
    "an eventfd": (
        """
    one = os.eventfd(0); os.fork() or os.read(one, 8); os.wait()""",
        r".*The worker waits .*for data from an eventfd\. .*",
    ),
    "no function": (
        """
    pass
exec(compile("if __name__ == '__main__': queue.SimpleQueue().get()", __file__, "exec"))""",
        r"The parent waits at line 1, for a lock of its own.*",
    ),
    "all workers write, and one of them waits for room": (
        """
    q = mp.SimpleQueue()
    all = [mp.Process(target=q.put, args=(bytes(100_000),)) for _ in "abc"]
    for one in all: one.start()
    for one in all: one.join()""",
        r".*waits for room in a pipe, which is full.*",
    ),
}


@pytest.mark.skipif(not AVAILABLE, reason="Linux on x86-64 or arm64 only")
@pytest.mark.parametrize("what", STRANGERS)
def test_a_program_of_somebody_else(tmp_path, what):
    text, story = STRANGERS[what]
    program = tmp_path / "prog.py"
    main = f"def main():\n    mp.set_start_method('fork'){text}\n"
    program.write_text(f"{BEGIN}{main}if __name__ == '__main__': main()\n")
    seen = watch(program, hangs=True, python=PYTHON)
    assert seen.evidence == "kernel"
    assert re.fullmatch(story, told(seen)), told(seen)


JOINS_BY = (Frame("lib/process.py", 149, "join"), Frame("hello.py", 25, "main"))


def run_of(*processes, chain=(), **more):
    return recording(processes=processes, ended="hang", chain=chain, **more)


def process(pid, waits=(), frames=(), role="worker", exit=None):
    threads = (Thread(pid, (), tuple(waits), tuple(frames)),)
    stack = ("x",) * bool(waits or frames)
    return Process(
        pid, 1, role, 0.0, 1.0 if stack else 0.5, ((1.0, 0.1),), stack, exit, threads
    )


def told(run):
    return " ".join(Story(run).sentences())


def test_what_a_thread_of_a_pool_waits_for_in_few_words():
    def briefly(waits, *calls):
        frames = [Frame(f"lib/{file}.py", 1, function) for file, function in calls]
        one = process(11, waits, frames)
        return Story(run_of(one)).briefly(one, one.threads[0])

    data = [Wait("data", (10,), "pipe:[1]")]
    assert briefly(data * 3, ("connection", "wait"), ("pool", "_handle_workers")) == (
        "for a worker to end"
    )
    assert briefly(data, ("queues", "get"), ("pool", "worker")) == "for its next task"
    assert briefly(data, ("queues", "get")) == "for data"


def test_where_nothing_is_proven_it_says_where_each_stood():
    parent = process(10, frames=JOINS_BY, role="parent")
    worker = process(11, frames=[Frame("lib/multiprocessing/queues.py", 1, "get")])
    assert told(run_of(parent, worker, process(12))) == (
        "The parent stood in `join()`, line 25. Worker 1 stood in `get()` of the library."
    )


def test_a_line_of_another_file_is_named_with_it():
    frames = [Frame("lib/x.py", 1, "get"), Frame("helper.py", 7, "take"), *JOINS_BY[1:]]
    parent = process(10, frames=frames, role="parent")
    assert told(run_of(parent)) == "The parent stood in `get()`, line 7 of helper.py."


def test_the_sentence_ends_where_the_chain_ends():
    parent = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
    worker = process(11, [Wait("outside")])
    run = run_of(parent, worker, process(12, exit=-9), process(13, exit=0), chain=(10,))
    assert told(run) == (
        "The parent waits in `join()`, line 25, for worker 1 to end. "
        "Worker 2 was killed, by SIGKILL. Worker 3 has ended, exit code 0."
    )


def test_two_of_a_ring_of_which_the_first_is_not():
    """Two locks, taken in opposite orders."""
    join = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
    here = [Frame("lib/synchronize.py", 1, "__enter__"), Frame("hello.py", 11, "take")]
    one = process(11, [Wait("semaphore", (10, 11, 12))], here)
    other = process(12, [Wait("semaphore", (10, 11, 12))], here)
    third = process(13, [Wait("semaphore", (10, 12, 13))], here)
    assert told(run_of(join, one, other, third, chain=(10, 11, 12, 11))) == (
        "The parent waits in `join()`, line 25, for worker 1 to end. "
        "Worker 1 waits at line 11, for a lock or semaphore that processes share. "
        "Only the parent and worker 2 could release it, and both wait. "
        "Worker 2 waits at line 11, for a lock or semaphore that processes share. "
        "Only the parent and worker 1 could release it, and worker 1 waits."
    )


def test_many_could_bring_one_of_many_things():
    waits = [Wait("data", (10, number), "pipe:[1]") for number in range(11, 17)]
    workers = [process(number) for number in range(11, 17)]
    run = run_of(process(10, waits, JOINS_BY, "parent"), *workers, chain=(10,))
    assert told(run).startswith(
        "The parent waits in `join()`, line 25, for any of 6 things. "
        "Only workers 1, 2, 3 and 3 others could bring one. "
    )


IN_POOL = (Frame("lib/queues.py", 1, "get"), Frame("lib/pool.py", 1, "worker"))
TAKES_IT = (Frame("lib/pool.py", 1, "_handle_results"),)


def test_of_those_who_could_bring_a_result_it_is_said_that_all_wait_and_for_what():
    def pool(workers):
        pids = tuple(range(11, 11 + workers))
        wait = Wait("data", pids, "pipe:[1]")
        handler = Thread(20, (), (wait,), TAKES_IT)
        own = process(10, [Wait("own", (10,))], JOINS_BY, "parent")
        parent = replace(own, threads=(*own.threads, handler))
        idle = process(11, [Wait("data", (10,), "pipe:[2]")], IN_POOL)
        others = [process(pid, [Wait("semaphore", (10, *pids))], IN_POOL) for pid in pids[1:]]
        dead = process(99, exit=-9)
        return told(run_of(parent, idle, *others, dead, chain=(10, 20, 11, 10)))

    beginning = (
        "The Pool's result handler waits for a result: data from a pipe. Only workers {} could "
        "write to it, and {} wait. Worker 1 waits for its next task: data from a pipe. Only the "
        "parent could write to it, and the parent waits. {} to take the next task. Worker {} was "
        "killed, by SIGKILL: a task that it had is lost."
    )
    two = beginning.format("1 and 2", "both", "Worker 2 waits for its turn", 3)
    three = beginning.format(
        "1, 2 and 3", "all of them", "Workers 2 and 3 wait for their turn", 4
    )
    assert two in pool(2)
    assert three in pool(3)


def test_of_one_who_may_go_on_it_is_not_said_that_he_waits():
    parent = process(10, [Wait("data", (11, 12), "pipe:[1]")], JOINS_BY, "parent")
    one = process(11, [Wait("end", (12,))], JOINS_BY)
    for unknown in ("outside", "live"):
        run = run_of(parent, one, process(12, [Wait(unknown)], JOINS_BY), chain=(10, 11))
        assert "Only workers 1 and 2 could write to it. Worker 1 waits" in told(run)


QUEUE_GET = (Frame("lib/queues.py", 1, "get"), Frame("hello.py", 25, "main"))


def test_what_never_came_was_never_written():
    def waits(exit, frames=QUEUE_GET, kind="data", by=(10,), also=()):
        parent = process(10, [Wait(kind, by, "pipe:[1]")], frames, "parent")
        return told(run_of(parent, process(11, exit=exit), *also, chain=(10,)))

    one = "The worker has ended, exit code 0. If it put anything that nobody got, the feeder"
    assert one in waits(0)
    assert "If they put anything" in waits(0, also=(process(12, exit=0),))
    for other in (
        waits(1),
        waits(None),
        waits(-9),
        waits(0, also=(process(12, exit=-9),)),
        waits(0, QUEUE_GET[1:]),  # recv() of a Pipe: send() writes itself
        waits(0, kind="semaphore"),
        waits(0, by=(10, 12), also=(process(12, [Wait("outside")]),)),
    ):
        assert "put anything" not in other


RECV = (Frame("lib/connection.py", 1, "recv"), Frame("hello.py", 25, "main"))


def test_why_recv_raises_no_error_when_one_has_ended():
    def waits(by=(10,), frames=RECV, exit=-9, also=()):
        parent = process(10, [Wait("data", by, "socket:[1]")], frames, "parent")
        return told(run_of(parent, process(11, exit=exit), *also, chain=(10,)))

    why = " `recv()` raises no `EOFError`, since {} the other end open."
    stuck, other = process(12, [Wait("data", (10,))]), process(13, [Wait("data", (10,))])
    assert waits().endswith("was killed, by SIGKILL." + why.format("the parent itself has"))
    assert waits(exit=0).endswith(why.format("the parent itself has"))
    assert waits((10, 12), also=(stuck,)).endswith(why.format("worker 2 has"))
    assert waits((12, 13), also=(stuck, other)).endswith(why.format("workers 2 and 3 have"))
    proxy = (RECV[0], Frame("lib/managers.py", 1, "_callmethod"), RECV[1])
    own = (Frame("hello.py", 7, "recv"), RECV[1])  # a function of the program
    for lacking in (
        waits((10, 12), also=(process(12, [Wait("outside")]),)),  # who may still send
        waits(()),  # whoever has it open is not known
        waits(frames=proxy),
        waits(frames=own),
        told(run_of(process(10, [Wait("data", (10,))], RECV, "parent"), chain=(10,))),
    ):
        assert "EOFError" not in lacking


def test_of_those_who_have_ended_the_cause_comes_first_and_each_is_named_once():
    parent = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
    exits = enumerate((0, None, 1, -9, 0, 1, -9), 11)
    run = run_of(parent, *(process(pid, exit=exit) for pid, exit in exits), chain=(10,))
    assert told(run).endswith(
        "to end. Workers 3 and 6 have ended, exit code 1. Workers 4 and 7 were killed, by "
        "SIGKILL. Workers 1 and 5 have ended, exit code 0. Worker 2 has ended."
    )
    frames = (Frame("lib/queues.py", 1, "get"), JOINS_BY[1])
    waits = process(10, [Wait("semaphore", (10,))], frames, "parent")
    run = run_of(waits, process(11, exit=-15), process(12, exit=0), chain=(10,))
    assert told(run).endswith(
        "lock of the queue's readers. Worker 1, which was killed by SIGTERM, may have held it: "
        "nobody releases it then. Worker 2 has ended, exit code 0."
    )
    waits = process(10, [Wait("semaphore", (10, 13))], frames, "parent")
    alive = process(13, [Wait("outside")])  # it may hold the lock
    run = run_of(waits, process(11, exit=-15), process(12, exit=0), alive, chain=(10,))
    assert "readers. Only worker 3 could release it, and it waits. Worker 1 was" in told(run)


STARTED = '  File "<python>/multiprocessing/process.py", line 314, in _bootstrap'
UNPICKLED = '  File "<python>/multiprocessing/spawn.py", line 132, in _main'
RAN = ("    self.run()", "ValueError: no")


@pytest.mark.parametrize(
    ("lines", "exits", "words"),
    [
        ((STARTED, *RAN), [1], "The worker has ended, exit code 1: `ValueError: no`."),
        ((UNPICKLED, *RAN), [1], "The worker has ended, exit code 1: `ValueError: no`."),
        (
            (STARTED, *RAN),
            [0, 1],
            "Worker 2 has ended, exit code 1: `ValueError: no`. Worker 1",
        ),
        ((STARTED, *RAN), [1, 1], "Workers 1 and 2 have ended, exit code 1."),  # whose?
        ((STARTED, *RAN) * 2, [1], "The worker has ended, exit code 1."),
        ((STARTED, *RAN), [3], "The worker has ended, exit code 3."),  # by itself
        (('  File "x.py", line 2, in _main', *RAN), [1], "has ended, exit code 1."),
    ],
)
def test_with_which_exception_a_worker_ended(lines, exits, words):
    parent = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
    workers = [process(pid, exit=exit) for pid, exit in enumerate(exits, 11)]
    output = tuple(Line(0.5, text) for text in lines)
    assert words in told(run_of(parent, *workers, chain=(10,), lines=output))


@pytest.mark.parametrize("printed", [True, False])
def test_a_pool_whose_result_handler_has_ended(printed):
    def pool(*handlers, calls=(("pool", "wait"),)):
        frames = tuple(Frame(f"lib/{file}.py", 1, call) for file, call in calls)
        own = process(10, [Wait("own", (10,))], (*frames, JOINS_BY[1]), "parent")
        threads = [
            Thread(tid, (), (Wait("data", (11,)),), (Frame("lib/pool.py", 1, name),))
            for tid, name in enumerate(handlers, 20)
        ]
        parent = replace(own, threads=(*own.threads, *threads))
        idle = process(11, [Wait("data", (10,), "pipe:[2]")], IN_POOL)
        texts = ('pool.py", line 579, in _handle_results', "    task = get()", "TypeError: no")
        lines = tuple(Line(0.5, text) for text in texts * printed)
        return told(run_of(parent, idle, chain=(10, 20, 11, 10), lines=lines))

    by = " by `TypeError: no`" * printed
    gone = f"The Pool's result handler has ended{by}: nobody takes a result."
    bring = "for a result, which another thread of it would bring. "
    assert pool("_handle_workers", "_handle_tasks").endswith(f"{bring}{gone}")
    there = pool("_handle_workers", "_handle_tasks", "_handle_results")
    other = pool("_handle_workers", "_handle_tasks", calls=(("_base", "result"),))
    for text in (there, other):
        assert gone not in text
        assert f"{bring}The Pool's worker handler waits" in text


FORK = Frame("lib/multiprocessing/popen_fork.py", 71, "_launch")


def test_a_lock_that_was_locked_when_the_worker_was_forked():
    def forked(*threads, frames=(JOINS_BY[1], FORK), pid=30):
        join = process(10, [Wait("end", (pid,))], JOINS_BY, "parent")
        looks = tuple((at / 10, 0.1) for at in range(10))
        parent = replace(join, samples=looks, threads=(*join.threads, *threads))
        worker = replace(process(pid, [Wait("own", (pid,))], frames), started=0.4, parent=10)
        return told(run_of(parent, worker, chain=(10, pid)))

    gone = ("sleeps", "")
    beside = Thread(20, tuple(zip((0.1, 0.8), gone, strict=True)))
    ended = Thread(21, tuple(zip((0.1, 0.5), gone, strict=True)))  # last seen at 0.4
    later = Thread(40, ((0.5, "sleeps"),))
    alone = (
        ", for a lock, and no other thread of it is left to release it. The worker was forked"
    )
    maybe = f"{alone}; a lock that another thread held then stays locked in it."
    assert f"{alone} while the parent had another thread; a lock that this" in forked(beside)
    assert forked(ended).endswith(maybe)
    assert forked(later).endswith(maybe)
    assert "had other threads; a lock that one of those threads held" in forked(
        beside, replace(beside, tid=22)
    )
    event = (Frame("lib/threading.py", 1, "wait"), JOINS_BY[1], FORK)  # that nobody sets
    assert forked(beside, frames=event).endswith(
        "waits in `wait()`, line 25, for another thread of it to wake it, and no other is left."
    )
    served = Frame("lib/multiprocessing/forkserver.py", 313, "_serve_one")
    assert forked(frames=(JOINS_BY[1], served)).endswith(maybe)
    other = forked(beside, frames=JOINS_BY[1:])  # not by fork
    assert other.endswith(
        "for a lock of its own, and no other thread of it is left to release it."
    )


FEEDS = '  File "<python>/multiprocessing/queues.py", line 244, in _feed'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            (FEEDS, "    obj = dumps(obj)", "_pickle.PicklingError: no"),
            "`_pickle.PicklingError: no`",
        ),
        ((FEEDS, "    obj = dumps(obj)", "Refused"), "`Refused`"),
        (
            (FEEDS, "    obj = dumps(obj)", "parent: done", "TypeError: no"),
            "",
        ),  # of two processes
        (('  File "feed.py", line 2, in _feed', "    get()", "TypeError: no"), ""),  # its own
    ],
)
def test_what_a_feeder_could_not_send(lines, words):
    parent = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
    run = run_of(parent, chain=(10,), lines=tuple(Line(0.5, text) for text in lines))
    said = (
        told(run).partition("a feeder thread")[2] or told(run).partition("A feeder thread")[2]
    )
    assert said == (f" could not send an object, and dropped it: {words}." if words else "")


IN_FEED = (Frame("lib/queues.py", 1, "_feed"),)


def test_who_alone_has_a_feeder_that_dropped_an_object():
    def dropped(*others, feeders=1, frames=IN_FEED):
        waits = process(10, [Wait("end", (11,))], JOINS_BY, "parent")
        feeder = Thread(20, (), (Wait("own", (11,)),), frames)
        worker = process(11, [Wait("data", (10,))], JOINS_BY)
        feeds = replace(worker, threads=(*worker.threads, feeder))
        second = replace(waits, threads=(*waits.threads, *[feeder] * (feeders - 1)))
        lines = (Line(0.5, FEEDS), Line(0.5, "    dumps(obj)"), Line(0.5, "TypeError: no"))
        return told(run_of(second, feeds, *others, chain=(10,), lines=lines))

    only = ", and dropped it: `TypeError: no`. Only {} has a feeder thread."
    assert dropped().endswith(only.format("the worker"))
    assert dropped(process(9, role="helper")).endswith(only.format("the worker"))
    other = process(12, [Wait("data", (10,))], JOINS_BY)
    assert dropped(other).endswith(only.format("worker 1"))
    for unknown in (
        dropped(feeders=2),
        dropped(frames=JOINS_BY),  # it has none, or none any more
        dropped(process(12, exit=0)),  # who had one, perhaps
        dropped(replace(other, threads=())),
        dropped(replace(other, threads=(*other.threads, Thread(22, ((0.1, ""),))))),
    ):
        assert unknown.endswith(", and dropped it: `TypeError: no`.")


BEGINS = "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("texts", "at", "ended"),
    [
        (("a", "parent: Ctrl-C", BEGINS, "KeyboardInterrupt"), 0.1, "A traceback ends with"),
        ((BEGINS, "Error", BEGINS, "KeyboardInterrupt"), 0.2, "A traceback ends with"),
        ((BEGINS, BEGINS, *["KeyboardInterrupt"] * 2), 0.1, "2 tracebacks end with"),
        (("KeyboardInterrupt",), None, ""),  # nobody knows who printed it
        (("press Ctrl-C", "Ctrl-C is still blocked"), None, ""),
    ],
)
def test_when_ctrl_c_came(texts, at, ended):
    lines = tuple(Line(number / 10, text) for number, text in enumerate(texts))
    run = run_of(process(10, [Wait("outside")], role="parent"), lines=lines, chain=(10,))
    assert ctrl_c_at(run) == at
    assert ("`KeyboardInterrupt`, which is what Ctrl-C raises." in told(run)) == bool(ended)
    assert ended in told(run)


def test_of_a_pipe_that_could_not_be_asked_no_bytes_are_told():
    waits = [Wait("room", (10, 11), "pipe:[1]")]
    run = run_of(process(10, waits, role="parent"), process(11), chain=(10,))
    assert "for room in a pipe, which is full. Only the worker could read it" in told(run)
    pipe = Pipe("pipe:[1]", 4096, ((0.5, 4000),))
    assert "which is full: 4,000 of 4,096 bytes." in told(replace(run, pipes=(pipe,)))


@pytest.mark.parametrize(
    ("exit", "ended", "words"),
    [
        (0, 0.5, "exit 0"),
        (-15, 0.5, "SIGTERM"),
        (None, 0.5, ""),
        (None, 1.0, "ended by the recorder"),
    ],
)
def test_how_a_process_ended(exit, ended, words):
    one = replace(process(11, exit=exit), ended=ended)
    assert how_it_ended(one, run_of(one)) == words


def test_a_sentence_on_a_page_links_to_the_lines_of_the_program():
    text = (
        "The <parent> waits in `join()`, line 25, of `kernel()`, line 7 of y.py: `E: line 3`."
    )
    assert blocks.marked_up(text, recording(program="faults/a_helper.py")) == (
        'The &lt;parent&gt; waits in <code>join()</code>, <a href="#a_helper-25">line 25</a>, '
        "of <code>kernel()</code>, line 7 of y.py: <code>E: line 3</code>."
    )
    assert '<a href="#room-2">' in blocks.marked_up("At line 2.", recording(program="room.py"))
