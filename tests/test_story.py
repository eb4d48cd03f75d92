"""What the site says of who waited for whom, for each program of it that hangs."""

import re
import sys

import pytest

from recorder.waits import AVAILABLE
from recorder.watch import watch
from render.runs import read_runs
from render.story import Story
from tests.harness import PYTHON

W = r"(?:the worker|worker \d)"
SILENT = r"The parent waits in `{}\(\)`, line \d+, for data from a pipe\. Only the parent itself could write to it, and it waits\."
ASKS = rf"The parent waits in `{{}}\(\)`, line \d+, for data from a pipe\. Only {W} could write to it\."
JOINS = rf"The parent waits in `join\(\)`, line \d+, for {W} to end\."
AT_ITS_END = r"At its end {} waits for its feeder thread to end\."
FULL = r"The feeder thread waits for room in a pipe, which is full: 6\d,\d+ of 65,536 bytes\."
RING = "could {} it, and the parent waits."
LOCKED = rf"(?i:{W}) waits in `{{}}\(\)`, line \d+, for a lock between processes \(a semaphore\)\. Only the parent could release it, and the parent waits\."
ALONE = r"(?i:{}) waits in `{}\(\)`, line \d+, for a lock of its own, and no other thread of it is left to release it\."
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
        r"The parent waits in `recv\(\)`, line \d+, for data from a pipe\. Only workers \d and \d could write to it\.",
        ALONE.format(W, "wait"),
        r"So does worker \d\.",
    ],
    "killed_holding_lock_broken": [
        ASKS.format("get"),
        AT_ITS_END.format(W),
        r"The feeder thread waits for a lock between processes \(a semaphore\)\.",
        "Only the parent " + RING.format("release"),
    ],
    "terminate_worker_broken": [ASKS.format("get"), LOCKED.format("put")],
    "idle_worker_killed_broken": [ASKS.format("recv"), LOCKED.format("get")],
    "event_set_broken": [
        r"The parent waits in `set\(\)`, line \d+, for a lock between processes \(a semaphore\)\.",
        rf"Only {W} could release it\.",
        LOCKED.format("wait"),
    ],
    "fork_with_threads_broken": [JOINS, ALONE.format(W, "work")],
    "two_way_deadlock_broken": [
        rf"The parent waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only {W} could read it\.",
        rf"(?i:{W}) waits in `send\(\)`, line \d+, for room in a socket, which is full\. Only the parent could read it, and the parent waits\.",
    ],
    "ctrl_c_broken": [
        AT_ITS_END.format("the parent"),
        FULL,
        "Only the parent itself " + RING.format("read"),
    ],
    "sentinel_too_few_broken": [
        JOINS,
        rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\.",
        "Only the parent " + RING.format("write to"),
    ],
    "task_done_too_few_broken": [
        rf"The parent waits in `join\(\)`, line \d+, for a lock between processes \(a semaphore\)\. Only {W} could release it\.",
        rf"(?i:{W}) waits in `get\(\)`, line \d+, for data from a pipe\.",
        "Only the parent " + RING.format("write to"),
    ],
    "large_argument_broken": [
        r"The parent waits in `start\(\)`, line \d+, for room in a pipe, which is full: 65,536 of 65,536 bytes\.",
        "Only the parent itself could read it, and it waits.",
    ],
}
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
        assert re.fullmatch(" ".join(STORIES[name]) + ENDED, told), told


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
        assert name == "large_argument_broken"
