"""Runs a program as a copier would, in an empty folder, and looks at what it leaves behind."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil

from recorder.watch import (
    RESOURCE_TRACKER,
    RUN_ID_VARIABLE,
    environment,
    is_alive,
    started_as,
)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
START_METHODS = ["spawn"] if sys.platform == "win32" else ["fork", "spawn", "forkserver"]
TIMEOUT = 90  # seconds after which a test gives up; a sound program needs far less
# Python drops a KeyboardInterrupt that comes within a destructor, says so, and goes on:
# https://docs.python.org/3/library/signal.html#note-on-signal-handlers-and-exceptions
DROPPED_CTRL_C = re.compile(r"Exception ignored in: .*?\nKeyboardInterrupt: \n", re.DOTALL)


def wait_until(condition, what, timeout=TIMEOUT):
    """Wait until the condition holds; fail when it never does."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)
    return result


def kill(processes):
    """Kill processes, of which some may have ended by now."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


class RunningProgram:
    """A program under way; use it in a `with` statement, which leaves nothing of it behind."""

    def __init__(self, folder, program, *arguments, python=sys.executable):
        self.tag, self.pressed = uuid.uuid4().hex, False
        file = shutil.copy(EXAMPLES / program, folder) if "/" not in str(program) else program
        self.process = subprocess.Popen(
            [python, os.path.basename(file), *map(str, arguments)],
            cwd=folder,
            env=environment(str(folder), self.tag),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        kill(process for process in self.tree() if not started_as(process, RESOURCE_TRACKER))
        self.process.communicate()
        # A resource tracker ends by itself, and takes away what the killed ones have left.
        wait_until(lambda: not self.tree(), "the resource tracker has ended")

    def tree(self):
        """Every process that has this run's tag in its environment and still runs."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(RUN_ID_VARIABLE) == self.tag and is_alive(process):
                    found.append(process)
            except (psutil.Error, OSError):
                pass
        return found

    def busy(self):
        """The processes other than the first that have counted for a while."""
        others = [process for process in self.tree() if process.pid != self.process.pid]
        return [process for process in others if process.cpu_times().user > 0.1]

    def interrupt(self):
        """Press Ctrl-C: the terminal sends SIGINT to every process of the program."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.pressed = True

    def finish(self):
        """Wait for its end; return its exit status, standard output and standard error.

        Where Python has dropped a Ctrl-C, and said so, it is pressed again, as anybody would.
        """
        try:
            out, err = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as late:
            if not self.pressed or not DROPPED_CTRL_C.search((late.stderr or b"").decode()):
                raise
            self.interrupt()
            out, err = self.process.communicate(timeout=TIMEOUT)
            err = DROPPED_CTRL_C.sub("", err, count=1)
        return self.process.returncode, out, err

    def assert_nothing_left(self):
        wait_until(lambda: not self.tree(), "no process of the program is left")


def run(folder, program, *arguments, python=sys.executable):
    """Run a program to its end; return (exit status, standard output, standard error)."""
    with RunningProgram(folder, program, *arguments, python=python) as started:
        result = started.finish()
        started.assert_nothing_left()
    return result
