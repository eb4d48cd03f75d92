"""The harness of the tests: what it sees, and what it hands on to a program."""

import os
import signal
import subprocess
import sys

import psutil

from tests.harness import RunningProgram, is_alive, kill, on_posix, run, wait_until

SIGNALS = """
import signal
numbers = signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}  # Python ignores these
print([n for n in sorted(numbers) if signal.getsignal(n) == signal.SIG_IGN])
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""
ESCAPES = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(sleep, start_new_session=True, stdout=-3, stderr=-3).pid)
"""


def script(folder, text):
    file = folder / "script.py"
    file.write_text(text)
    return file


@on_posix
def test_a_program_starts_with_default_signals(tmp_path):
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGUSR1])
    try:
        assert run(tmp_path, script(tmp_path, SIGNALS)) == (0, "[]\n[]\n", "")
    finally:
        signal.signal(signal.SIGHUP, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@on_posix
def test_a_process_that_left_the_session_is_seen_and_ended(tmp_path):
    with RunningProgram(tmp_path, script(tmp_path, ESCAPES)) as started:
        status, out, _ = started.finish()
        assert status == 0
        (stray,) = wait_until(started.others, "the process it left behind")
        assert stray.pid == int(out)
    wait_until(lambda: not is_alive(stray), "it has ended")


def test_kill_says_how_many_it_killed():
    waiting = [sys.executable, "-c", "input()"]
    programs = [subprocess.Popen(waiting, stdin=subprocess.PIPE) for _ in range(2)]
    with programs[0], programs[1]:
        processes = [psutil.Process(program.pid) for program in programs]
        programs[0].communicate(b"\n")
        assert kill(processes) == 1
        assert kill([]) == 0


def test_another_interpreter(tmp_path):
    file = script(tmp_path, "import sys; print(sys.executable)")
    link = tmp_path / os.path.basename(sys.executable)
    link.symlink_to(sys.executable)
    status, out, _ = run(tmp_path, file, python=str(link))
    assert (status, out) == (0, f"{link}\n")
