"""main() of each program, called by another program: it touches only what it made."""

import sys
from pathlib import Path

import pytest

from tests.harness import copy_of_program, part, run

METHOD = "spawn" if sys.platform == "win32" else "fork"
PROGRAMS = {  # how main() is called, so that it ends soon
    "queue_totals.py": "workers=2, count=10",
    "pipe_totals.py": "workers=2, count=10",
    "worker_sweep.py": "workers=[2], total=10, runs=1",
    "beyond/listener_client.py": "workers=2, count=10",
    "beyond/manager_queue.py": "workers=2, count=10",
    "channels/batch.py": "items=10, batches=[1], rounds=1",
    "channels/latency.py": "budget=0.1, rounds=1",
    "channels/old_answer.py": "counts=[10], rounds=1",
    "channels/reuse_buffer.py": "size=10, messages=1, rounds=1",
    "channels/throughput.py": "budget=0.1, sizes={'8 B': 8}",
    "recipes/logging_to_one_file.py": "file='log', workers=2, lines=10",
    "recipes/many_pipes.py": "messages=10",
    "recipes/pool_or_not.py": "jobs=2, patience=0.1",
    "recipes/progress.py": "workers=2, steps=2",
    "recipes/request_reply.py": "slow=0",
    "recipes/stop_early.py": "number=15",
    "recipes/task_queue.py": "tasks=10",
    "recipes/task_queue_joinable.py": "tasks=10",
    "recipes/service.py": "requests=['1', '2']",
    "recipes/stop_workers.py": "patience=0.1",
    "recipes/asyncio_pipe.py": "messages=2, pause=0.01",
}
CALLER = """
import concurrent.futures, multiprocessing, signal, sys, threading, time, warnings
import {module}

def slow():
    time.sleep({seconds})
    return "done"

def state():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, []) if sys.platform != "win32" else None
    children = {{process.pid for process in multiprocessing.active_children()}}
    return children, mask, signal.getsignal(signal.SIGINT)

if __name__ == "__main__":
    # This caller forks with threads, as many do; from 3.12 on Python warns of it.
    warnings.simplefilter("ignore", DeprecationWarning)
    context = multiprocessing.get_context({method!r})
    manager = context.Manager()
    shared = manager.dict(a=1)
    mine = context.Process(target=time.sleep, args=(600,))
    mine.start()
    executor = concurrent.futures.ProcessPoolExecutor(1, context)
    executor.submit(int).result()  # now all of its threads run
    future = executor.submit(slow)
    before = state()
    threads = set(threading.enumerate())
    {call}
    print("mine:", mine.exitcode, future.result(), shared["a"], file=sys.stderr)
    print("as before:", state() == before, set(threading.enumerate()) <= threads, file=sys.stderr)
    mine.kill()
    mine.join()
    executor.shutdown()
    manager.shutdown()
"""


def called(folder, program, call):
    """Let another program, with processes of its own, make the call; return what it finds."""
    copy_of_program(folder, program)
    script, module = folder / "caller.py", Path(program).stem
    script.write_text(CALLER.format(module=module, method=METHOD, seconds=0.5, call=call))
    status, _, err = run(folder, script)
    assert status == 0, err
    return err.splitlines()


@pytest.mark.parametrize("program", part(1, PROGRAMS))
def test_it_leaves_the_callers_processes_and_signals_alone(tmp_path, program):
    call = f"{Path(program).stem}.main({PROGRAMS[program]}, start_method={METHOD!r})"
    assert called(tmp_path, program, call) == ["mine: None done 1", "as before: True True"]


FAILING = """
    import errno, os
    real, forks = os.fork, []
    def fork():
        forks.append(1)
        if len(forks) == 3:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real()
    os.fork = fork
    try:
        {module}.main({arguments}, start_method="fork")
    except OSError as error:
        print("failed:", error.errno == errno.EAGAIN, file=sys.stderr)
    os.fork = real
"""
MANY = {  # so many workers that the third start can fail
    "queue_totals.py": "workers=4, count=10**12",
    "pipe_totals.py": "workers=4, count=10**12",
    "beyond/listener_client.py": "workers=4, count=10**12",
    "recipes/logging_to_one_file.py": "file='log', workers=4, lines=10**9",
    "recipes/many_pipes.py": "messages=10**9",
    "recipes/progress.py": "workers=4, steps=10**9",
    "recipes/request_reply.py": "workers=4, slow=60",
    "recipes/service.py": "requests=['slow'] * 4, workers=4, limit=60",
    "recipes/stop_workers.py": "patience=60",
    "recipes/task_queue.py": "tasks=10**9",
    "recipes/task_queue_joinable.py": "tasks=10**9",
    "recipes/stop_early.py": "workers=4, number=(10**15 + 37) * (10**15 + 91)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("program", part(0, MANY))
def test_a_start_that_fails_leaves_nothing_behind(tmp_path, program):
    call = FAILING.format(module=Path(program).stem, arguments=MANY[program]).strip()
    assert called(tmp_path, program, call) == [
        "failed: True",
        "mine: None done 1",
        "as before: True True",
    ]


# Up to Python 3.11 multiprocessing itself settles the default, whenever it spawns.
UNSETTLED = """
import multiprocessing, sys
from {module} import {names}

if __name__ == "__main__":
    {call}
    assert multiprocessing.get_start_method(allow_none=True) is None
    multiprocessing.set_start_method("spawn")
"""


@pytest.mark.parametrize(
    ("program", "names", "call"),
    [
        (
            "recipes/work_queue.py",
            "work_queue",
            "assert len(list(work_queue([-1], abs))) == 1",
        ),
        (
            "recipes/service.py",
            "load, Lines, reply_to, serve",
            "list(serve(Lines(sys.stdin.fileno()), load, reply_to))",
        ),
        ("channels/shared_ring.py", "Ring", "Ring(4, 64)"),
    ],
)
def test_the_start_method_stays_the_callers_to_set(tmp_path, program, names, call):
    copy_of_program(tmp_path, program)
    script = tmp_path / "caller.py"
    script.write_text(UNSETTLED.format(module=Path(program).stem, names=names, call=call))
    status, _, err = run(tmp_path, script)
    assert (status, err) == (0, "")
