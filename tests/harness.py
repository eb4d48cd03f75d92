"""Runs a program as a copier would, in an empty folder, and looks at what it leaves behind.

It shares nothing with the recorder: what one of them overlooks, the other may see.
"""

import contextlib
import itertools
import multiprocessing
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zlib
from pathlib import Path

import psutil
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PYTHON = os.environ.get(
    "TEST_PYTHON", sys.executable
)  # the interpreter that runs the programs
START_METHODS = multiprocessing.get_all_start_methods()  # the default comes first
IN_CI = bool(os.environ.get("CI"))
TIMEOUT = 90  # seconds after which a test gives up; a sound program needs far less
FOREVER = 10**12  # a count that no test waits for
RUN_ID_VARIABLE = "TESTED_RUN"  # in the environment of every process of a run
# Python drops a KeyboardInterrupt that comes within a destructor, says so, and goes on:
# https://docs.python.org/3/library/signal.html#note-on-signal-handlers-and-exceptions
DROPPED_CTRL_C = re.compile(r"Exception ignored in: .*?\nKeyboardInterrupt: \n", re.DOTALL)
# Up to Python 3.13.6 a semaphore that is collected at the wrong moment has this said of it:
# https://github.com/python/cpython/issues/131788
REENTRANT_TRACKER = re.compile(
    r".+: UserWarning: ResourceTracker called reentrantly .+\n  warnings\.warn\(\n"
)

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def start_methods_for(test):
    """Return the start methods to try a test with: each in CI, elsewhere one, not the same for all."""
    turn = zlib.crc32(test.__name__.encode()) % len(START_METHODS)
    return START_METHODS if IN_CI else [START_METHODS[turn]]


def with_start_method(test):
    """Parametrize a test with the start methods to try it with."""
    return pytest.mark.parametrize("method", start_methods_for(test))(test)


def in_turn(cases, others=START_METHODS):
    """Pair each case with one of the others, with all of them in turn."""
    return list(zip(cases, itertools.cycle(others)))


def with_each(cases, others=START_METHODS):
    """Pair each case with each of the others in CI, elsewhere with all of them in turn."""
    cases = list(cases)
    return list(itertools.product(cases, others)) if IN_CI else in_turn(cases, others)


def part(number, cases):
    """Return all cases in CI, elsewhere those whose names are of this part, 0 or 1, of two."""
    return [case for case in cases if IN_CI or zlib.crc32(str(case).encode()) % 2 == number]


def wait_until(condition, what, timeout=TIMEOUT):
    """Wait until the condition holds, and return what it gave; fail when it never does."""
    deadline, pause = time.monotonic() + timeout, 0.005
    while not (result := condition()):
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(pause)
        pause = min(1.3 * pause, 0.05)  # to look costs milliseconds, which others need
    return result


def is_alive(process):
    """Return whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_of(process):
    """Return the command with which a process was started, or "" if it has gone."""
    try:
        return " ".join(process.cmdline())
    except (psutil.Error, OSError):
        return ""


def cpu_time(process):
    """Return the seconds of CPU time that a process has used; 0 if it has gone."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:
        return 0


def kill(processes, number=None):
    """Kill processes, or send them another signal; return how many were still running."""
    killed = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if is_alive(process):
                process.send_signal(number) if number else process.kill()
                killed += 1
    return killed


def descendants(program):
    """Return the processes below one; psutil asks each process of the machine for its parent."""
    if not Path(f"/proc/{program.pid}/task/{program.pid}/children").exists():
        return program.children(recursive=True)
    found, pids = [], [program.pid]
    for parent in pids:  # it grows meanwhile
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                pids += map(int, children.read_text().split())
    for pid in pids[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def workers_of(program):
    """Return a program's worker processes in the order of their starts.

    Neither the resource tracker nor the fork server is one; a manager is.
    """
    found, own = [], command_of(program)
    forks = not re.search("--start-method (spawn|forkserver)", own)
    for process in descendants(program):
        with contextlib.suppress(psutil.Error):
            command = command_of(process)
            if command == own and not forks:
                continue  # just forked: it is about to become a worker, or the resource tracker
            serves = "multiprocessing.forkserver" in command  # "forkserver" may be an argument
            server = serves and process.ppid() == program.pid
            if command and is_alive(process) and not (server or "resource_tracker" in command):
                found.append((process.create_time(), process.pid, process))
    return [process for _, _, process in sorted(found, key=lambda one: one[:2])]


def numbers_of(line):
    """Return the numbers with which a line ends, such as those of a row of a table."""
    found = []
    for word in reversed(line.split()):
        try:
            found.insert(0, float(word.replace(",", "")))
        except ValueError:
            break
    return found


def copy_of_program(folder, program):
    """Copy a program of examples/ to a folder; return its path there."""
    return Path(shutil.copy(EXAMPLES / program, folder))


def default_signals():
    """Run in the new process: undo what the tests' own caller ignores or blocks, as nohup does."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


class RunningProgram:
    """A program under way; use it in a `with` statement, which leaves nothing of it behind.

    Args:
        folder (Path): The folder to run it in.
        program (str | Path): A program of examples/, which is copied there; or, as a full path,
            a script that is there already.
        arguments: Its arguments.
        python (str): The interpreter to run it with.
        variables: More of its environment.
    """

    def __init__(self, folder, program, *arguments, python=PYTHON, **variables):
        file = Path(program)
        if not file.is_absolute():
            file = copy_of_program(folder, program)
        self.run_id, self.pressed = uuid.uuid4().hex, False
        needed = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
        environment = {name: os.environ[name] for name in needed if name in os.environ} | {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONFAULTHANDLER": "1",
            RUN_ID_VARIABLE: self.run_id,
        }
        self.process = subprocess.Popen(
            [python, file.name, *map(str, arguments)],
            cwd=folder,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=None if sys.platform == "win32" else default_signals,
        )
        self.program = psutil.Process(self.process.pid)
        self.began = self.program.create_time()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        kill(
            process for process in self.tree() if "resource_tracker" not in command_of(process)
        )
        self.process.communicate(timeout=TIMEOUT)
        # A resource tracker ends by itself, and takes away what the killed ones have left.
        wait_until(lambda: not self.tree(), "the resource tracker has ended")

    def tree(self):
        """Every process that has this run's ID in its environment and still runs."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.create_time() < self.began:
                    continue  # it is older: no need to read its environment again and again
                if process.environ().get(RUN_ID_VARIABLE) == self.run_id and is_alive(process):
                    found.append(process)
        return found

    def others(self):
        """The processes other than the program's first."""
        return [process for process in self.tree() if process.pid != self.process.pid]

    def workers(self):
        """The worker processes in the order of their starts."""
        try:
            return workers_of(self.program)
        except psutil.NoSuchProcess:
            return []

    def busy(self):
        """The workers that have counted for a while."""
        return [worker for worker in self.workers() if cpu_time(worker) > 0.1]

    def wait_for_workers(self, number, busy=0.0, which=slice(None)):
        """Wait until so many workers run, and those that are meant are at work.

        Args:
            number (int): How many.
            busy (float): The CPU time after which one is at work, in seconds.
            which (slice): Those that are meant, in the order of their starts.

        Returns:
            list[psutil.Process]: Those that are meant.
        """

        def at_work():
            assert self.process.poll() is None, self.process.communicate()
            workers = self.workers()
            meant = workers[which]
            ready = len(workers) >= number and all(cpu_time(one) >= busy for one in meant)
            # A process that has just been forked may become the resource tracker yet.
            return (
                ready and all(time.time() - one.create_time() > 0.1 for one in meant) and meant
            )

        return wait_until(at_work, f"{number} workers are at work")

    def interrupt(self):
        """Press Ctrl-C: the terminal sends SIGINT to every process of the program."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.pressed = True

    def read_until(self, pattern):
        """Read standard output until the pattern is in a line; finish() returns what follows."""
        text, pipe = b"", self.process.stdout.fileno()
        while not (text.endswith(b"\n") and re.search(pattern, text.decode())):
            assert select.select([pipe], [], [], TIMEOUT)[0], f"nothing follows {text}"
            byte = os.read(pipe, 1)  # no more, or finish() would miss it
            assert byte, f"it ended after {text}"
            text += byte
        return text.decode()

    def finish(self):
        """Wait for its end; return its exit status, standard output and standard error.

        Where Python has dropped a Ctrl-C, and said so, it is pressed again, as anybody would.
        Python's warning about its own resource tracker is not the program's.
        """
        try:
            out, err = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as late:
            if not self.pressed or not DROPPED_CTRL_C.search((late.stderr or b"").decode()):
                raise
            self.interrupt()
            out, err = self.process.communicate(timeout=TIMEOUT)
            err = DROPPED_CTRL_C.sub("", err, count=1)
        return self.process.returncode, out, REENTRANT_TRACKER.sub("", err)

    def assert_nothing_left(self):
        wait_until(lambda: not self.tree(), "no process of the program is left")


def run(folder, program, *arguments, python=PYTHON, **variables):
    """Run a program to its end; return (exit status, standard output, standard error)."""
    with RunningProgram(folder, program, *arguments, python=python, **variables) as started:
        result = started.finish()
        started.assert_nothing_left()
    return result
