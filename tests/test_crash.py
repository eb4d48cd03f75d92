"""A crash ends the program, or only the process that it happens in."""

import signal
import sys

import pytest

from tests.harness import on_posix, run

HAS_INTERPRETERS = sys.version_info >= (3, 14)
WAYS = ["thread", *["subinterpreter"] * HAS_INTERPRETERS]


@on_posix
@pytest.mark.parametrize("way", WAYS)
def test_a_crash_ends_the_program(tmp_path, way):
    status, out, err = run(tmp_path, "questions/crash.py", "--way", way)
    assert (status, out) == (-signal.SIGABRT, "") and "Fatal Python error: Aborted" in err


@on_posix
def test_a_crash_of_a_process_does_not(tmp_path):
    status, out, _ = run(tmp_path, "questions/crash.py", "--way", "process")
    assert (status, out) == (0, "program: goes on after BrokenProcessPool\n")


@pytest.mark.skipif(HAS_INTERPRETERS, reason="nothing is missing")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("questions/crash.py --way subinterpreter", "--way subinterpreter needs Python 3.14"),
        ("questions/interpreter_queue.py", "interpreter_queue.py needs Python 3.14"),
    ],
)
def test_an_older_python_is_told_in_one_line(tmp_path, command, says):
    assert run(tmp_path, *command.split()) == (1, "", f"{says} or newer\n")
