"""What the site says of who waited for whom, for each program of it that hangs."""

import re
import sys
from dataclasses import replace

import pytest

from recorder.recording import Frame, Pipe, Process, Thread, Wait
from recorder.waits import AVAILABLE
from recorder.watch import watch
from render import blocks
from render.runs import read_runs
from render.story import Story, how_it_ended
from tests.harness import PYTHON
from tests.recordings import recording

W = r"(?:the worker|worker \d)"
SILENT = r"The parent waits in `{}\(\)`, line \d+, for data from a pipe\. No other process is left that could write to it\."
ASKS = rf"The parent waits in `{{}}\(\)`, line \d+, for data from a pipe\. Only {W} could write to it\."
JOINS = rf"The parent waits in `join\(\)`, line \d+, for {W} to end\."
AT_ITS_END = r"At its end {} waits for its feeder thread to end\."
FULL = r"The feeder thread waits for room in a pipe, which is full: 6\d,\d+ of 65,536 bytes\."
RING = "could {} it, and the parent waits."
LOCK = r"for the lock of the queue's {}\. Worker \d, which was killed, may have held it: nobody releases it then\."
ALONE = r"(?i:{}) waits in `{}\(\)`, line \d+, for a lock of its own, and no other thread of it is left to release it\."
TAKES = rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\."
GIVES = "Only the parent " + RING.format("write to")
OWN = r"The parent waits in `{}\(\)`, line \d+, for {}\. No other process is left that could {}\."
POOL = r"The parent waits in `{}\(\)`, line \d+, for a result, which another thread of it would bring\."
TAKES_RESULTS = rf"The Pool's result handler waits for a result: data from a pipe\. Only (?:{W}|workers \d and \d) could write to it\."
HANDLER = rf"The Pool's worker handler waits for a worker to end\. Only (?:{W}|workers \d and \d) could bring that\."
GONE = r"The Pool's result handler has ended: nobody takes a result\."
IDLE = rf"(?i:{W}) waits for its next task: data from a pipe\."
# Of the workers of a Pool one waits for its next task, and the others for their turn to do so.
TURN = rf"(?i:{W}) waits for its turn to take the next task\. Only the parent and {W} could release the lock\."
TAKES_NEXT = f"(?:{TURN} )?{IDLE} {GIVES}"
STORIES = {  # how each begins; then only workers that have ended are named
    "join_before_get_broken": [
        JOINS,
        AT_ITS_END.format(W),
        FULL,
        "Only the parent " + RING.format("read"),
    ],
    "dead_worker_queue_broken": [SILENT.format("get")],
    "dead_worker_pipe_broken": [SILENT.format("recv")],
    "worker_exception_broken": [SILENT.format("get")],
    "unpicklable_put_broken": [SILENT.format("get")],
    "one_dies": [SILENT.format("get")],
    "dead_worker_siblings_broken": [
        r"The parent waits in `recv\(\)`, line \d+, for data from a socket\. Only workers \d and \d could write to it\.",
        rf"(?i:{W}) waits in `recv\(\)`, line \d+, for data from a socket\.",
        "Only the parent and worker \\d could write to it, and the parent waits\\.",
        r"So does worker \d\.",
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
        r"Worker \d, which was killed, may be counted among them for ever\.",
        rf"(?i:{W}) waits in `wait\(\)`, line \d+, for the Event to be set\.",
        "Only the parent " + RING.format("set"),
    ],
    "fork_with_threads_broken": [JOINS, ALONE.format(W, "work")],
    "two_way_deadlock_broken": [
        rf"The parent waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only {W} could read it\.",
        rf"(?i:{W}) waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only the parent could read it, and the parent waits\.",
    ],
    "ctrl_c_broken": [
        AT_ITS_END.format("the parent"),
        FULL,
        r"No other process is left that could read it\.",
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
        rf"The parent waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only {W} could read it\.",
        rf"(?i:{W}) waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only the parent could read it, and the parent waits\.",
    ],
    "feeder_traceback_broken": [ASKS.format("get"), TAKES, GIVES],
    "where_stuck_hangs": [ASKS.format("get"), TAKES, GIVES],
    "full_queue_broken": [
        OWN.format("put", "room in the queue, which has a maxsize", "take an item")
    ],
    "task_done_dead_broken": [OWN.format("join", r"the last `task_done\(\)`", "call it")],
    "thread_at_import": [JOINS, ALONE.format(W, "work")],
    "watchdog_fork_broken": [JOINS, ALONE.format(W, "work")],
    "pool_exception_broken": [POOL.format("map"), HANDLER, TAKES_NEXT, GONE],
    "pool_killed_broken": [POOL.format("map"), TAKES_RESULTS, TAKES_NEXT],
    "max_tasks_broken": [
        r"The parent waits at line \d+, for a result, which another thread of it would bring\.",
        r"The executor's management thread waits for a result, or for a worker to end\. No worker is left to bring that\.",
    ],
    "large_argument_broken": [
        r"The parent waits in `start\(\)`, line \d+, for room in a pipe, which is full: 65,536 of 65,536 bytes\.",
        r"No other process is left that could read it\.",
    ],
}
DROPPED = r"(?: A feeder thread could not send an object, and dropped it: `.+`\.)?"
ENDED = r"(?:(?: Worker \d| The worker) (?:was killed, by SIG\w+|has ended(?:, exit status \d)?)\.)*"
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
        assert re.fullmatch(" ".join(STORIES[name]) + ENDED + DROPPED, told), told


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


BEGIN = """import asyncio, multiprocessing as mp, os, queue, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
def work(n): os._exit(1) if n else n
def init(one): global event; event = one
def wait_for_it(n): event.wait()
def drop(q): q.put(lambda: 1); os.read(os.pipe()[0], 1)  # at its end it would not say so
def meet(barrier): barrier.wait()
"""
STRANGERS = {  # programs of others: what they do in main(), and what is said of them
    "who feeds a Pool waits itself": (
        """
    got, pool = queue.Queue(), mp.Pool(2)
    def tasks(): yield 0; got.get()
    list(pool.imap(work, tasks()))""",
        r".*The Pool's result handler waits for a result: data from a pipe\. .*"
        r"Another thread of the parent waits in `get\(\)`, line 11, for another of its threads.*",
    ),
    "a task of an executor waits for an Event": (
        """
    pool = ProcessPoolExecutor(2, initializer=init, initargs=(mp.Event(),))
    pool.submit(wait_for_it, 1).result()""",
        r"The parent waits in `result\(\)`, line 11, for a result, which another thread of it would "
        r"bring\. The executor's management thread waits for a result, or for a worker to end\. "
        r".*waits in `wait\(\)`, line 5, for the Event to be set\..*",
    ),
    "an object that can't be sent": (
        """
    q = mp.Queue(); mp.Process(target=drop, args=(q,)).start(); q.get()""",
        r".*A feeder thread could not send an object, and dropped it: `.*lambda.*`\.",
    ),
    "an event loop": (
        """
    asyncio.run(asyncio.Event().wait())""",
        r"The parent waits in `run\(\)`, line 10, with its event loop, for something to do\. "
        r"No other thread or process is left that could bring it\.",
    ),
    "a Barrier": (
        """
    barrier = mp.Barrier(3); one = mp.Process(target=meet, args=(barrier,)); one.start(); one.join()""",
        r".*waits in `wait\(\)`, line 7, at the Barrier for others\. Only the parent could come there.*",
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
        "Worker 2 was killed, by SIGKILL. Worker 3 has ended, exit status 0."
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
        "Only the parent and worker 2 could release it. "
        "Worker 2 waits at line 11, for a lock or semaphore that processes share. "
        "Only the parent and worker 1 could release it, and worker 1 waits."
    )


def test_many_could_bring_one_of_many_things():
    waits = [Wait("data", (10, number), "pipe:[1]") for number in range(11, 17)]
    workers = [process(number) for number in range(11, 17)]
    run = run_of(process(10, waits, JOINS_BY, "parent"), *workers, chain=(10,))
    assert told(run).startswith(
        "The parent waits in `join()`, line 25, for any of 6 things. "
        "Only workers 1, 2, 3 and 3 others could bring one, and it waits."
    )


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
    text = "The <parent> waits in `join()`, line 25, of `x()`, line 7 of y.py."
    assert blocks.marked_up(text, recording(program="faults/a_b.py")) == (
        'The &lt;parent&gt; waits in <code>join()</code>, <a href="#a_b-25">line 25</a>, '
        "of <code>x()</code>, line 7 of y.py."
    )
