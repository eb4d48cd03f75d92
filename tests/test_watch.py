"""The recorder watches a program from outside, whatever the program does."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from recorder import machine, supervisor, waits
from recorder.machine import path_scrubber
from recorder.recording import Recording
from recorder.watch import (
    C_STACK,
    MAX_OUTPUT_BYTES,
    RUN_VARIABLE,
    Run,
    is_alive,
    raise_on_termination,
    stack_of_python,
    sweep,
    watch,
)
from tests.harness import EXAMPLES, TIMEOUT, default_signals, wait_until, with_start_method

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the recorder needs POSIX")
on_linux = pytest.mark.skipif(not supervisor.SEES_ALL, reason="needs a subreaper, and /proc")
ROOT = EXAMPLES.parent


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a program to a file and return the file; who is left behind is not waited for long."""
    monkeypatch.setattr("recorder.watch.GRACE", 0.3)
    monkeypatch.setattr("recorder.watch.DUMPING", 0.6)

    def write(text):
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(text))
        return file

    return write


@pytest.fixture
def often(monkeypatch):
    """The recorder samples as often as it likes, also on a busy machine."""
    monkeypatch.setattr("recorder.watch.START", 60.0)


@pytest.fixture
def temporary(monkeypatch):
    """The folder for temporary files, where nothing may stay; its name is short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setattr("recorder.watch.short_temporary_folder", lambda: folder)
        yield Path(folder)


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
LIMITED = """
import time
for step in range(3):
    time.sleep(0.3)
    print("step", step, flush=True)
"""


@with_start_method
def test_output_of_workers_is_captured_in_order(method):
    arguments = ("--workers", "3", "--count", "1000", "--start-method", method)
    recording = watch(EXAMPLES / "queue_totals.py", arguments, start_method=method)
    texts = [line.text for line in recording.lines]
    assert texts[0] == f"Parent process ID: {recording.processes[0].pid}"
    assert texts[-1] == "Total: 3,000"
    times = [line.at for line in recording.lines]
    assert times == sorted(times) and times[0] > 0
    assert (recording.status, recording.ended, recording.left_behind) == (0, "exit", 0)
    assert (recording.start_method, recording.leftover) == (method, ())
    assert recording.command == "python queue_totals.py " + " ".join(arguments)


@with_start_method
def test_the_life_of_each_process(method, often):
    arguments = ("--workers", "3", "--count", "5000000", "--start-method", method)
    recording = watch(EXAMPLES / "pipe_totals.py", arguments)
    parent, *others = recording.processes
    workers = [process for process in others if process.role == "worker"]
    assert parent.role == "parent" and len(workers) == 3
    assert {"fork": 1, "spawn": 1, "forkserver": 2}[method] == len(others) - len(workers)
    for worker in workers:
        assert 0 <= worker.started < worker.ended <= recording.wall
        cpu = [cpu for _, cpu in worker.samples]
        assert cpu == sorted(cpu) and cpu[-1] > 0
    sampled = sum(process.samples[-1][1] for process in recording.processes)
    assert 0 < sampled <= recording.cpu + 0.001
    assert 5 * 2**20 < recording.peak_memory < 2**30


def test_a_helper_that_is_about_to_end_is_no_worker(monkeypatch, often):
    command_of, used, helpers = psutil.Process.cmdline, waits.used, set()

    def without_memory(process):
        """The command of a process; none once it is known as a helper, as if it ended then."""
        if process.pid in helpers:
            return []
        command = command_of(process)
        if any("multiprocessing.forkserver" in word for word in command):
            helpers.add(process.pid)
        return command

    def of_others(pid):
        """What a process uses; of a helper it isn't told any more what it executes."""
        found = used(pid)
        return found._replace(image=object()) if found and pid in helpers else found

    monkeypatch.setattr(psutil.Process, "cmdline", without_memory)
    monkeypatch.setattr(waits, "used", of_others)
    arguments = ("--workers", "2", "--count", "1500000", "--start-method", "forkserver")
    recording = watch(EXAMPLES / "pipe_totals.py", arguments)
    roles = [process.role for process in recording.processes]
    assert helpers and sorted(roles) == ["helper", "helper", "parent", "worker", "worker"]


BRIEF = """
import os, sys, time
while not os.path.getsize(sys.argv[1]):  # until this program itself is seen
    time.sleep(0.001)
for _ in range(30):
    seen = os.path.getsize(sys.argv[1])
    if os.fork() == 0:
        while os.path.getsize(sys.argv[1]) == seen:
            time.sleep(0.001)
        os._exit(0)
    os.wait()
    if open(sys.argv[1]).read()[seen] == "n":
        print("between two samples")
        break
"""


@on_linux
@pytest.mark.parametrize("timed", [False, True])
def test_who_lives_between_two_samples_is_seen(program, monkeypatch, often, tmp_path, timed):
    """Each worker ends as soon as it is seen; where the run's time is a figure, in a sample."""
    sample, observe, where = Run.sample, Run.observe, [b"n"]

    def noting_sample(run, at):
        where[0] = b"s"
        try:
            return sample(run, at)
        finally:
            where[0] = b"n"

    def noting_observe(run, pid):
        seen.write(where[0])
        observe(run, pid)

    monkeypatch.setattr(Run, "sample", noting_sample)
    monkeypatch.setattr(Run, "observe", noting_observe)
    with (tmp_path / "seen").open("ab", buffering=0) as seen:
        recording = watch(program(BRIEF), [seen.name], timed=timed)
    assert recording.output == ("" if timed else "between two samples\n")
    assert all(process.ended <= recording.wall for process in recording.processes)


@pytest.mark.parametrize("seconds", [2, 8, 60])
def test_what_watching_may_cost_is_what_the_page_says(seconds, monkeypatch):
    run = Run.__new__(Run)
    run.began, run.started, run.handles = 0.0, 0.0, {}
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: float(seconds))
    assert 0.014 < run.left_to_spend() / seconds < 0.016, "the rest is for its start and end"


@on_linux
def test_what_watching_may_cost_bounds_the_samples(program, monkeypatch):
    counts = []
    for start in (60.0, -60.0):
        monkeypatch.setattr("recorder.watch.START", start)
        monkeypatch.setattr("recorder.watch.SHARE", 1e-9)
        recording = watch(program("import time; time.sleep(1)"))
        counts.append(len(recording.processes[0].samples))
    assert counts[0] > counts[1] == 1


SHARES = """
import multiprocessing, time
held = bytearray(b"x") * 2**26
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    for _ in range(3): context.Process(target=time.sleep, args=(1,)).start()
"""


@on_linux
def test_memory_that_processes_share_counts_once(program, often):
    recording = watch(program(SHARES))
    assert 2**26 < recording.peak_memory < 2 * 2**26


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
        ("print(' 50 %\\r100 %\\r')", 0, [" 50 %\r100 %\r"]),
        (
            "import os; os.write(1, b'a\\0mark\\0\\n\\0mark\\0\\n')",
            0,
            ["a\0mark\0", "\0mark\0"],
        ),
        ("import os, signal; os.kill(os.getpid(), 9)", -9, []),
        ("import os; os.close(1); os.close(2)", 0, []),
    ],
)
def test_small_things(program, text, status, lines):
    recording = watch(program(text))
    assert (recording.status, recording.ended) == (status, "exit")
    assert recording.processes[0].exit == status
    assert [line.text for line in recording.lines] == lines
    assert Recording.from_json(recording.to_json()) == recording


def test_output_after_the_parent_has_ended(program, monkeypatch):
    monkeypatch.setattr("recorder.watch.GRACE", TIMEOUT)
    text = "import os, time\nif os.fork() == 0: time.sleep(0.2); print('late', flush=True)"
    recording = watch(program(text))
    assert (recording.output, recording.left_behind) == ("late\n", 0)


@on_linux
def test_all_output_is_read_however_late_the_recorder_comes(program, monkeypatch):
    text = """
    import fcntl, os
    fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 2**18)  # it has room for more than is read at once
    os.write(1, b"a line\\n" * 30_000)
    """
    watch_run = Run.watch

    def watch_late(run, *arguments):
        run.supervisor.wait(TIMEOUT)
        return watch_run(run, *arguments)

    monkeypatch.setattr(Run, "watch", watch_late)
    recording = watch(program(text))
    assert (len(recording.lines), recording.dropped) == (30_000, 0)


@on_linux
def test_what_is_said_because_the_recorder_ends_it_is_not_the_programs(program):
    text = """
    import multiprocessing, os, time
    lock = multiprocessing.get_context("spawn").Lock()  # its tracker says that it is still there
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
    """
    recording = watch(program(text))
    assert (recording.output, recording.left_behind) == ("", 2)


@on_linux
def test_in_a_stack_is_nothing_that_another_process_says(program):
    text = """
    import multiprocessing, os, signal
    if os.fork() == 0:  # it is asked last, and long: so the tracker has time to say something
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
        os.read(os.pipe()[0], 1)
    lock = multiprocessing.get_context("spawn").Lock()
    lock.acquire()
    lock.acquire()
    """
    recording = watch(program(text))
    assert recording.hung
    stacks = {process.role: process.stack for process in recording.processes}
    assert "program.py" in stacks.pop("parent")[-1]
    assert stacks == {"worker": (), "helper": ()}


@on_linux
def test_few_descriptors(program):
    """Those that tell of an end are not all: processes must be looked at, too."""
    import resource

    text = """
    import os, time
    r, w = os.pipe()
    for _ in range(60):
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            os._exit(0)
    time.sleep(0.5)
    print("all", flush=True)
    time.sleep(0.5)  # so that the recorder has read that when they end
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        recording = watch(program(text))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(recording.processes) == 61
    assert all(one.ended >= recording.lines[0].at for one in recording.processes)


def test_an_interpreter_that_is_found_by_the_environment(program, tmp_path, monkeypatch):
    """As a shim of pyenv does: the run has another environment."""
    shim = tmp_path / "shim"
    shim.write_text(f'#!/bin/sh\n[ "$FOUND" ] && exec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("FOUND", "1")
    assert watch(program("print(5)"), python=str(shim)).output == "5\n"


@on_linux
def test_what_is_too_deep_to_be_removed_costs_no_recording(program, temporary):
    text = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')\nprint('deep')"
    try:
        recording = watch(program(text))
    finally:
        subprocess.run(["rm", "-r", *temporary.iterdir()], check=True)
    assert recording.output == "deep\n" and len(recording.leftover) == 1


@on_linux
def test_shared_memory_of_killed_processes_that_no_tracker_knows(program):
    names = [f"/dev/shm/test-{os.getpid()}-{which}" for which in ("old", "new")]
    text = """
    import mmap, os, sys, threading
    for name in sys.argv[1:]:
        with open(name, "a+b") as file:
            if not os.path.getsize(name): file.truncate(1)
            globals()[name] = mmap.mmap(file.fileno(), 1)
    threading.Event().wait()
    """
    Path(names[0]).write_bytes(b"x")
    try:
        assert watch(program(text), names).hung
        assert [os.path.exists(name) for name in names] == [True, False]
    finally:
        for name in names:
            Path(name).unlink(missing_ok=True)


@on_linux
def test_a_program_that_stops_its_supervisor(program, monkeypatch):
    monkeypatch.setattr("recorder.watch.ENDING", 5)
    text = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)"
    assert watch(program(text), timeout=0.5).ended == "timeout"


def test_the_command_can_be_typed_again(program):
    recording = watch(program("import sys; print(sys.argv[1:])"), ["a b", "*", ""])
    assert recording.output == "['a b', '*', '']\n"
    assert recording.command == "python program.py 'a b' '*' ''"


@pytest.mark.parametrize("line_end", ["\\n", ""])
def test_huge_output(program, line_end):
    text = f"for _ in range(10): print('x' * 1_000_000, end='{line_end}')"
    recording = watch(program(text))
    assert recording.status == 0
    kept = sum(len(line.text) for line in recording.lines)
    assert kept <= MAX_OUTPUT_BYTES and kept + recording.dropped >= 10_000_000


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


def test_a_run_has_one_name_for_its_folders(program):
    text = """
    import os, tempfile
    print(os.getcwd(), os.getcwd() + "/data", os.path.dirname(os.getcwd()))
    print(tempfile.gettempdir(), os.path.exists(tempfile.gettempdir()), os.environ["HOME"])
    """
    recording = watch(program(text))
    assert recording.output == "<folder> data <tmp>\n<tmp> True <folder>\n"


ADDRESSES = "https://docs.example.org/a tcp://127.0.0.1:5555 /usr/share/man //comment ~/x"


@pytest.mark.parametrize(
    ("folders", "home", "text", "scrubbed"),
    [
        ({}, "/", ADDRESSES, ADDRESSES),
        ({}, "", ADDRESSES, ADDRESSES),
        ({"/usr": "<tmp>", "/usr/local/": "<tmp>"}, "/usr/", ADDRESSES, ADDRESSES),
        ({"/": "<tmp>", "": "<none>"}, "/home/me", ADDRESSES, ADDRESSES),
        (
            {},
            "/home/me",
            "/home/me /home/me/x /home/meg /x/home/me",
            "~ ~/x /home/meg /x/home/me",
        ),
        (
            {"/t/r": ""},
            "/",
            "'/t/r/a' /t/r/ /t/r. /t/r.x /t/r-1",
            "'a' <folder>/ <folder>. /t/r.x /t/r-1",
        ),
        (
            {"/t/r": "", "/t": "<tmp>"},
            "/",
            "in:/t/r file:///t/x",
            "in:<folder> file://<tmp>/x",
        ),
    ],
)
def test_paths_are_replaced_as_a_whole(monkeypatch, folders, home, text, scrubbed):
    monkeypatch.setenv("HOME", home)
    assert path_scrubber(folders)(text) == scrubbed


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/"])
def test_the_prefix_of_the_system_is_not_pythons(monkeypatch, prefix):
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(sys, "base_prefix", prefix)
    monkeypatch.setattr(machine, "interpreter", machine.interpreter.__wrapped__)  # ask again
    assert path_scrubber({})("/usr/share/x /usr/local/y") == "/usr/share/x /usr/local/y"


def test_of_the_library_only_what_is_below_it():
    library = os.path.dirname(os.__file__)
    assert path_scrubber({})(f"{library}/os.py") == "<python>/os.py"
    assert "<python>/os.py" not in path_scrubber({})(f"{library}os.py")


def test_the_shell_changes_nothing(program, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("SECRET", "1")
    text = "import os; print(*(n for n in os.environ if n in ('PYTHONUNBUFFERED', 'SECRET')))"
    assert watch(program(text)).output == "\n"


SIGNALS = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
    print(signal.getsignal(number) == signal.SIG_IGN, end=" ")
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def test_a_run_starts_with_no_signal_ignored_or_blocked(program):
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    try:
        recording = watch(program(SIGNALS))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    # Python itself ignores SIGPIPE.
    assert recording.output == "False False False True False set()\n"


def test_an_ignored_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raise_on_termination():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@with_start_method
def test_hang(program, method, temporary):
    recording = watch(program(HANGS), [method], hangs=True)
    assert (recording.ended, recording.hung, recording.status) == ("hang", True, None)
    assert recording.output == "joins\n"
    parent, *_, worker = recording.processes
    assert any(line.endswith(" in join") for line in parent.stack)
    assert any(line.endswith(" in _feed") for line in worker.stack)
    assert 'File "program.py", line 13 in <module>' in parent.stack[-1]
    assert not any(is_alive(process.pid) for process in recording.processes)
    assert list(temporary.iterdir()) == []


@on_linux
def test_the_main_thread_prints_the_stacks(program):
    file = program("""
        import threading

        def other():
            threading.Event().wait()

        def main():
            threading.Event().wait()

        for _ in range(20):
            threading.Thread(target=other).start()
        main()
        """)
    stack = watch(file).processes[0].stack
    printing = next(n for n, line in enumerate(stack) if line.startswith("Current thread"))
    assert next(line for line in stack[printing:] if "program.py" in line).endswith(" in main")


def test_the_frames_of_the_interpreter_are_left_out():
    """Python 3.14 prints them as well, and what follows them."""
    mine = [
        "Current thread 0x0 [python] (most recent call first):",
        '  File "a.py", line 1 in f',
    ]
    addresses = [f"{C_STACK} (most recent call first):", '  Binary file "python"']
    assert stack_of_python([*mine, "", *addresses]) == mine
    assert stack_of_python(mine) == mine


@on_linux
@with_start_method
def test_what_is_known_at_the_end_of_a_hang(program, method):
    """The ring, the frames of each thread in it, and the pipe that is full."""
    recording = watch(program(HANGS), [method], hangs=True)
    parent, *_, worker = recording.processes
    (joins,), (ends, feeds) = parent.threads, worker.threads
    assert [thread.tid for thread in (joins, ends)] == [parent.pid, worker.pid]
    assert [(wait.kind, wait.by) for wait in joins.waits] == [("end", (worker.pid,))]
    assert [(wait.kind, wait.by) for wait in ends.waits] == [("own", (worker.pid,))]
    (room,) = feeds.waits
    assert (room.kind, set(room.by)) == ("room", {parent.pid, worker.pid})
    assert [thread.samples[-1][1] for thread in (joins, ends, feeds)] == ["end", "own", "room"]
    stands = [{frame.function for frame in one.frames} for one in (joins, ends, feeds)]
    assert [
        name in names
        for name, names in zip(("join", "_finalize_join", "_feed"), stands, strict=True)
    ] == [True] * 3
    (pipe,) = (one for one in recording.pipes if one.name == room.channel)
    assert pipe.samples[-1][1] > pipe.capacity - 4096
    assert set(pipe.readers) == {parent.pid, worker.pid}
    assert recording.chain == (parent.pid, worker.pid, feeds.tid, parent.pid)
    assert Recording.from_json(recording.to_json()) == recording


ENDINGS = """
import multiprocessing, os, sys, time

def stay(looks):  # until the recorder has looked again: of less it may see nothing
    before = os.path.getsize(looks)
    while os.path.getsize(looks) < before + 4:
        time.sleep(0.001)

def end(how, looks):
    stay(looks)
    os._exit(3) if how else os.kill(os.getpid(), 9)

if __name__ == "__main__":
    method, looks = sys.argv[1:]
    context = multiprocessing.get_context(method)
    for how in (0, 1):
        worker = context.Process(target=end, args=(how, looks))
        worker.start()
        worker.join()
    stay(looks)
    sys.exit(5)
"""


def tells_exits():
    """Whether the kernel tells how a process ended that its own parent has waited for."""
    process = subprocess.Popen(["true"])
    handle = waits.handle_of(process.pid)
    process.wait()
    code = waits.exit_of(process.pid, handle)
    if handle is not None:
        os.close(handle)
    return code == 0


@on_linux
@pytest.mark.skipif(sys.platform != "linux" or not tells_exits(), reason="needs Linux 6.15")
@with_start_method
def test_how_each_process_ended(program, method, tmp_path):
    with (tmp_path / "looks").open("ab", buffering=0) as looks:
        recording = watch(
            program(ENDINGS), [method, looks.name], progress=lambda _: looks.write(b".")
        )
    parent, *others = recording.processes
    workers = [process for process in others if process.role == "worker"]
    assert parent.exit == 5
    assert [process.exit for process in workers] == [-9, 3]
    assert all(process.ended < parent.ended - 0.01 for process in workers)


@on_linux
@with_start_method
def test_a_hang_is_proven_also_where_none_is_expected(program, method):
    recording = watch(program(HANGS), [method], timeout=TIMEOUT)
    assert (recording.ended, recording.evidence) == ("hang", "kernel")
    assert [process.exit for process in recording.processes] == [None] * len(
        recording.processes
    )


@pytest.mark.parametrize("hangs", [True, False])
def test_who_waits_with_a_limit_does_not_hang(program, hangs, monkeypatch):
    stall = 0.1 if supervisor.SEES_ALL else 5
    monkeypatch.setattr("recorder.watch.STALL_SECONDS", stall)
    recording = watch(program(LIMITED), hangs=hangs)
    assert (recording.ended, recording.evidence, recording.status) == ("exit", "", 0)
    assert recording.output == "step 0\nstep 1\nstep 2\n"


BUSY = {
    "spins": "while True: pass",
    "prints": "while True: print('tick', flush=True); time.sleep(0.05)",
    "sleeps": "time.sleep(600)",
    "polls": "while not lock.acquire(timeout=0.05): pass",
    "a worker spins": "if os.fork() == 0:\n    while True: pass\nos.wait()",
    "a worker sleeps": "if os.fork() == 0: time.sleep(600)\nos.wait()",
    "waits for an alarm": "signal.signal(signal.SIGALRM, print); signal.alarm(600); lock.acquire()",
    "writes all the time": "os.set_blocking(1, False)\nwhile True:\n  try: os.write(1, b'z' * 65536)\n  except OSError: pass",
}


@pytest.mark.parametrize("what", BUSY)
def test_who_is_not_done_at_the_timeout_does_not_hang(program, what):
    text = "import os, signal, threading, time\nlock = threading.Lock()\nlock.acquire()\n"
    file = program(text + "print('starts', flush=True)\n" + BUSY[what])
    for timeout in (0.6, 6, 60):
        recording = watch(file, timeout=timeout)
        if recording.lines:  # else it had no time to start
            break
    assert (recording.ended, recording.evidence, recording.status) == ("timeout", "", None)
    assert not recording.hung and recording.lines[0].text == "starts"
    assert recording.wall >= timeout
    assert any("program.py" in line for line in recording.processes[0].stack)


@on_linux
@pytest.mark.parametrize("what", ["spins", "a worker spins", "sleeps", "polls"])
def test_who_is_expected_to_hang_and_works_does_not(program, what, monkeypatch):
    """The kernel's clock counts CPU time in steps, between which one that works seems still."""
    monkeypatch.setattr("recorder.watch.STALL_SECONDS", 0.02)
    text = "import os, threading, time\nlock = threading.Lock()\nlock.acquire()\n"
    assert watch(program(text + BUSY[what]), hangs=True, timeout=1).ended == "timeout"


def test_a_timeout_that_is_over_at_once(program):
    recording = watch(program("import time; time.sleep(600)"), timeout=1e-9)
    assert (recording.ended, recording.status) == ("timeout", None)


def test_the_time_of_a_hang_is_that_of_its_proof(program):
    """Not that of the end, which takes until DUMPING: SIGABRT is ignored."""
    text = "import signal, threading\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\n"
    began = time.monotonic()
    recording = watch(program(text + "threading.Event().wait()"), hangs=True)
    assert recording.hung and recording.wall < time.monotonic() - began - 0.5


@on_linux
def test_stillness_counts_only_where_the_kernel_cannot_tell(program, monkeypatch):
    """Somebody from elsewhere could connect, so no proof is possible."""
    monkeypatch.setattr("recorder.watch.STALL_SECONDS", 0.3)
    text = "import socket; s = socket.create_server(('127.0.0.1', 0)); s.accept()"
    recording = watch(program(text), hangs=True)
    assert (recording.ended, recording.evidence) == ("hang", "stillness")
    assert watch(program(text), timeout=0.5).ended == "timeout"


def test_marks_of_a_recorder_before_a_hang(program):
    text = """
    import os, threading
    def stuck_here():
        threading.Event().wait()
    os.write(1, b"\\0mark\\0\\n" * 5 + b"after")
    stuck_here()
    """
    recording = watch(program(text), hangs=True)
    assert recording.output == "\0mark\0\n" * 5 + "after\n"
    assert any(line.endswith("in stuck_here") for line in recording.processes[0].stack)


@on_linux
def test_a_program_whose_end_is_not_told_yet_does_not_hang(program):
    """It has left a worker that waits for ever, and its supervisor gets no turn to say its end."""
    text = """
    import os, signal
    if os.fork() == 0: os.read(os.pipe()[0], 1)
    os.kill(os.getppid(), signal.SIGSTOP)
    """

    seen = []

    def go_on(seconds):
        (own,) = (p for p in psutil.Process().children() if supervisor.__file__ in p.cmdline())
        if own.status() == psutil.STATUS_STOPPED:
            seen.append(seconds)
            if len(seen) > 20:
                own.send_signal(signal.SIGCONT)

    recording = watch(program(text), progress=go_on)
    assert seen
    assert (recording.ended, recording.status, recording.left_behind) == ("exit", 0, 1)


def test_left_behind(program):
    recording = watch(program(PARENT_ENDS))
    assert (recording.status, recording.output) == (0, "ends\n")
    assert recording.left_behind >= 1
    assert not any(is_alive(process.pid) for process in recording.processes)


ESCAPES = {
    "a session of its own": "subprocess.Popen(sleep, start_new_session=True)",
    "double fork": "detach() and time.sleep(600)",
    "empty environment": "detach() and os.execve(sleep[0], sleep, {})",
    "empty environment and no output": "detach() and quiet() and os.execve(sleep[0], sleep, {})",
    "a chain": "detach()\nwhile not os.fork(): time.sleep(0.005)",
}
ESCAPE = """
import os, subprocess, sys, time
sleep = [sys.executable, "-S", "-c", f"import time; time.sleep(600) # {sys.argv[1]}"]

def detach():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            return True
    os._exit(0)

def quiet():
    nowhere = os.open("/dev/null", os.O_RDWR)
    return [os.dup2(nowhere, descriptor) for descriptor in (0, 1, 2)]

print("parent ends", flush=True)
"""


@on_linux
@pytest.mark.parametrize("how", ESCAPES)
def test_nobody_escapes(program, tmp_path, how):
    mark = f"mark {os.getpid()} {how}"
    recording = watch(program(ESCAPE + ESCAPES[how]), [mark])
    assert (recording.status, recording.output) == (0, "parent ends\n")
    assert recording.left_behind >= 1
    assert marked(mark) == []


def marked(mark):
    """The processes in whose command a mark stands."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(mark in word for word in process.cmdline()) and is_alive(process.pid):
                found.append(process)
        except psutil.Error:
            pass
    return found


@with_start_method
def test_temporary_files_go_with_the_run(program, method, temporary):
    text = "import os, tempfile\ntempfile.mkdtemp()\nos.mkdir('d')\nopen('d/f', 'w')\nos.chmod('d', 0)\n"
    assert watch(program(text)).leftover == ()
    watch(program(HANGS), [method], hangs=True)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 108, "a\nb", "\udcff"])
def test_an_odd_name_of_the_folder_for_temporary_files(program, monkeypatch, name):
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        folder = os.path.join(short, name)
        os.mkdir(folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        text = HANGS.replace("process.join()", "results.get(); process.join()")
        text += "    import os; print(os.getcwd())"
        assert watch(program(text), ["forkserver"]).output == "joins\n<folder>\n"


@on_linux
def test_what_cannot_be_removed_costs_no_recording(program, temporary):
    text = "import os; open('kept', 'w'); print(os.system('chattr +i kept 2>/dev/null'))"
    try:
        recording = watch(program(text))
    finally:
        os.system(f"chattr -fR -i {temporary}")
    if recording.output != "0\n":
        pytest.skip("only root may make a file immutable, and not everywhere")
    (path,) = recording.leftover
    assert path.startswith("<tmp>/run-") and path.endswith("/run/kept")


@with_start_method
def test_semaphores_of_a_hang_are_removed(program, method):
    text = """
    import multiprocessing, sys
    def worker(lock, name):
        lock.acquire()
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        lock = context.Lock()
        print(lock._semlock.name, flush=True)
        lock.acquire()
        process = context.Process(target=worker, args=(lock, "x"))
        process.start()
        process.join()
    """
    recording = watch(program(text), [method], hangs=True)
    assert recording.hung
    name = recording.lines[0].text.strip("/")
    assert name and not Path("/dev/shm", f"sem.{name}").exists()


def test_several_threads_at_once(program):
    """Each run has its own orphan, and ends it and no other."""
    text = "import os, sys, time\nprint(sys.argv[1], flush=True)\nif os.fork() == 0: time.sleep(600)"
    orphan = program(text)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        names = [str(number) for number in range(4)]
        recordings = list(pool.map(lambda n: watch(orphan, [n]), names))
    assert [(r.output, r.left_behind, r.status) for r in recordings] == [
        (f"{name}\n", 1, 0) for name in names
    ]


def test_progress_can_end_a_run(program, temporary):
    def stop(seconds):
        raise KeyError("enough")

    mark = f"mark {os.getpid()} progress"
    with pytest.raises(KeyError, match="enough"):
        watch(program("import time; time.sleep(600)"), [mark], progress=stop)
    assert marked(mark) == [] and list(temporary.iterdir()) == []


def test_a_program_that_kills_its_supervisor(program, temporary):
    mark = f"mark {os.getpid()} supervisor"
    text = "import os, time\nif os.fork(): os.kill(os.getppid(), 9)\ntime.sleep(600)"
    with pytest.raises(OSError, match="supervisor"):
        watch(program(text), [mark])
    assert marked(mark) == [] and list(temporary.iterdir()) == []


RECORDER = """
import sys
import recorder.watch
from pathlib import Path
recorder.watch.short_temporary_folder = lambda: sys.argv[1]
recorder.watch.watch(Path(sys.argv[2]), sys.argv[3:])
"""
WAITS = """
import multiprocessing, sys, time
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    lock = context.Lock()
    for _ in range(2):
        context.Process(target=time.sleep, args=(600,)).start()
    print("started", flush=True)
    time.sleep(600)
"""


def start_recorder(program, temporary, *arguments):
    """Start a recorder in a process of its own."""
    return subprocess.Popen(
        (sys.executable, "-c", RECORDER, temporary, program, *arguments),
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        preexec_fn=default_signals,
    )


@pytest.mark.parametrize(
    ("number", "times", "method"),
    [
        (signal.SIGINT, 1, "fork"),
        (signal.SIGINT, 4, "spawn"),
        (signal.SIGTERM, 4, "forkserver"),
        (signal.SIGHUP, 1, "spawn"),
        (signal.SIGKILL, 1, "fork"),
        (signal.SIGKILL, 1, "spawn"),
        (signal.SIGKILL, 1, "forkserver"),
    ],
)
def test_interrupted(program, temporary, number, times, method):
    """However the recorder ends, and however often one presses: nobody and nothing is left."""
    recorder = start_recorder(program(WAITS), temporary, method)
    try:
        process = psutil.Process(recorder.pid)
        size = {"fork": 4, "spawn": 5, "forkserver": 6}[method]  # with the supervisor
        wait_until(lambda: len(process.children(recursive=True)) >= size, "all have started")
        tree = process.children(recursive=True)
        for _ in range(times):
            recorder.send_signal(number)
        assert recorder.wait(TIMEOUT) in (130, 128 + number, -number)
        wait_until(
            lambda: not any(is_alive(process.pid) for process in tree), "nobody is left"
        )
        wait_until(lambda: not list(temporary.iterdir()), "nothing is left")
    finally:
        recorder.kill()


@on_linux
@pytest.mark.parametrize("milliseconds", range(0, 40, 5))
def test_killed_while_it_starts(program, temporary, milliseconds):
    """SIGTERM, or SIGKILL, at a moment between the folder's start and the program's."""
    mark = f"mark {os.getpid()} starts {milliseconds}"
    recorder = start_recorder(program("import time; time.sleep(600)"), temporary, mark)
    try:
        wait_until(lambda: list(temporary.iterdir()), "the run's folder is there")
        time.sleep(milliseconds / 1000)  # which moment does not matter, only that they differ
        recorder.send_signal(signal.SIGKILL if milliseconds % 10 else signal.SIGTERM)
        recorder.wait(TIMEOUT)
        wait_until(lambda: not marked(mark), "nobody is left")
        wait_until(lambda: not list(temporary.iterdir()), "nothing is left")
    finally:
        recorder.kill()


def test_no_such_program():
    with pytest.raises(FileNotFoundError):
        watch(EXAMPLES / "no_such_program.py")


def test_no_such_interpreter(program):
    with pytest.raises(FileNotFoundError):
        watch(program(""), python="/nowhere/python")


@on_linux
def test_what_a_killed_supervisor_has_left_is_swept_away(tmp_path):
    """Nobody can clean up after a SIGKILL to recorder and supervisor, but the next recorder."""
    import fcntl

    stale, fresh, held = (tmp_path / f"run-{digit * 16}" for digit in "abc")
    for folder in (stale, fresh, held):
        (folder / "tmp").mkdir(parents=True)
        if folder != fresh:
            os.utime(folder, (0, 0))
    handle = os.open(held, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    marked = {**os.environ, RUN_VARIABLE: str(stale)}
    with subprocess.Popen(["sleep", "600"], env=marked) as left:
        sweep(str(tmp_path))
        assert left.wait(TIMEOUT) == -signal.SIGKILL
    os.close(handle)
    assert {folder.name for folder in tmp_path.iterdir()} == {fresh.name, held.name}


@on_linux
def test_a_supervisor_holds_its_folder(program, tmp_path, monkeypatch):
    """So no other recorder sweeps it away, however old it is."""
    monkeypatch.setattr("recorder.watch.short_temporary_folder", lambda: str(tmp_path))
    seen = []

    def look(seconds):
        for folder in tmp_path.glob("run-*"):
            os.utime(folder, (0, 0))
            sweep.__wrapped__(str(tmp_path))
            seen.append(folder.is_dir())

    assert watch(program("import time; time.sleep(0.3)"), progress=look).status == 0
    assert seen and all(seen)
