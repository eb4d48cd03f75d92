"""The programs that measure channels, for what they deliver; and what is read off their tables."""

import contextlib
import importlib.util
import multiprocessing
import pathlib
import random
import re
import shutil
import signal
import sys
import time
import zlib

import pytest

from examples.channels import latency, reuse_buffer, shared_ring, throughput
from recorder import channels
from recorder.store import EXAMPLES
from tests.programs import METHODS, Started, run, wait_until

QUICK = {  # program: arguments, and how its table is read
    "throughput.py": (("--budget", 0.05), channels.throughput_rows, 33),
    "latency.py": (("--budget", 0.01), channels.latency_rows, 16),
    "old_answer.py": (("--scale", 0.001), channels.old_answer_rows, 12),
    "batch.py": (("--items", 1000, "--rounds", 2), channels.way_rows, 4),
    "reuse_buffer.py": (
        ("--size", 1000, "--messages", 9, "--rounds", 2),
        channels.way_rows,
        4,
    ),
    "shared_ring.py": (("--size", 2**22, "--rounds", 1), channels.way_rows, 4),
}
LONG = {  # program: arguments with which it is at work when a test is at its worst
    "throughput.py": ("--budget", 1000),
    "latency.py": ("--budget", 1000),
    "old_answer.py": ("--scale", 10),
    "batch.py": ("--items", 10**7),
    "reuse_buffer.py": ("--rounds", 1000),
    "shared_ring.py": ("--rounds", 1000),
}
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_program = pytest.mark.parametrize("program", QUICK)
with_method = pytest.mark.parametrize("method", METHODS)


def copied(folder, program):
    return shutil.copy(EXAMPLES / "channels" / program, folder)


def method_for(program):
    """One start method for each program, all of them in turn."""
    return METHODS[list(QUICK).index(program) % len(METHODS)]


def workers(started):
    """The processes of a program that multiprocessing started as workers, in their order."""
    found = []
    for process in started.tree():
        line = " ".join(process.cmdline())
        if process.pid != started.process.pid and "resource_tracker" not in line:
            found.append(process)
    ...


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
        ("throughput.py", ("--budget", 0), "argument --budget: 0 is not more than 0, up to 3600"),
        ("throughput.py", ("--budget", "nan"), "argument --budget: nan is not more than 0, up to 3600"),
        ("latency.py", ("--budget", -1), "argument --budget: -1 is not more than 0, up to 3600"),
        ("old_answer.py", ("--scale", 0), "argument --scale: 0 is not from 0.0001 to 10"),
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
