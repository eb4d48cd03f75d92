"""The recorder watches a program from outside, whatever the program does."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from recorder.recording import Recording
from recorder.store import EXAMPLES, ROOT
from recorder.watch import KEPT, alive, watch
from tests.harness import START_METHODS, wait_until

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
with_method = pytest.mark.parametrize("method", START_METHODS)


@pytest.fixture
def program(tmp_path):
    """Write a program to a file and return the file."""

    def write(text):
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(text))
        return file

    return write


HANGS = """
import multiprocessing, sys

def worker(results):
    results.put(b"x" * 1_000_000)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    results = context.Queue()
    process = context.Process(target=worker, args=(results,))
    process.start()
    print("joins", flush=True)
    process.join()
"""
PARENT_ENDS = """
import multiprocessing, os, sys, time

def worker(channel):
    channel.send("started")
    time.sleep(600)

if __name__ == "__main__":
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.Process(target=worker, args=(sender,), daemon=True)
    process.start()
    receiver.recv()
    print("ends", flush=True)
    os._exit(0)
"""


@with_method
def test_output_of_workers_is_captured_in_order(method):
    arguments = ("--workers", "3", "--count", "1000", "--start-method", method)
    recording = watch(EXAMPLES / "queue_totals.py", arguments)
    texts = [line.text for line in recording.lines]
    assert texts[0] == f"Parent process ID: {recording.processes[0].pid}"
    assert texts[-1] == "Total: 3,000"
    times = [line.at for line in recording.lines]
    assert times == sorted(times) and times[0] > 0
    assert times[-1] < recording.wall + 1  # read a moment after it was written
    assert (recording.status, recording.hung, recording.left_behind) == (0, False, 0)
    assert recording.start_method == method
    assert recording.command == "python queue_totals.py " + " ".join(arguments)


@with_method
def test_the_life_of_each_process(method):
    arguments = ("--workers", "3", "--count", "20000000", "--start-method", method)
    recording = watch(EXAMPLES / "pipe_totals.py", arguments)
    parent, *others = recording.processes
    workers = [process for process in others if process.role == "worker"]
    assert parent.role == "parent" and len(workers) == 3
    assert {"fork": 0, "spawn": 1, "forkserver": 2}[method] == len(others) - len(workers)
    for worker in workers:
        assert 0 <= worker.started < worker.ended <= recording.wall
        cpu = [cpu for _, cpu in worker.samples]
        assert cpu == sorted(cpu) and cpu[-1] > 0
    sampled = sum(process.samples[-1][1] for process in recording.processes)
    assert 0 < sampled <= recording.cpu + 0.001
    assert 5 * 2**20 < recording.peak_memory < 2**30


def test_stdout_and_stderr_share_one_order(program):
    recording = watch(
        program("""
        import os
        for n in range(200):
            os.write(1 + n % 2, b"line %d\\n" % n)
        """)
    )
    assert [line.text for line in recording.lines] == [f"line {n}" for n in range(200)]


@pytest.mark.parametrize(
    ("text", "status", "lines"),
    [
        ("", 0, []),
        ("import sys; sys.exit(0)", 0, []),
        ("import sys; sys.exit('wrong')", 1, ["wrong"]),
        ("print('no line end', end='')", 0, ["no line end"]),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n')", 0, ["\\xff\\xfe"]),
    ],
)
def test_small_things(program, text, status, lines):
    recording = watch(program(text))
    assert recording.status == status
    assert [line.text for line in recording.lines] == lines
    assert Recording.from_json(recording.to_json()) == recording


@on_posix
def test_crash(program):
    recording = watch(program("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert (recording.status, recording.hung) == (-signal.SIGKILL, False)


@pytest.mark.parametrize("line_end", ["\\n", ""])
def test_huge_output(program, line_end):
    text = f"for _ in range(50): print('x' * 1_000_000, end='{line_end}')"
    recording = watch(program(text))
    assert recording.status == 0
    kept = sum(len(line.text) for line in recording.lines)
    assert kept <= KEPT and kept + recording.dropped >= 50_000_000


def test_a_traceback_names_no_path_of_the_machine(program):
    recording = watch(
        program("""
        import multiprocessing
        multiprocessing.get_context("no such method")
        """)
    )
    assert 'File "program.py", line 3, in <module>' in recording.output
    assert 'File "<python>/multiprocessing/context.py"' in recording.output
    for path in (os.sep + "tmp", sys.prefix, sys.base_prefix, str(ROOT)):
        assert path not in recording.to_json()


def test_the_shell_changes_nothing(program, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("SECRET", "1")
    text = "import os; print(*(n for n in os.environ if n in ('PYTHONUNBUFFERED', 'SECRET')))"
    assert watch(program(text)).output == "\n"


@on_posix
@with_method
def test_hang(program, method):
    recording = watch(program(HANGS), [method], hangs=True)
    assert (recording.hung, recording.status) == (True, None)
    assert recording.output == "joins\n"
    parent, *_, worker = recording.processes
    assert any(line.endswith(" in join") for line in parent.stack)
    assert any(line.endswith(" in _feed") for line in worker.stack)
    assert 'File "program.py", line 13 in <module>' in parent.stack[-1]
    assert not any(alive_pid(process.pid) for process in recording.processes)


@on_posix
def test_the_bound(program):
    recording = watch(program("print('waits', flush=True)\nwhile True: pass"), bound=0.5)
    assert (recording.hung, recording.output) == (True, "waits\n")
    assert recording.wall >= 0.5 and recording.processes[0].stack


def test_a_slow_program_is_not_a_hang(program):
    text = "import time; time.sleep(1); print('done')"
    assert watch(program(text)).output == "done\n"


def test_left_behind(program):
    recording = watch(program(PARENT_ENDS))
    assert (recording.status, recording.output) == (0, "ends\n")
    assert recording.left_behind >= 1
    assert not any(alive_pid(process.pid) for process in recording.processes)


@on_posix
def test_a_grandchild_in_a_session_of_its_own(program):
    recording = watch(
        program("""
        import subprocess, sys
        code = "import time; time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        print(child.pid)
        """)
    )
    assert (recording.status, recording.left_behind) == (0, 1)
    assert not alive_pid(int(recording.lines[0].text))


def alive_pid(pid):
    return psutil.pid_exists(pid) and alive(psutil.Process(pid))


@on_posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@with_method
def test_interrupted(tmp_path, number, method):
    arguments = ("--workers", "2", "--count", str(10**12), "--start-method", method)
    command = (
        sys.executable,
        "-m",
        "recorder",
        "run",
        EXAMPLES / "queue_totals.py",
        *arguments,
    )
    recorder = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        process = psutil.Process(recorder.pid)
        wait_until(
            lambda: (
                sum(p.cpu_times().user > 0.1 for p in process.children(recursive=True)) >= 2
            ),
            "the workers count",
        )
        tree = process.children(recursive=True)
        recorder.send_signal(number)
        status = recorder.wait(30)
        assert status in (130, 128 + number)
        wait_until(lambda: not any(map(alive, tree)), "nothing is left")
    finally:
        recorder.kill()


def test_no_such_program():
    with pytest.raises(FileNotFoundError):
        watch(EXAMPLES / "no_such_program.py")
