"""What the work queue promises to one who imports it."""

import contextlib
import functools
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

import examples.recipes.work_queue as recipe
from examples.recipes.work_queue import NOT_YET, work_queue
from tests import work_queue_jobs as do
from tests.harness import (
    EXAMPLES,
    RunningProgram,
    copy_of_program,
    start_methods_for,
    wait_until,
)

PROGRAM = EXAMPLES / "recipes" / "work_queue.py"
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")  # pytest's threads


def pytest_generate_tests(metafunc):
    if "method" in metafunc.fixturenames:
        metafunc.parametrize("method", start_methods_for(metafunc.function))


def start_method():
    """The caller's start method, as far as it shows: Python itself settles it in each spawn."""
    settled = multiprocessing.get_start_method(allow_none=True)
    return settled or multiprocessing.get_all_start_methods()[0]


@pytest.fixture(autouse=True)
def nothing_left():
    """Each test leaves no worker, and the signals as they were."""
    before = signal.getsignal(signal.SIGINT), start_method()
    yield
    assert multiprocessing.active_children() == []
    assert before == (signal.getsignal(signal.SIGINT), start_method())
    if sys.platform != "win32":
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


TROUBLES = {  # job: its value, or how its error begins; how often it was begun
    "raise": ("ValueError: no luck", 1),
    "raise oddly": ("Local|tests.work_queue_jobs", 1),
    "sys.exit": ("SystemExit: 3", 1),
    "exit": ("ChildProcessError: the worker ended, exit code 3", 2),
    "kill": ("ChildProcessError: the worker ended, exit code -9", 2),
    "unpicklable": ("(AttributeError|_?pickle.PicklingError): Can't (pickle|get) local", 1),
    "unwilling": ("ValueError: invalid literal", 1),
    "large": (bytes(5_000_000), 1),
    "process": (0, 1),
    None: (None, 1),
}


@on_posix
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("ordered", [True, False])
def test_what_fails_is_the_result_of_its_own_job(method, batch, ordered):
    jobs = [1, lambda: 0, *TROUBLES, bytes(4_000_000), 2]
    results = {}
    for result in work_queue(
        jobs, do.trouble, workers=2, batch=batch, ordered=ordered, start_method=method
    ):
        assert result.number not in results
        results[result.number] = result
    assert sorted(results) == list(range(len(jobs)))
    if ordered:
        assert list(results) == sorted(results)
    for number, job in enumerate(jobs):
        result = results[number]
        assert result.job is job
        if callable(job):
            assert re.match(r"(AttributeError|_?pickle.PicklingError): Can't", result.error)
            assert result.attempts == 0 and "pickle.dumps(job)" in result.traceback
            continue
        expected, attempts = TROUBLES.get(job, (job, 1))
        assert result.attempts == attempts
        if isinstance(expected, str):
            assert re.match(expected, result.error) and result.value is None
            assert bool(result.traceback) == (attempts == 1)
        else:
            assert (result.value, result.error, result.traceback) == (expected, "", "")
    assert 'raise ValueError("no luck")' in results[2].traceback


def test_setup_runs_once_in_each_worker_and_its_value_is_handed_on(tmp_path, method):
    setup = functools.partial(do.load_count, tmp_path)
    results = list(work_queue(range(50), do.add, workers=3, setup=setup, start_method=method))
    assert [result.value for result in results] == [job + 100 for job in range(50)]
    pids = do.noted(tmp_path, "setups")
    assert len(pids) == len(set(pids)) <= 3


def test_a_setup_that_raises_ends_the_queue_and_shows_where(method):
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*fail_in_setup.*no model"):
        list(work_queue([1], do.add, setup=do.fail_in_setup, start_method=method))


def test_a_setup_that_ends_each_worker_ends_the_queue(method):
    with pytest.raises(ChildProcessError, match="10 workers ended in setup, exit code 7"):
        list(work_queue([1], do.add, setup=do.die_in_setup, start_method=method))


@on_posix
def test_a_worker_that_died_idle_costs_no_attempt(tmp_path, method):
    results = []

    def source():
        yield from (str(tmp_path), str(tmp_path))
        while len(results) < 2:
            yield NOT_YET
        for result in results:
            os.kill(result.value, signal.SIGKILL)
            wait_until(lambda pid=result.value: not is_running(pid), "it has ended")
        yield from ("", "")

    for result in work_queue(source(), do.meet, workers=2, start_method=method):
        results.append(result)
    assert len({result.value for result in results[:2]}) == 2
    assert [result.attempts for result in results] == [1, 1, 1, 1]
    assert {result.error for result in results} == {""}


@on_posix
def test_a_job_is_begun_no_more_often_than_asked(tmp_path, method):
    jobs = [(str(tmp_path), "kill"), (str(tmp_path), "fine")]
    for attempts in (1, 3):
        for file in tmp_path.iterdir():
            file.unlink()
        options = {"workers": 2, "attempts": attempts, "start_method": method}
        killed, fine = work_queue(jobs, do.report, **options)
        assert killed.attempts == len(do.noted(tmp_path, "kill")) == attempts
        assert (fine.attempts, fine.value) == (1, "fine")


@on_posix
def test_idle_workers_that_are_killed_are_replaced_at_once(tmp_path, method):
    folder = str(tmp_path)
    options = {
        "workers": 4,
        "bound": 1,
        "setup": functools.partial(do.load_count, folder),
        "start_method": method,
    }
    first, second = work_queue([folder, folder], do.kill_the_idle, **options)
    assert len(first.value) == 7 and (first.attempts, second.attempts) == (1, 1)


@on_posix
@pytest.mark.parametrize("retry_late", [False, True])
def test_a_late_job_is_reported_or_tried_again(tmp_path, method, retry_late):
    jobs = [(str(tmp_path), name) for name in ("first", "late", "last")]
    options = {"workers": 1, "time_limit": 1, "retry_late": retry_late}
    first, late, last = work_queue(jobs, do.never, start_method=method, **options)
    assert (first.value, last.value) == ("first", "last")
    assert late.error == "TimeoutError: not done within 1 s"
    assert late.attempts == len(do.noted(tmp_path, "late")) == (2 if retry_late else 1)
    assert (first.attempts, last.attempts) == (1, 1)


@on_posix
def test_in_a_batch_only_the_late_job_is_late(tmp_path):
    jobs = [(str(tmp_path), name) for name in (*range(5), "late", *range(5))]
    results = list(work_queue(jobs, do.never, workers=1, time_limit=1, batch=len(jobs)))
    assert [bool(result.error) for result in results] == [False] * 5 + [True] + [False] * 5
    assert {result.attempts for result in results} == {1}


def test_a_batch_may_take_longer_than_the_limit_of_one_job():
    options = {"workers": 1, "batch": 5, "time_limit": 2}
    results = list(work_queue([0.5] * 5, do.nap, **options))
    assert [(result.error, result.attempts) for result in results] == [("", 1)] * 5


@on_posix
def test_a_death_in_mid_answer_is_seen_though_another_process_holds_the_channel(tmp_path):
    jobs = [(str(tmp_path), name) for name in ("first", "held", "last")]
    try:
        results = list(work_queue(jobs, do.part_of_an_answer, workers=2, start_method="fork"))
        (holder,) = do.noted(tmp_path, "holder")
        assert is_running(holder)
    finally:
        for pid in do.noted(tmp_path, "holder"):
            os.kill(pid, signal.SIGKILL)
    assert [result.value for result in results] == ["first", "again", "last"]
    assert results[1].attempts == 2


@on_posix
def test_a_worker_that_stops_in_mid_answer_stops_nobody_else(tmp_path, method):
    jobs = [(str(tmp_path), name) for name in ("stopped", *range(20))]
    options = {"workers": 2, "ordered": False, "start_method": method}
    results = work_queue(jobs, do.part_of_an_answer, bound=30, **options)
    others = [next(results).value for _ in range(20)]
    assert sorted(others) == list(range(20))
    (pid,) = do.noted(tmp_path, "begun")
    os.kill(pid, signal.SIGKILL)
    assert [result.value for result in results] == ["again"]


@on_posix
def test_a_worker_that_stops_in_setup_stops_nobody_else(tmp_path, method):
    setup = functools.partial(do.stop_in_setup, str(tmp_path))
    results = list(work_queue(range(9), do.add, workers=2, setup=setup, start_method=method))
    assert [result.value for result in results] == list(range(100, 109))


@on_posix
def test_a_stopped_idle_worker_is_too_late_with_a_job_larger_than_its_channel(method):
    results, large = [], bytes(5_000_000)

    def source():
        yield b""
        while not results:
            yield NOT_YET
        os.kill(results[0].value, signal.SIGSTOP)
        yield from (large, large)

    options = {"workers": 2, "time_limit": 5, "start_method": method}
    for result in work_queue(source(), do.own_pid, **options):
        results.append(result)
    assert [result.error for result in results] == ["", "", ""]
    assert results[0].value not in (results[1].value, results[2].value)


def test_jobs_and_results_of_one_message_share_nothing(method):
    shared = []
    options = {"workers": 1, "batch": 3, "start_method": method}
    results = list(work_queue([shared] * 3, do.add_to_shared, **options))
    assert [result.value for result in results] == [[1], [1, 1], [1, 1, 1]]
    assert shared == []


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
def test_plain_and_other_jobs_go_in_one_message(batch):
    jobs = [0, "one", [2], None, (4, "four"), 5.5, True, b"seven", {"eight": 8}, "raise", 10]
    results = list(work_queue(jobs, do.trouble, workers=2, batch=batch))
    for number, (job, result) in enumerate(zip(jobs, results, strict=True)):
        assert (result.number, result.attempts) == (number, 1) and result.job is job
        right = (None, "ValueError: no luck") if job == "raise" else (job, "")
        assert (result.value, result.error) == right and type(result.value) is type(right[0])


def test_a_result_names_its_fields_and_is_the_same_after_a_journey():
    (result,) = work_queue(["job"], do.double)
    assert repr(result) == (
        "Result(number=0, job='job', attempts=1, value='jobjob', error='', traceback='')"
    )
    again = pickle.loads(pickle.dumps(result))
    assert type(again) is type(result) and again == result
    with pytest.raises(AttributeError):
        result.value = "another"


def test_a_source_is_not_asked_on_after_not_yet(method, monkeypatch):
    monkeypatch.setattr(recipe, "LOOK", 1000)  # nothing but a result makes it ask again
    given = []

    def source():
        yield 1
        while not given:
            yield NOT_YET
        for job in (2, 3):
            yield job
            yield NOT_YET
            assert len(given) == job

    options = {"workers": 1, "batch": 9, "start_method": method}
    for result in work_queue(source(), do.same, **options):
        given.append(result.value)
    assert given == [1, 2, 3]


def test_after_close_there_are_no_results_though_some_of_a_message_are_left():
    results = work_queue(range(8), do.same, workers=1, batch=8)
    assert next(results).value == 0
    results.close()
    assert multiprocessing.active_children() == []
    assert list(results) == []


def test_a_source_may_wait_for_results(method):
    given = []

    def source():
        for job in range(5):
            yield job
            while len(given) <= job:
                yield NOT_YET

    for result in work_queue(source(), do.double, workers=2, bound=6, start_method=method):
        given.append(result.value)
    assert given == [0, 2, 4, 6, 8]


def test_what_is_ready_is_handed_on_before_the_source_is_asked_for_more(method):
    given, seen = [], []

    def source():
        for job in range(5):
            seen.append(len(given))
            yield job

    for result in work_queue(source(), do.same, workers=2, bound=1, start_method=method):
        given.append(result)
    assert seen == [0, 1, 2, 3, 4]


def test_results_in_the_order_of_their_coming_are_not_held_up(tmp_path, method):
    jobs = [(str(tmp_path), number) for number in range(12)]
    options = {"workers": 2, "bound": 12, "ordered": False, "start_method": method}
    numbers = []
    for result in work_queue(jobs, do.hold_back, **options):
        numbers.append(result.number)
        if len(numbers) == 11:
            (tmp_path / "go on").touch()
    assert sorted(numbers[:11]) == list(range(1, 12)) and numbers[11] == 0


@pytest.mark.parametrize(("bound", "batch"), [(1, 1), (5, 1), (5, 3), (7, 100)])
def test_no_more_jobs_than_the_bound_are_in_hand(bound, batch):
    taken, given = [], 0

    def source():
        for job in range(100):
            taken.append(job)
            assert len(taken) - given <= bound
            yield job

    for result in work_queue(source(), do.same, workers=3, bound=bound, batch=batch):
        assert result.value == given
        given += 1
    assert (given, len(taken)) == (100, 100)


def test_an_endless_source_is_left_when_enough_is_known(method):
    bystander = multiprocessing.get_context("spawn").Process(target=do.wait_for, args=(bool,))
    bystander.start()
    try:
        with contextlib.closing(
            work_queue(iter(int, 1), do.same, workers=2, start_method=method)
        ) as results:
            next(results)
            assert len(multiprocessing.active_children()) == 3
        assert multiprocessing.active_children() == [bystander]
        for result in work_queue(iter(int, 1), do.same, workers=2, start_method=method):
            assert result.value == 0
            break
        assert multiprocessing.active_children() == [bystander]
        with pytest.raises(LookupError):
            for _ in work_queue(iter(int, 1), do.same, workers=2, start_method=method):
                raise LookupError
    finally:
        bystander.kill()
        bystander.join()


def test_a_source_that_raises_ends_the_workers(method):
    def source():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(work_queue(source(), do.same, start_method=method))


def test_progress_counts_what_is_done_and_what_is_taken():
    counts = []
    list(work_queue(range(30), do.same, progress=lambda *both: counts.append(both)))
    assert [done for done, _ in counts] == list(range(1, 31))
    assert all(done <= taken <= 30 for done, taken in counts) and counts[-1] == (30, 30)


def test_it_works_in_any_thread(method):
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(work_queue(range(9), do.double, start_method=method))
    )
    thread.start()
    thread.join()
    assert [result.value for result in results] == list(range(0, 18, 2))


def test_no_jobs_no_results(method):
    assert list(work_queue([], do.same, start_method=method)) == []


@pytest.mark.parametrize("name", ["workers", "bound", "batch", "attempts", "time_limit"])
def test_an_argument_out_of_range_is_told_at_the_call(name):
    with pytest.raises(ValueError, match=f"^{name} is 0, not"):
        work_queue([], do.same, **{name: 0})


BUSY = """
import sys, time
from work_queue import work_queue

def wait(job):
    if job == 0:
        return job
    print("busy", flush=True)
    time.sleep(3600)

if __name__ == "__main__":
    results = work_queue(range(3), wait, workers=4, start_method=sys.argv[1])
    for result in results:  # named, so that it lives as long as the program
        print("first", flush=True)
        if sys.argv[2] == "raise":
            raise LookupError("uncaught")
"""


def start_busy(folder, *arguments):
    copy_of_program(folder, "recipes/work_queue.py")
    script = folder / "busy.py"
    script.write_text(BUSY)
    return RunningProgram(folder, script, *arguments)


@on_posix
def test_busy_and_idle_workers_end_when_the_parent_is_killed(tmp_path, method):
    with start_busy(tmp_path, method, "wait") as started:
        said = [started.process.stdout.readline() for _ in range(3)]
        assert sorted(said) == ["busy\n", "busy\n", "first\n"]
        assert len(started.tree()) >= 5
        started.process.kill()
        started.assert_nothing_left()


@on_posix
def test_an_uncaught_exception_in_the_consumer_ends_busy_workers(tmp_path, method):
    with start_busy(tmp_path, method, "raise") as started:
        status, _, err = started.finish()
        assert (status, err.splitlines()[-1]) == (1, "LookupError: uncaught")
        started.assert_nothing_left()


@on_posix
def test_who_leaves_the_output_early_gets_no_traceback(tmp_path):
    command = [sys.executable, PROGRAM, "--jobs", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"Job 1: done, 1 ")
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)
