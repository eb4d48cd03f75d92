"""worker_sweep.py and start_cost.py, as commands in an empty folder."""

import csv
import shutil
import signal
import sys

import pytest

from recorder.picture import start_rows, sweep_rows
from recorder.store import EXAMPLES
from tests.harness import START_METHODS, RunningProgram, run, wait_until

FOREVER = 10**12  # a count that no test waits for
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_method = pytest.mark.parametrize("method", START_METHODS)


def written(folder):
    with (folder / "all.csv").open(newline="") as file:
        return list(csv.reader(file))


@with_method
def test_a_sweep(tmp_path, method):
    arguments = "--workers 1 2 3 --total 10001 --runs 2 --csv all.csv --start-method"
    status, out, err = run(tmp_path, "worker_sweep.py", *arguments.split(), method)
    assert (status, err) == (0, "")
    assert out.startswith(f"Counting to 10,001 in all, with {method}\n")
    rows = sweep_rows(out)
    assert [(row.name, row.workers) for row in rows] == [
        (channel, workers) for workers in (1, 2, 3) for channel in ("Queue", "Pipe")
    ]
    assert all(0 < row.low <= row.median <= row.high for row in rows)
    head, *runs = written(tmp_path)
    assert head == ["run", "channel", "workers", "seconds"]
    assert [one[:3] for one in runs] == [
        [run, channel, workers]
        for run in "12"
        for workers in "123"
        for channel in ("Queue", "Pipe")
    ]
    for row in rows:
        times = [
            float(s) for _, name, n, s in runs if (name, int(n)) == (row.name, row.workers)
        ]
        assert (row.low, row.high) == pytest.approx((min(times), max(times)), abs=0.0006)


def test_the_costs_of_a_start(tmp_path):
    arguments = "--interpreters 2 --starts 3 --csv all.csv"
    status, out, err = run(tmp_path, "start_cost.py", *arguments.split())
    assert (status, err) == (0, "")
    rows = start_rows(out)
    assert [row.name.split(", ")[1] for row in rows] == ["cold", "warm"] * len(START_METHODS)
    assert {row.name.split()[0].strip(",") for row in rows} == set(START_METHODS)
    assert ["(default)" in row.name for row in rows] == [True, True] + [False] * (
        len(rows) - 2
    )
    assert all(0 < row.low <= row.median <= row.high for row in rows)
    head, *starts = written(tmp_path)
    assert head == ["interpreter", "start method", "start", "seconds"]
    assert len(starts) == 2 * 3 * len(START_METHODS)
    assert [one[2] for one in starts] == ["cold", "warm", "warm"] * 2 * len(START_METHODS)


SWEEP_LIMITS = "--workers are from 1 to 100, --total is 0 or more, --runs is 1 or more"
START_LIMITS = "--interpreters is 1 or more, --starts is 2 or more"


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("worker_sweep.py", "--workers 0 1", SWEEP_LIMITS),
        ("worker_sweep.py", "--workers 1 101", SWEEP_LIMITS),
        ("worker_sweep.py", "--total -1", SWEEP_LIMITS),
        ("worker_sweep.py", "--runs 0", SWEEP_LIMITS),
        ("worker_sweep.py", "--workers 1,2", "argument --workers: invalid int value: '1,2'"),
        (
            "worker_sweep.py",
            "--csv no/where",
            "[Errno 2] No such file or directory: 'no/where'",
        ),
        ("start_cost.py", "--interpreters 0", START_LIMITS),
        ("start_cost.py", "--starts 1", START_LIMITS),
        ("start_cost.py", "--csv no/where", "[Errno 2] No such file or directory: 'no/where'"),
    ],
)
def test_bad_arguments(tmp_path, program, arguments, message):
    status, out, err = run(tmp_path, program, *arguments.split())
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"{program}: error: {message}"


@on_posix
@with_method
def test_ctrl_c_in_a_sweep(tmp_path, method):
    arguments = ("--workers", 2, "--total", FOREVER, "--start-method", method)
    with RunningProgram(tmp_path, "worker_sweep.py", *arguments) as started:
        wait_until(lambda: len(started.busy()) == 2, "two workers count")
        started.interrupt()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, out.count("\n"), err) == (130, 1, "Interrupted\n")


@on_posix
@with_method
def test_a_killed_worker_of_a_sweep(tmp_path, method):
    arguments = ("--workers", 2, "--total", FOREVER, "--start-method", method)
    with RunningProgram(tmp_path, "worker_sweep.py", *arguments) as started:
        wait_until(lambda: len(started.busy()) == 2, "two workers count")
        started.busy()[0].kill()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, out.count("\n"), err) == (1, 1, "a worker ended without a result\n")


SABOTAGE = """
import os, sys, worker_sweep
for death in (lambda: os._exit(0), lambda: sys.exit(3), lambda: os.kill(os.getpid(), 9)):
    worker_sweep.count_up = lambda count, send: send(1) if count else death()
    try:
        worker_sweep.{}(worker_sweep.multiprocessing.get_context("fork"), [1, 0, 1])
    except ChildProcessError as error:
        print(error)
"""


@on_posix
@pytest.mark.parametrize("channel", ["through_queue", "through_pipes"])
def test_a_worker_that_ends_without_a_result(tmp_path, channel):
    shutil.copy(EXAMPLES / "worker_sweep.py", tmp_path)
    script = tmp_path / "sabotage.py"
    script.write_text(SABOTAGE.format(channel))
    assert run(tmp_path, script) == (0, "a worker ended without a result\n" * 3, "")


def others(started):
    return [process for process in started.tree() if process.pid != started.process.pid]


@on_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_start_cost_that_is_interrupted_or_loses_an_interpreter(tmp_path, number):
    with RunningProgram(tmp_path, "start_cost.py", "--starts", 10**6) as started:
        measured = wait_until(lambda: others(started), "an interpreter is started")[0]
        if number == signal.SIGINT:
            started.interrupt()
        else:
            measured.kill()
        status, out, err = started.finish()
        started.assert_nothing_left()
    lost = f"{START_METHODS[0]}: a process ended before it was measured\n"
    expected = (130, "Interrupted\n") if number == signal.SIGINT else (1, lost)
    assert (status, err, out) == (*expected, "")
