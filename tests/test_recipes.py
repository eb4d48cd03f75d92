"""What only work_queue.py does: jobs of every kind, and workers and a parent that are killed."""

import random

import pytest

from tests.harness import (
    START_METHODS,
    RunningProgram,
    copy_of_program,
    on_posix,
    with_start_method,
)
from tests.stress_work_queue import run_once

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
    copy_of_program(tmp_path, "recipes/work_queue.py")
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
@with_start_method
def test_work_queue_with_a_worker_killed(tmp_path, method):
    chance = random.Random(method)
    killed = 0
    for attempt in range(3):  # a worker that has just ended can't be killed
        folder = tmp_path / str(attempt)
        folder.mkdir()
        killed += run_once(folder, method, chance)[0]
    assert killed


@on_posix
def test_work_queue_workers_end_when_the_parent_is_killed(tmp_path):
    arguments = ("--jobs", 10**9, "--start-method", "fork")
    with RunningProgram(tmp_path, "recipes/work_queue.py", *arguments) as started:
        started.wait_for_workers(3)
        started.process.kill()
        started.assert_nothing_left()
