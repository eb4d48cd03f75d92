"""What is peculiar to the ways to stop a worker: what each of them breaks."""

import pytest

from tests.harness import copy_of_program, on_posix, run, with_start_method

OUTCOMES = {  # way: exit code, whether `finally` ran, whether the Queue is usable afterwards
    "sentinel": (0, True, True),
    "Event": (0, True, True),
    "closed pipe": (0, True, True),
    "terminate()": (-15, False, False),
    "kill()": (-9, False, False),
}
SCRIPT = """
import multiprocessing.process, os, signal, sys

Process = multiprocessing.process.BaseProcess
if not hasattr(Process, "interrupt"):  # as in Python 3.14
    Process.interrupt = lambda self: os.kill(self.pid, signal.SIGINT)

import stop_workers

if __name__ == "__main__":
    method, way, seconds, patience = sys.argv[1:]
    context, processes = multiprocessing.get_context(method), []
    outcome = stop_workers.measure(way, float(seconds), float(patience), context, processes)
    print(outcome[0] is not None, outcome[1:])
    for process in processes:
        process.kill()
"""


def outcome_of(folder, method, way, seconds=0.001, patience=2):
    """What a stop came to: whether the worker ended by itself, and the other columns."""
    copy_of_program(folder, "recipes/stop_workers.py")
    script = folder / "caller.py"
    script.write_text(SCRIPT)
    status, out, err = run(folder, script, method, way, seconds, patience)
    assert (status, err) == (0, "")
    return out.rstrip("\n")


@on_posix
@with_start_method
@pytest.mark.parametrize("way", OUTCOMES)
def test_what_a_way_breaks(tmp_path, way, method):
    patience = 30 if OUTCOMES[way][2] else 1  # the second one always waits its time out
    assert outcome_of(tmp_path, method, way, patience=patience) == f"True {OUTCOMES[way]}"


@on_posix
@with_start_method
def test_interrupt_runs_finally(tmp_path, method):
    assert outcome_of(tmp_path, method, "interrupt()", patience=30) == "True (0, True, True)"


@on_posix
def test_join_or_kill_says_whether_the_worker_ended_by_itself(tmp_path):
    copy_of_program(tmp_path, "recipes/stop_workers.py")
    script = tmp_path / "caller.py"
    script.write_text(
        "import multiprocessing, time, stop_workers\n"
        "if __name__ == '__main__':\n"
        "    worker = multiprocessing.Process(target=time.sleep, args=(600,))\n"
        "    worker.start()\n"
        "    print(stop_workers.join_or_kill(worker, 0.1), worker.exitcode)\n"
        "    worker = multiprocessing.Process(target=time.sleep, args=(0,))\n"
        "    worker.start()\n"
        "    print(stop_workers.join_or_kill(worker, 60), worker.exitcode)\n"
    )
    assert run(tmp_path, script) == (0, "False -9\nTrue 0\n", "")
