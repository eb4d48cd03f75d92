"""serial_total.py, queue_totals.py and pipe_totals.py, as commands in an empty folder."""

import re
import shutil
import signal
import sys

import pytest

from recorder.store import EXAMPLES
from tests.harness import START_METHODS, RunningProgram, run, wait_until

PATTERNS = ["queue_totals.py", "pipe_totals.py"]
SIZES = [(1, 0), (1, 1000), (3, 0), (5, 100_000), (100, 10)]
FOREVER = 10**12  # a count that no test waits for
LINE = re.compile(r"Process ID: (\d+), name: (.+), subtotal: ([\d,]+)")
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

with_method = pytest.mark.parametrize("method", START_METHODS)
with_pattern = pytest.mark.parametrize("program", PATTERNS)


def check_output(output, workers, count):
    first, *results, elapsed, total = output.splitlines()
    assert re.fullmatch(r"Parent process ID: \d+", first)
    found = [LINE.fullmatch(line) for line in results]
    assert all(found) and len(found) == workers
    assert {match[3] for match in found} == {f"{count:,}"}
    assert re.fullmatch(r"Elapsed: \d+\.\d\d s", elapsed)
    assert total == f"Total: {workers * count:,}"
    return found


@pytest.mark.parametrize(("workers", "count"), SIZES)
@with_method
@with_pattern
def test_counts(tmp_path, program, method, workers, count):
    arguments = ("--workers", workers, "--count", count, "--start-method", method)
    status, out, err = run(tmp_path, program, *arguments)
    assert (status, err) == (0, "")
    found = check_output(out, workers, count)
    assert {match[2] for match in found} == {f"Worker {n}" for n in range(1, workers + 1)}
    assert len({match[1] for match in found}) == workers


@pytest.mark.parametrize(("workers", "count"), SIZES)
def test_serial_counts(tmp_path, workers, count):
    arguments = ("--workers", workers, "--count", count)
    status, out, err = run(tmp_path, "serial_total.py", *arguments)
    assert (status, err) == (0, "")
    assert len({match[1] for match in check_output(out, workers, count)}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "0"), "argument --workers: 0 is not from 1 to 100"),
        (("--workers", "101"), "argument --workers: 101 is not from 1 to 100"),
        (("--workers", "two"), "argument --workers: invalid int value: 'two'"),
        (("--count", "-1"), "argument --count: -1 is not 0 or more"),
        (("--count", "1.5"), "argument --count: invalid int value: '1.5'"),
        (("--speed", "1"), "unrecognized arguments: --speed 1"),
    ],
)
@pytest.mark.parametrize("program", ["serial_total.py", *PATTERNS])
def test_bad_arguments(tmp_path, program, arguments, message):
    status, out, err = run(tmp_path, program, *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"{program}: error: {message}"


@on_posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
@with_method
@with_pattern
def test_a_worker_killed_from_outside(tmp_path, program, method, number):
    arguments = ("--workers", 3, "--count", FOREVER, "--start-method", method)
    with RunningProgram(tmp_path, program, *arguments) as started:
        victim = wait_until(
            lambda: started.busy() if len(started.busy()) == 3 else None, "busy"
        )[1]
        victim.send_signal(number)
        status, out, err = started.finish()
        started.assert_nothing_left()
    *_, last = (
        err.splitlines()
    )  # faulthandler, on in a test, writes before it when it was SIGSEGV
    message = r"Worker \d \(process ID (\d+)\) ended without a result, exit code (-\d+)"
    assert re.fullmatch(message, last).groups() == (str(victim.pid), str(-number))
    assert (status, len(out.splitlines())) == (1, 1)


SABOTAGE = {  # what a worker does instead: the body of its function, and the exit code it gives
    "killed before": ("os.kill(os.getpid(), 9)", -9),
    "exception": ("raise ValueError('no')", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "sys.exit(0)": ("sys.exit(0)", 0),
    "os._exit": ("os._exit(4)", 4),
    "killed after": ("answer(); os.kill(os.getpid(), 9)", None),
    "exception after": ("answer(); raise ValueError('late')", None),
}
SCRIPT = """
import os, sys
import {module} as program

def count_up(*args):
    def answer():
        if "{module}" == "pipe_totals":
            args[1].send(args[0])
        else:
            args[2].put((args[0], args[1])), args[2].close(), args[2].join_thread()
    {body}

program.count_up = count_up

if __name__ == "__main__":
    try:
        program.main(3, 1000, sys.argv[1])
    except ChildProcessError as error:
        sys.exit(str(error))
"""


@on_posix
@pytest.mark.parametrize("how", SABOTAGE)
@with_method
@with_pattern
def test_a_worker_that_ends_badly(tmp_path, program, method, how):
    body, code = SABOTAGE[how]
    shutil.copy(EXAMPLES / program, tmp_path)
    script = tmp_path / "sabotage.py"
    script.write_text(SCRIPT.format(module=program.removesuffix(".py"), body=body))
    status, out, err = run(tmp_path, script, method)
    if code is None:  # the result was out: the total is right
        assert status == 0
        check_output(out, 3, 1000)
    else:
        assert status == 1
        assert re.search(
            rf"^Worker \d \(process ID \d+\) ended without a result, exit code {code}$",
            err,
            re.MULTILINE,
        )
    assert ("Traceback" in err) == how.startswith("exception")


@on_posix
@pytest.mark.parametrize("moment", ["at once", "while they count"])
@with_method
@with_pattern
def test_ctrl_c(tmp_path, program, method, moment):
    arguments = ("--workers", 4, "--count", FOREVER, "--start-method", method)
    with RunningProgram(tmp_path, program, *arguments) as started:
        first = started.process.stdout.readline()
        if moment == "while they count":
            wait_until(lambda: len(started.busy()) == 4, "four workers count")
        started.interrupt()
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert first.startswith("Parent process ID: ")
    assert (status, out, err) == (130, "", "Interrupted\n")


@on_posix
def test_ctrl_c_serial(tmp_path):
    with RunningProgram(tmp_path, "serial_total.py", "--count", FOREVER) as started:
        started.process.stdout.readline()
        started.interrupt()
        assert started.finish() == (130, "", "Interrupted\n")
        started.assert_nothing_left()
