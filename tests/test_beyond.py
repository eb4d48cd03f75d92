"""The programs that reach beyond one machine, as commands in an empty folder."""

import re
import shutil
import sys

import psutil
import pytest

from recorder.store import EXAMPLES
from tests.harness import START_METHODS, TIMEOUT, RunningProgram, kill, run, wait_until
from tests.stress_work_queue import workers_of

PROGRAMS = ["listener_client.py", "manager_queue.py", "dask_queue.py"]
SOCKETS = PROGRAMS[:2]
SLOW = 5_000_000  # a count of some tenths of a second
FOREVER = 10**12  # a count that no test waits for
LINE = r"Process ID: (\d+), name: (.+), subtotal: ([\d,]+)\n"
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_program = pytest.mark.parametrize("program", PROGRAMS)
with_sockets = pytest.mark.parametrize("program", SOCKETS)


def copied(folder, program):
    return shutil.copy(EXAMPLES / "beyond" / program, folder)


def check_output(out, count):
    """Five counts, each of them once, and their total."""
    assert re.fullmatch(
        r"Parent process ID: \d+\n"
        r"(Listening on 127\.0\.0\.1:\d+\nWith a wrong key: digest sent was rejected\n)?"
        rf"({LINE}){{5}}Elapsed: \d+\.\d\d s\nTotal: {5 * count:,}\n",
        out,
    ), out
    found = re.findall(LINE, out)
    assert {subtotal for _, _, subtotal in found} == {f"{count:,}"}
    return found


@pytest.mark.parametrize(
    ("program", "method"),
    [
        *((program, method) for program in SOCKETS for method in START_METHODS),
        ("dask_queue.py", "spawn"),
    ],
)
@pytest.mark.parametrize("count", [1000])
def test_counts(tmp_path, program, method, count):
    file = copied(tmp_path, program)
    status, out, err = run(tmp_path, file, "--count", count, "--start-method", method)
    assert (status, err) == (0, "")
    check_output(out, count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "0"), "argument --workers: 0 is not from 1 to 100"),
        (("--count", "-1"), "argument --count: -1 is not 0 or more"),
        (("--connect", "nowhere"), "argument --connect: nowhere is not HOST:PORT"),
        (
            ("--connect", "127.0.0.1:1"),
            "argument --connect: COUNTING_KEY is not in the environment",
        ),
    ],
)
@with_sockets
def test_bad_arguments(tmp_path, program, arguments, message):
    status, out, err = run(tmp_path, copied(tmp_path, program), *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"{program}: error: {message}"


def test_bad_arguments_for_dask(tmp_path):
    arguments = ("--scheduler", "nowhere")
    status, out, err = run(tmp_path, copied(tmp_path, "dask_queue.py"), *arguments)
    assert (status, out) == (2, "")
    assert err.endswith("error: argument --scheduler: nowhere is not tcp://HOST:PORT\n")


def test_dask_is_missing(tmp_path):
    (tmp_path / "distributed.py").write_text("raise ImportError")
    status, out, err = run(tmp_path, copied(tmp_path, "dask_queue.py"))
    assert (status, out) == (1, "")
    assert err == "dask_queue.py needs distributed: python -m pip install distributed\n"


def until_the_first_result(started):
    """Return the lines up to that: now the workers are at work on the next counts."""
    lines = ""
    while not re.search(LINE, lines):
        lines += started.process.stdout.readline()
        assert started.process.poll() is None
    return lines


def the_rest(started):
    """Return what finish() returns, after readline()."""
    out, err = started.process.stdout.read(), started.process.stderr.read()
    return started.process.wait(TIMEOUT), out, err


@on_posix
@with_program
def test_a_worker_is_killed(tmp_path, program):
    arguments = ("--workers", 2, "--count", SLOW)
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        begin = until_the_first_result(started)
        first = 1 if program == "manager_queue.py" else 0  # after the manager
        for worker in workers_of(psutil.Process(started.process.pid))[first : first + 1]:
            worker.kill()  # none is left when the machine has kept this test waiting
        status, out, err = the_rest(started)
        started.assert_nothing_left()
    assert (status, err) == (0, "")
    check_output(begin + out, SLOW)


@on_posix
@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("listener_client.py", "no worker is left\n"),
        ("manager_queue.py", "the manager died\n"),
    ],
)
def test_every_process_is_killed(tmp_path, program, message):
    arguments = ("--workers", 2, "--count", FOREVER)
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        tree = wait_until(lambda: len(started.busy()) == 2 and started.tree(), "busy")
        kill(process for process in tree if process.pid != started.process.pid)
        status, _, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (1, message)


@on_posix
@with_program
def test_ctrl_c(tmp_path, program):
    arguments = ("--workers", 2, "--count", FOREVER)
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        wait_until(lambda: len(started.busy()) == 2, "the workers have begun")
        started.interrupt()
        status, _, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (130, "Interrupted\n")


def with_key(folder, key):
    """Return a script that runs a program with this key in the environment."""
    script = folder / f"key_{key}.py"
    script.write_text(
        "import os, sys\n"
        f"os.environ['COUNTING_KEY'] = {key!r}\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    return script


@on_posix
@with_sockets
def test_a_worker_joins_from_another_terminal(tmp_path, program):
    file = copied(tmp_path, program)
    right, wrong = with_key(tmp_path, "a"), with_key(tmp_path, "b")
    arguments = ("--workers", 1, "--count", SLOW)
    with RunningProgram(tmp_path, right, file, *arguments) as started:
        lines = [started.process.stdout.readline() for _ in range(3)]
        join = (file, "--connect", lines[1].split()[-1])
        with RunningProgram(tmp_path, right, *join) as joined:
            assert run(tmp_path, wrong, *join) == (1, "", "digest sent was rejected\n")
            status, out, err = the_rest(started)
            assert (status, err) == (0, "")
            assert joined.finish() == (0, "", "")
    found = check_output("".join(lines) + out, SLOW)
    assert {name for _, name, _ in found} == {"Worker 1", "MainProcess"}
    status, out, err = run(tmp_path, right, *join)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"\[Errno \d+\] Connection refused\n", err)


@on_posix
def test_on_a_cluster_that_runs_already(tmp_path):
    """`dask scheduler` and two `dask worker`; one of them is killed."""
    file = copied(tmp_path, "dask_queue.py")
    dask = tmp_path / "run_dask.py"
    dask.write_text(
        "import os, sys\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'dask', *sys.argv[1:]])\n"
    )
    common = ("--scheduler-file", "cluster.json", "--host", "127.0.0.1", "--no-dashboard")
    with RunningProgram(tmp_path, dask, "scheduler", *common, "--port", 0):
        written = tmp_path / "cluster.json"
        address = wait_until(
            lambda: written.exists() and re.search(r"tcp://[\d.:]+", written.read_text()),
            "a scheduler",
        )[0]
        with RunningProgram(tmp_path, dask, "worker", *common, "--nworkers", 2) as workers:
            arguments = ("--scheduler", address, "--count", SLOW)
            with RunningProgram(tmp_path, file, *arguments) as started:
                begin = until_the_first_result(started)
                workers_of(psutil.Process(workers.process.pid))[0].kill()  # they stay
                status, out, err = the_rest(started)
                started.assert_nothing_left()
    assert (status, err) == (0, "")
    check_output(begin + out, SLOW)
