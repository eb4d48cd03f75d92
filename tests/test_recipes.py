"""The recipes, as commands in an empty folder."""

import random
import re
import shutil
import sys

import psutil
import pytest

from recorder.store import EXAMPLES
from tests.harness import START_METHODS, RunningProgram, run, wait_until
from tests.stress_work_queue import run_once, workers_of

PRIME = 2**61 - 1  # no divisor: a search that no test waits for
QUICK = {  # program: arguments, what it prints
    "work_queue.py": (
        (),
        r"(Job [1-4]: done at attempt 1, \d+\n){4}"
        r"Job 5: failed at attempt 1, ValueError: this job always fails\n"
        r"(Job [678]: done at attempt 1, \d+\n){3}"
        r"Job 9: done at attempt 2, 81\n"
        r"(Job 1\d: done at attempt 1, \d+\n){10}"
        r"Job 20: done at attempt 1, 400\nJobs: 20, failed: 1\n",
    ),
    "request_reply.py": (
        (),
        r"(Request \d: .+\n)*Request 2: no reply within 0.2 s\n(Request \d: .+\n)*"
        r"Request 2: the reply, too late\n(Request \d: .+\n)*Request 5: 25\n"
        r"(Request \d: .+\n)*Replies in time: 5 of 6\n",
    ),
    "many_pipes.py": (
        ("--messages", 300),
        r"((Chatty: 300|Quiet: 10|Dying: 5) messages\n"
        r"|(Chatty|Quiet): ended, exit code 0\n|Dying: ended, exit code 3\n){6}"
        r"(\w+: longest wait \d+\.\d ms\n){3}",
    ),
    "progress.py": (
        ("--steps", 5),
        r"Worker 1 \S+ 5/5\s*\nWorker 2 \S+ 5/5\s*\nWorker 3 \S+ 5/5\s*\n"
        r"Finished, in this order: \d \d \d\n",
    ),
    "logging_to_one_file.py": (
        (),
        r"(Worker \d: ended, exit code 0\n){8}Lines in the file: 10,000, lost or broken: 0\n",
    ),
    "stop_early.py": (
        ("--number", 1009 * 1000003),
        r"(Worker \d: [\d,]+ candidates, found (None|1009)\n){3}First: 1009\n",
    ),
    "testing_processes.py": ((), r"(.*\n)*.*\b3 passed.*\n"),
    "pool_or_not.py": (
        (),
        r"ProcessPoolExecutor: \[1, 4, 9, 16, 25, 36\]\nPool: \[1, 4, 9, 16, 25, 36\]\n"
        r"ProcessPoolExecutor, worker killed: BrokenProcessPool\n"
        r"Pool, worker killed: no result after 0.5 s\n",
    ),
}
LONG = {  # program: arguments with which it is still at work when a test is at its worst
    "work_queue.py": ("--jobs", 10**9),
    "request_reply.py": ("--slow", 60),
    "many_pipes.py": ("--messages", 10**9),
    "progress.py": ("--steps", 10**9),
    "logging_to_one_file.py": ("--lines", 10**9),
    "stop_early.py": ("--number", PRIME),
    "testing_processes.py": (),
    "pool_or_not.py": ("--patience", 60),
}
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_program = pytest.mark.parametrize("program", QUICK)
with_method = pytest.mark.parametrize("method", START_METHODS)


def method_for(program):
    """One start method for each program, all of them in turn."""
    return START_METHODS[list(QUICK).index(program) % len(START_METHODS)]


def copied(folder, program):
    return shutil.copy(EXAMPLES / "recipes" / program, folder)


@pytest.mark.parametrize(
    ("program", "method"),
    [
        (program, method)
        for program in QUICK
        for method in START_METHODS
        if program != "testing_processes.py" or method == START_METHODS[-1]  # the slow one
    ],
)
def test_prints(tmp_path, program, method):
    arguments, pattern = QUICK[program]
    file = copied(tmp_path, program)
    status, out, err = run(tmp_path, file, *arguments, "--start-method", method)
    assert (status, err) == (0, "")
    assert re.fullmatch(pattern, out), out
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".py"] == [program]


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("work_queue.py", ("--jobs", "0"), "argument --jobs: 0 is not 1 or more"),
        ("work_queue.py", ("--bound", "0"), "argument --bound: 0 is not 1 or more"),
        ("work_queue.py", ("--workers", "x"), "argument --workers: invalid int value: 'x'"),
        ("request_reply.py", ("--workers", "0"), "argument --workers: 0 is not from 1 to 100"),
        ("request_reply.py", ("--slow", "nan"), "argument --slow: nan is not from 0 to 60"),
        ("many_pipes.py", ("--messages", "-1"), "argument --messages: -1 is not 0 or more"),
        ("progress.py", ("--steps", "0"), "argument --steps: 0 is not 1 or more"),
        ("logging_to_one_file.py", ("--lines", "-1"), "argument --lines: -1 is not 0 or more"),
        ("stop_early.py", ("--number", "1"), "argument --number: 1 is not 2 or more"),
        ("testing_processes.py", ("--speed", "1"), "unrecognized arguments: --speed 1"),
        ("pool_or_not.py", ("--jobs", "0"), "argument --jobs: 0 is not 1 or more"),
    ],
)
def test_bad_arguments(tmp_path, program, arguments, message):
    status, out, err = run(tmp_path, copied(tmp_path, program), *arguments)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"{program}: error: {message}"


def test_a_log_file_that_cannot_be_written(tmp_path):
    file = copied(tmp_path, "logging_to_one_file.py")
    status, out, err = run(tmp_path, file, "--file", tmp_path / "none" / "log")
    assert (status, out) == (2, "")
    assert "error: argument --file: [Errno 2]" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("program", "package"), [("progress.py", "rich"), ("testing_processes.py", "pytest")]
)
def test_a_package_is_missing(tmp_path, program, package):
    (tmp_path / f"{package}.py").write_text("raise ImportError")
    status, out, err = run(tmp_path, copied(tmp_path, program))
    assert (status, out) == (1, "")
    assert err == f"{program} needs {package}: python -m pip install {package}\n"


@on_posix
@with_program
def test_ctrl_c(tmp_path, program):
    arguments = (*LONG[program], "--start-method", method_for(program))
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        if program == "testing_processes.py":
            wait_until(lambda: len(started.tree()) > 1, "a test has started a program")
        else:
            wait_until(
                lambda: workers_of(psutil.Process(started.process.pid)), "a worker runs"
            )
        started.interrupt()
        status, _, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (130, "Interrupted\n")


@on_posix
@pytest.mark.parametrize(
    ("program", "status", "expected"),
    [
        ("request_reply.py", 0, r"(?s).*Request 5: no reply, its worker died.*"),
        ("many_pipes.py", 0, r"(?s).*Chatty: ended, exit code -9\n.*"),
        ("progress.py", 1, r"(?s).*Worker 1 ended before its work did, exit code -9\n"),
        (
            "logging_to_one_file.py",
            1,
            r"(?s).*Worker 8: ended, exit code -9\n.*broken: \d.*\n",
        ),
        (
            "stop_early.py",
            1,
            r"(?s).*exit code -9\n.*nothing found, but not all is searched\n",
        ),
    ],
)
def test_all_workers_are_killed(tmp_path, program, status, expected):
    number = {"progress.py": 3, "many_pipes.py": 2, "logging_to_one_file.py": 8}.get(
        program, 3
    )
    arguments = (*LONG[program], "--start-method", method_for(program))
    with RunningProgram(tmp_path, copied(tmp_path, program), *arguments) as started:
        process = psutil.Process(started.process.pid)
        for worker in wait_until(
            lambda: found if len(found := workers_of(process)) >= number else None, "they run"
        ):
            worker.kill()
        result, out, err = started.finish()
        started.assert_nothing_left()
    assert result == status
    assert re.fullmatch(expected, out + err), out + err


@on_posix
def test_the_log_of_a_killed_worker(tmp_path):
    log = tmp_path / "workers.log"
    arguments = ("--workers", 3, "--lines", 4000, "--file", log)
    file = copied(tmp_path, "logging_to_one_file.py")
    with RunningProgram(tmp_path, file, *arguments) as started:
        wait_until(lambda: log.exists() and "Worker 1" in log.read_text(), "it logs")
        workers_of(psutil.Process(started.process.pid))[0].kill()
        status, out, err = started.finish()
    lines = log.read_text().splitlines()
    assert (status, err) == (1, "")
    for number in (2, 3):
        found = [line.split(": line ")[1] for line in lines if f" Worker {number}: " in line]
        assert found == [f"{n} is whole" for n in range(1, 4001)]
    found = [line.split(": line ")[1] for line in lines if " Worker 1: " in line]
    assert found == [f"{n} is whole" for n in range(1, len(found) + 1)]
    assert out.endswith(
        f"Lines in the file: {len(lines):,}, lost or broken: {4000 - len(found):,}\n"
    )


JOBS = {  # what a job does: its answer, or how the reason starts
    "raise ValueError(job)": "ValueError: ",
    "raise Exception()": "Exception: ",
    "return lambda: 1": ("AttributeError: ", "PicklingError: "),
    "return Odd()": "no answer: TypeError",
    "sys.exit(3)": "no answer: EOFError",
    "os._exit(3)": "no answer: EOFError",
    "os.kill(os.getpid(), 9)": "no answer: EOFError",
    "signal.raise_signal(signal.SIGINT); return 7": 7,
    "return os.urandom(5_000_000)[:0] * 9": b"",
    "return len(bytes(5_000_000))": 5_000_000,
    "multiprocessing.get_context('fork').Process(target=linger).start(); "
    "os.kill(os.getpid(), 9)": "no answer: EOFError",
    "print(end=''); return None": None,
}
SCRIPT = """
import multiprocessing, os, signal, sys, time, work_queue

class Odd:
    def __reduce__(self):
        return int, ("1", "2", "3")

def linger():
    os.close(1), os.close(2)  # the test waits for the end of the output
    time.sleep(60)

def do_job(job, attempt):
    if job == 2:
        {body}
    return job

work_queue.do_job = do_job

def source():
    for job in (1, 2, 3, 4):
        print("taken", job)
        yield job

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for result in work_queue.work_queue(source(), 2, 2, context):
        print(repr(result), flush=True)
    print(multiprocessing.active_children())
"""


@on_posix
@pytest.mark.parametrize("body", JOBS)
def test_work_queue_jobs(tmp_path, body):
    copied(tmp_path, "work_queue.py")
    script = tmp_path / "jobs.py"
    script.write_text(SCRIPT.format(body=body))
    method = START_METHODS[list(JOBS).index(body) % len(START_METHODS)]
    if "fork" in body:  # the resource tracker of the others would keep the output open
        method = "fork"
    with RunningProgram(tmp_path, script, method) as started:
        status, out, _ = started.finish()
    assert status == 0
    results = {}
    for line in out.splitlines():
        if line.startswith("("):
            result = eval(line)
            results[result[0]] = result
    assert list(results) == [1, 2, 3, 4]
    for job in (1, 3, 4):
        assert results[job] == (job, 1, True, job)
    _, attempt, done, value = results[2]
    if isinstance(JOBS[body], str | tuple) and JOBS[body] != b"":
        assert not done and value.startswith(JOBS[body])
        assert attempt == 1 + value.startswith("no answer")
    else:
        assert (attempt, done, value) == (1, True, JOBS[body])
    assert out.splitlines()[-1] == "[]"  # all workers have ended
    lines = [line for line in out.splitlines() if line[0] in "t("]
    for index in range(len(lines)):  # never more than two taken and not given back
        so_far = [line[0] for line in lines[: index + 1]]
        assert so_far.count("t") - so_far.count("(") <= 2


@on_posix
@with_method
def test_work_queue_with_a_worker_killed(tmp_path, method):
    run_once(tmp_path, method, random.Random(method))


@on_posix
def test_work_queue_workers_end_when_the_parent_is_killed(tmp_path):
    arguments = (*LONG["work_queue.py"], "--start-method", "fork")
    with RunningProgram(tmp_path, copied(tmp_path, "work_queue.py"), *arguments) as started:
        process = psutil.Process(started.process.pid)
        wait_until(lambda: len(workers_of(process)) == 3, "three workers run")
        started.process.kill()
        started.assert_nothing_left()
