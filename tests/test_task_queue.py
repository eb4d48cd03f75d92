"""What is peculiar to the task queues: their ends, and what a caller sees of a failure."""

import pytest

from tests.harness import (
    EXAMPLES,
    START_METHODS,
    copy_of_program,
    on_posix,
    run,
    with_start_method,
)

SCRIPT = """
import contextlib, multiprocessing, os, pathlib, signal, sys, time
from task_queue import task_queue
from task_queue_joinable import task_tree

def leave_a_child():
    if child := os.fork():
        pathlib.Path(f"{{child}}.child").touch()
        os._exit(0)
    os.closerange(0, 3)
    time.sleep(600)

def make(part):
    for task in range(part):
        {make}
        yield task

def do(task):
    {do}
    return task

def do_tree(task):
    more = [2 * task, 2 * task + 1] if 0 < task < 8 else []
    {do}
    return task, more

if __name__ == "__main__":
    which, method = sys.argv[1:]
    own = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    own.start()
    handler, mask = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    if which == "queue":
        results = task_queue(make, [4, 4], do, 3, 1, method)
    else:
        results = task_tree([1], do_tree, 3, method)
    try:
        with contextlib.closing(results):
            {use}
    except Exception as error:
        print(type(error).__name__, error)
    print("caller as before:", multiprocessing.active_children() == [own] and own.is_alive()
        and signal.getsignal(signal.SIGINT) == handler
        and signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask)
    own.kill()
    for file in pathlib.Path().glob("*.child"):
        os.kill(int(file.stem), 9)
"""


def outcome(folder, which, method, make="pass", do="pass", use="print(sorted(results))"):
    """What a caller printed."""
    for program in ("task_queue.py", "task_queue_joinable.py"):
        copy_of_program(folder, f"recipes/{program}")
    script = folder / "caller.py"
    script.write_text(SCRIPT.format(make=make, do=do, use=use))
    status, out, _ = run(folder, script, which, method)
    assert status == 0
    first, last = out.rstrip("\n").split("\n")
    assert last == "caller as before: True"
    return first


@on_posix
@with_start_method
def test_a_caller_gets_every_result(tmp_path, method):
    assert outcome(tmp_path, "queue", method) == "[0, 0, 1, 1, 2, 2, 3, 3]"
    assert outcome(tmp_path, "tree", method) == str(list(range(1, 16)))


@on_posix
def test_large_results_and_a_full_queue_do_not_wait_for_each_other(tmp_path):
    do = "task = bytes(300_000)"
    use = "print([len(result) for result in results])"
    assert outcome(tmp_path, "queue", "fork", do=do, use=use) == str([300_000] * 8)


FAILURES = {  # what a worker does with task 3: how its end reads
    "raise ValueError(task)": "exit code 1",
    "os.kill(os.getpid(), 9)": "exit code -9",
    "sys.exit()": "exit code 0",
    "os._exit(3)": "exit code 3",
}


@on_posix
@pytest.mark.parametrize("which", ["queue", "tree"])
@pytest.mark.parametrize("failure", FAILURES)
def test_the_end_of_a_consumer_is_told(tmp_path, which, failure):
    method = START_METHODS[list(FAILURES).index(failure) % len(START_METHODS)]
    told = outcome(tmp_path, which, method, do=f"if task == 3: {failure}")
    name = "Consumer" if which == "queue" else "Worker"
    assert told.startswith(f"ChildProcessError {name} ")
    assert told.endswith(f" ended too early, {FAILURES[failure]}")


@on_posix
@pytest.mark.parametrize(
    ("make", "end"),
    [("if task == 3: os.kill(os.getpid(), 9)", "-9"), ("if task == 3: task = make", "1")],
    ids=["killed", "unpicklable"],
)
def test_the_end_of_a_producer_is_told(tmp_path, make, end):
    make = make.replace("= make", "= lambda: 1")
    told = outcome(tmp_path, "queue", "spawn", make=make)
    assert told.startswith("ChildProcessError Producer ")
    assert told.endswith(f" ended too early, exit code {end}")


@on_posix
@pytest.mark.parametrize("which", ["queue", "tree"])
def test_a_caller_that_takes_one_result_leaves_nobody_behind(tmp_path, which):
    assert outcome(tmp_path, which, "fork", use="print(next(results) in range(16))") == "True"


@on_posix
@pytest.mark.parametrize("which", ["queue", "tree"])
def test_a_program_that_a_worker_started_does_not_keep_the_parent_waiting(tmp_path, which):
    do = "if task == 3: leave_a_child()"
    told = outcome(tmp_path, which, "fork", do=do)
    assert told.endswith(" ended too early, exit code 0")


def test_the_smallest_use_on_the_page(tmp_path):
    page = (EXAMPLES.parent / "docs/recipes/task-queue.md").read_text(encoding="utf-8")
    smallest = page.partition("```python\n")[2].partition("```")[0]
    copy_of_program(tmp_path, "recipes/task_queue.py")
    script = tmp_path / "smallest.py"
    script.write_text(
        "import pathlib\n"
        "files = [pathlib.Path('one'), pathlib.Path('two')]\n"
        "def read_lines(file):\n"
        "    return file.read_text().splitlines()\n"
        "def count_words(task):\n"
        "    return len(task.split())\n" + smallest
    )
    (tmp_path / "one").write_text("a\nb c\n")
    (tmp_path / "two").write_text("d e f\n")
    status, out, err = run(tmp_path, script)
    assert (status, sorted(out.split()), err) == (0, ["1", "2", "3"], "")
