"""A program whose first process is killed: none of its workers, busy or idle, outlives it."""

import sys

import psutil
import pytest

from tests.harness import FOREVER, RunningProgram, copy_of_program, part, wait_until, with_each

PRIME = 10**15 + 37
PROGRAMS = {  # the arguments, how many processes then work, and how many of them count
    "queue_totals.py": (("--workers", 3, "--count", FOREVER), 3, 3),
    "pipe_totals.py": (("--workers", 3, "--count", FOREVER), 3, 3),
    "worker_sweep.py": (("--workers", 3, "--total", FOREVER), 3, 3),
    "beyond/listener_client.py": (("--workers", 3, "--count", FOREVER), 3, 3),
    "beyond/manager_queue.py": (("--workers", 3, "--count", FOREVER), 4, 3),
    "channels/batch.py": (("--rounds", 10**9), 2, 2),
    "channels/latency.py": (("--budget", 3600), 3, 2),
    "channels/old_answer.py": (("--rounds", 1000), 2, 2),
    "channels/reuse_buffer.py": (("--rounds", 1000), 2, 2),
    "channels/ring_throughput.py": (("--rounds", 1000), 2, 2),
    "channels/shared_ring.py": (("--messages", 10**8), 2, 2),
    "channels/throughput.py": (("--budget", 3600), 3, 2),
    "recipes/logging_to_one_file.py": (("--workers", 3, "--lines", FOREVER), 3, 3),
    "recipes/many_pipes.py": (("--messages", FOREVER), 1, 1),
    "recipes/one_to_many.py": (("--frames", 10**7), 3, 2),
    "recipes/progress.py": (("--workers", 3, "--steps", FOREVER), 3, 0),
    "recipes/request_reply.py": (("--workers", 3, "--slow", 60), 3, 0),
    "recipes/service.py": (("--limit", 60, "slow", "slow", "slow"), 2, 0),
    "recipes/stop_workers.py": (("--task", 1, "--patience", 60), 2, 0),
    "recipes/task_queue.py": (("--tasks", 10**9), 5, 5),
    "recipes/task_queue_joinable.py": (("--tasks", 10**9), 3, 3),
    "recipes/asyncio_pipe.py": (("--messages", FOREVER), 1, 0),
    "recipes/stop_early.py": (("--workers", 3, "--number", PRIME * (PRIME + 54)), 3, 3),
}

SEEN = part(0, PROGRAMS)


def workers(started):
    """The processes that are neither the first one, nor multiprocessing's own."""
    found = []
    for process in started.tree():
        try:
            command = " ".join(process.cmdline())
            own = "resource_tracker" in command or (
                "forkserver" in command and process.ppid() == started.process.pid
            )
        except psutil.Error:
            continue
        if process.pid != started.process.pid and not own:
            found.append(process)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("program", "method"), with_each(SEEN))
def test_no_worker_outlives_it(tmp_path, program, method):
    arguments, number, busy = PROGRAMS[program]
    copy_of_program(tmp_path, "channels/shared_ring.py")  # two of them import it
    with RunningProgram(tmp_path, program, *arguments, "--start-method", method) as started:
        wait_until(lambda: len(started.busy()) >= busy, "they count")
        wait_until(lambda: len(workers(started)) >= number, "they are there")
        if program == "recipes/request_reply.py":  # then one is busy, and two are idle
            while not started.process.stdout.readline().startswith("Request 2: no reply"):
                assert started.process.poll() is None
        started.process.kill()
        started.assert_nothing_left()


STRANGER = """
import multiprocessing, time
import queue_totals

def fork_a_stranger(results, waiting):
    stranger = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    stranger.start()
    print(stranger.pid, flush=True)
    time.sleep(600)

queue_totals.next_result = fork_a_stranger
queue_totals.main(2, 10**12, "fork")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_no_worker_outlives_it_though_a_later_fork_hides_its_end(tmp_path):
    """The stranger holds a copy of what the workers wait for."""
    copy_of_program(tmp_path, "queue_totals.py")
    script = tmp_path / "script.py"
    script.write_text(STRANGER)
    with RunningProgram(tmp_path, script) as started:
        started.process.stdout.readline()
        stranger = int(started.process.stdout.readline())
        wait_until(lambda: len(started.busy()) == 2, "both workers count")
        started.process.kill()
        wait_until(
            lambda: [process.pid for process in workers(started)] == [stranger], "it is alone"
        )
