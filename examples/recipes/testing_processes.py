"""Needs pytest (python -m pip install pytest). Test code that starts processes, in bounds.

python testing_processes.py, or: python -m pytest -v testing_processes.py
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

try:
    import pytest
except ImportError:
    sys.exit("testing_processes.py needs pytest: python -m pip install pytest")

PATIENCE = 2  # seconds that processes have to end when they should
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def put_all(results, code):
    """Run in a worker: put many results, and end with that exit code."""
    for number in range(20_000):
        results.put(number)
    sys.exit(code)


def total(start_method, join_first=False, code=0):
    """Return the sum of the worker's results: the code to test, with a bug to switch on."""
    context = multiprocessing.get_context(start_method)
    results = context.Queue()
    worker = context.Process(target=put_all, args=(results, code))
    worker.start()
    if join_first:
        worker.join()  # the bug: the worker ends when its results are taken, and they aren't
    answer = sum(results.get() for _ in range(20_000))
    worker.join()
    if worker.exitcode:
        raise ChildProcessError(f"exit code {worker.exitcode}")
    return answer


def is_over(group):
    """Wait for a moment until no process of the group runs any more; say whether that came true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        command = ["ps", "-A", "-o", "pgid=,stat="]
        rows = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        running = [
            row.split()[0] for row in rows.splitlines() if "Z" not in row
        ]  # Z: has ended
        if str(group) not in running:
            return True
        time.sleep(0.05)
    return False


def end(program):
    """End the program and all processes of its group, politely first."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(program.pid)], check=False)
        return
    # SIGTERM first: multiprocessing's resource tracker ignores it, removes what the others have
    # left in /dev/shm, and ends after them. SIGKILL for those who don't end at a word.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(program.pid, number)
        program.poll()  # takes the program itself away, if it has ended
        if is_over(program.pid):
            return


def bounded(call, seconds):
    """Run the call in a program of its own and return (exit status, output, errors).

    Raises:
        TimeoutError: The program wasn't over after so many seconds, or has left a process.
    """
    program = subprocess.Popen(
        [sys.executable, "-c", f"from testing_processes import *\nprint({call})"],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # its processes form a group, which can be ended as one
    )
    try:
        # The output ends when the last process ends that holds its other end: a process that is
        # left holds it too, unless its output goes elsewhere. Then its group tells.
        out, err = program.communicate(timeout=seconds)
        if sys.platform != "win32" and not is_over(program.pid):
            raise TimeoutError(f"{call} has left a process")
    except BaseException as error:  # also Ctrl-C
        end(program)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutError(f"{call} wasn't over after {seconds} s") from None
        raise
    finally:
        program.stdout.close()
        program.stderr.close()
    return program.returncode, out, err


def leave(seconds):
    """Leave a process whose output goes elsewhere: the bug that only the group tells."""
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"], **QUIET)


every_method = pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())


@every_method
def test_the_total_is_right(method):
    assert bounded(f"total({method!r})", 60) == (0, "199990000\n", "")


@every_method
def test_a_worker_that_fails_is_reported(method):
    status, out, err = bounded(f"total({method!r}, code=3)", 60)
    assert (status, out) == (1, "")
    assert "ChildProcessError: exit code 3" in err


@every_method
def test_a_hang_is_cut_off(method):
    with pytest.raises(TimeoutError):
        bounded(f"total({method!r}, join_first=True)", 0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of processes")
def test_a_process_that_is_left_is_found():
    with pytest.raises(TimeoutError, match="left a process"):
        bounded("leave(60)", 60)


def main(start_method=None):
    """Let pytest run the tests of this file.

    Args:
        start_method (str | None): "fork", "spawn", "forkserver", or None: the default.

    Returns:
        int: The exit status of pytest: 0 when all tests have passed.
    """
    method = start_method or multiprocessing.get_all_start_methods()[0]
    options = ["-v", "--no-header", "-p", "no:cacheprovider", "-k", f"[{method}] or left"]
    return pytest.main([*options, __file__])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Test code that starts processes.")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods())
    args = parser.parse_args()
    status = main(args.start_method)
    if status == pytest.ExitCode.INTERRUPTED:
        print("Interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)
