"""Ctrl-C held back while workers start and end: the text that all programs with workers share."""

import os
import random
import re
import shlex
import shutil
import signal
import sys
import time

import pytest

from tests.harness import (
    EXAMPLES,
    IN_CI,
    RunningProgram,
    part,
    run,
    wait_until,
    with_start_method,
)
from tests.test_programs import PROGRAMS, copy_of

FOREVER = 10**12  # a count that no test waits for
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

HEAD = """
import multiprocessing, os, signal, subprocess, sys, threading, time
from multiprocessing import resource_tracker
import queue_totals
from queue_totals import *

def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

def press():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)  # the kernel may give it to another thread, which hands it on

"""


def said_by(folder, text, *arguments):
    """Run a script beside queue_totals.py to its end, and return what it prints."""
    shutil.copy(EXAMPLES / "queue_totals.py", folder)
    script = folder / "script.py"
    script.write_text(HEAD + text)
    status, out, err = run(folder, script, *arguments)
    assert (status, err) == (0, "")
    return out.splitlines()


HELD = """
if "thread" in sys.argv:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
handler = signal.getsignal(signal.SIGINT)
try:
    with ctrl_c_held_back():
        press()
        print("the block goes on")
        if "fails" in sys.argv:
            raise OSError("no process can be started")
except KeyboardInterrupt as error:
    print("KeyboardInterrupt", "after", repr(error.__context__))
print(blocked(), signal.getsignal(signal.SIGINT) is handler)
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("threads", [(), ("thread",)])
@pytest.mark.parametrize(
    ("fails", "context"),
    [((), None), (("fails",), OSError("no process can be started"))],
)
def test_a_press_comes_after_the_block(tmp_path, threads, fails, context):
    assert said_by(tmp_path, HELD, *threads, *fails) == [
        "the block goes on",
        f"KeyboardInterrupt after {context!r}",
        "False True",
    ]


def test_a_callers_mask_and_handler_stay(tmp_path):
    text = """
for handler in (signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL, lambda *_: None):
    for mask in ([], [signal.SIGINT]):
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with ctrl_c_held_back():
            assert blocked()
        assert signal.getsignal(signal.SIGINT) == handler
        assert blocked() == bool(mask)
print("as before")
"""
    assert said_by(tmp_path, text) == ["as before"]


def test_a_press_that_the_caller_ignores_stays_ignored(tmp_path):
    text = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with ctrl_c_held_back():
    press()
print("ignored")
"""
    assert said_by(tmp_path, text) == ["ignored"]


def test_in_a_thread_the_block_is_the_threads_own(tmp_path):
    text = """
def start():
    with ctrl_c_held_back():
        print(blocked())
    print(blocked())

thread = threading.Thread(target=start)
thread.start()
thread.join()
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    assert said_by(tmp_path, text) == ["True", "False", "True"]


def test_a_start_of_the_resource_tracker_unblocks_nothing(tmp_path):
    text = """
with ctrl_c_held_back():
    multiprocessing.get_context("spawn").Lock()
    print(blocked())
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
queue_totals.main(1, 1, "spawn") if __name__ == "__main__" else None
print(blocked())
"""
    said = said_by(tmp_path, f"if __name__ == '__main__':\n{indented(text)}")
    assert said[0] == said[-1] == "True"


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines() if line)


STARTS = """
def work(sender):
    code = (
        "import signal; "
        "print(signal.getsignal(2) is signal.default_int_handler, signal.pthread_sigmask(0, []))"
    )
    shown = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    os.kill(os.getpid(), signal.SIGINT)
    sender.send((shown.stdout, blocked()))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    receiver, sender = context.Pipe(False)
    worker = context.Process(target=WithoutCtrlC(work), args=(sender,))
    with ctrl_c_held_back():
        worker.start()
    print(receiver.recv())
    worker.join()
    print(worker.exitcode)
"""


@with_start_method
def test_what_a_worker_starts_hears_ctrl_c_and_the_worker_goes_on(tmp_path, method):
    assert said_by(tmp_path, STARTS, method) == [str(("True set()\n", False)), "0"]


def test_a_second_press_is_nothing_until_the_first_is_dealt_with(tmp_path):
    text = """
signal.signal(signal.SIGINT, interrupt_once)
for number in (1, 2):
    try:
        try:
            press()
        finally:
            press()
            with ctrl_c_held_back():
                press()
            print("cleaned up")
    except KeyboardInterrupt:
        press()
        print("Interrupted")
"""
    assert said_by(tmp_path, text) == ["cleaned up", "Interrupted"] * 2


def test_a_second_press_while_the_first_closes_a_generator_is_nothing(tmp_path):
    text = """
def results():
    try:
        yield
    finally:  # here Python says of no exception that it is on its way
        with ctrl_c_held_back():
            press()
        print("cleaned up")

def loop():
    for _ in results():
        press()

signal.signal(signal.SIGINT, interrupt_once)
for number in (1, 2):
    try:
        loop()
    except KeyboardInterrupt:
        press()
        print("Interrupted")
"""
    assert said_by(tmp_path, text) == ["cleaned up", "Interrupted"] * 2


def test_a_press_that_python_swallows_is_not_the_last_one(tmp_path):
    text = """
class Late:
    def __del__(self):
        press()

signal.signal(signal.SIGINT, interrupt_once)
sys.unraisablehook = lambda what: print("ignored", what.exc_type.__mro__[1].__name__)
Late()
try:
    press()
except KeyboardInterrupt:
    print("Interrupted")
"""
    assert said_by(tmp_path, text) == ["ignored KeyboardInterrupt", "Interrupted"]


def test_a_second_press_leaves_no_worker_to_one_who_imports(tmp_path):
    text = """
class Worker:
    exitcode = None
    def __init__(self, **_): pass
    def start(self): pass
    def kill(self): press()
    def join(self): print("ended")

class Context:
    Process = Worker
    Queue = list

multiprocessing.get_context = lambda method: Context
queue_totals.next_result = lambda *_: press()
try:
    queue_totals.main(3)
except KeyboardInterrupt:
    print("Interrupted")
"""
    assert said_by(tmp_path, text)[1:] == ["ended"] * 3 + ["Interrupted"]


IMPORTED = """
def rest(number, count, results):
    time.sleep(600)

queue_totals.count_up = rest
if __name__ == "__main__":
    if "thread" in sys.argv:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    if "server" in sys.argv:
        first = multiprocessing.get_context(sys.argv[1]).Process(target=int)
        first.start()
        first.join()
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        queue_totals.main(4, 10**12, sys.argv[1])
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("Interrupted", file=sys.stderr)
        sys.exit(130)
"""


# What Python itself may print when a press meets a worker in the middle of an import.
IN_IMPORT = re.compile(
    r"Exception ignored in: <function _get_module_lock.+?KeyboardInterrupt: \n", re.DOTALL
)


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("beside", ["", "thread", "server"])
@with_start_method
def test_presses_at_any_moment_of_the_start(tmp_path, method, beside, turn):
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    shutil.copy(EXAMPLES / "queue_totals.py", tmp_path)
    script = tmp_path / "script.py"
    script.write_text(HEAD + IMPORTED)
    with RunningProgram(tmp_path, script, method, beside) as started:
        assert started.process.stdout.readline().startswith("Parent process ID: ")
        time.sleep(chance.uniform(0, 0.05 if method == "fork" else 0.5))
        started.interrupt()
        for _ in range(turn):  # no more, one more, two more
            time.sleep(chance.uniform(0.0005, 0.008))
            if started.process.poll() is None:
                os.killpg(started.process.pid, signal.SIGINT)
        status, out, err = started.finish()
        started.assert_nothing_left()
    assert (status, out, IN_IMPORT.sub("", err)) == (130, "", "Interrupted\n")


# Imported by a fork server when it starts: each worker gets a Ctrl-C just before it runs.
PRESSES = """
import multiprocessing, os, signal
from multiprocessing import util
from pathlib import Path

def press(_):
    if multiprocessing.current_process().name != "first":
        with Path(__file__).with_name("pressed").open("a") as file:
            file.write(".")
        os.kill(os.getpid(), signal.SIGINT)

util.register_after_fork(press, press)
"""
CALLER = """
import multiprocessing, runpy, sys

if __name__ == "__main__":
    multiprocessing.set_forkserver_preload(["presses"])
    first = multiprocessing.get_context("forkserver").Process(target=int, name="first")
    first.start()
    first.join()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
APART = ["beyond/dask_queue.py"]  # Dask starts its workers itself
if not IN_CI:
    APART += ["recipes/work_queue_throughput.py"]  # it takes seconds
STARTING = part(  # what holds Ctrl-C back is the same text in all of them
    1,
    [
        one
        for one in PROGRAMS
        if "with ctrl_c_held_back():" in (EXAMPLES / one.file).read_text()
        and one.file not in APART
    ],
)
SMALLER = {  # arguments, and the pattern of what it prints then
    # The one scene that starts a worker: each scene has a fork server of its own.
    "recipes/shared_memory_life.py": ("--scene 'name and memory'", r"(.+\n){3}"),
    "recipes/work_queue.py": ("--jobs 4", r"(Job \d: done, .+\n){4}Jobs: 4, failed: 0\n"),
    "recipes/work_queue_throughput.py": ("--budget 0 --workers 1", r"(.+\n){20,}"),
}


@pytest.mark.parametrize("program", STARTING, ids=str)
def test_workers_of_a_server_that_ran_before_leave_ctrl_c_to_their_parent(tmp_path, program):
    arguments, prints = SMALLER.get(program.file, (program.quick, program.prints))
    file = copy_of(tmp_path, program)
    (tmp_path / "joblib.py").write_text("raise ImportError")  # each worker would import it
    (tmp_path / "presses.py").write_text(PRESSES)
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    method = ("--start-method", "forkserver")
    status, out, err = run(tmp_path, script, file, *shlex.split(arguments), *method)
    assert (status, err) == (0, "")
    assert re.fullmatch(prints, out), out
    assert (tmp_path / "pressed").exists()


@with_start_method
def test_a_program_that_a_worker_has_started_ends_at_ctrl_c(tmp_path, method):
    shutil.copy(EXAMPLES / "queue_totals.py", tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        HEAD + IMPORTED.replace("time.sleep(600)", 'subprocess.run(["sleep", "600"])', 1)
    )
    with RunningProgram(tmp_path, script, method) as started:
        wait_until(
            lambda: sum("600" in process.cmdline() for process in started.tree()) == 4,
            "four programs run",
        )
        started.interrupt()
        status, _, err = started.finish()
        started.assert_nothing_left()
    assert (status, err) == (130, "Interrupted\n")
