"""Recordings are kept, and found again only while nothing they depend on has changed."""

import concurrent.futures
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from recorder import __main__ as command_line
from recorder import machine, store
from recorder.recording import Recording
from tests.harness import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the recorder needs POSIX")
ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "import sys\nprint('Total: 1,000')\nsys.exit(len(sys.argv) - 1)\n"


@pytest.fixture
def spec(tmp_path):
    """A program, a lock and a store of the test's own."""
    (tmp_path / "one.py").write_text(PROGRAM)
    (tmp_path / "lock").write_text("package==1\n")
    return store.RunSpec(
        tmp_path / "one.py",
        name="recipes/one.py",
        lock=tmp_path / "lock",
        store=tmp_path / "store",
    )


def test_kept_and_found(spec):
    assert store.load(spec.file()) is None
    recording = store.record(spec)
    assert store.load(spec.file()) == recording
    assert (recording.program, recording.output) == ("recipes/one.py", "Total: 1,000\n")
    assert recording.command == spec.command == "python one.py"


def test_each_thing_it_depends_on(spec, monkeypatch):
    file = spec.file()
    changes = {
        "arguments": ("y",),
        "hangs": True,
        "timeout": 1.0,
        "start_method": "spawn",
        "name": "two.py",
        "traced": True,
        "timed": True,
    }
    for name, value in changes.items():
        assert dataclasses.replace(spec, **{name: value}).file() != file, name
    spec.program.write_text(PROGRAM + "# changed\n")
    assert spec.file() != file
    spec.program.write_text(PROGRAM)
    assert spec.file() == file
    with monkeypatch.context() as patch:
        patch.setattr(store, "recorder_text", lambda: b"another recorder")
        assert spec.file() != file
    for field, value in (("python", "CPython 4.0"), ("processor", "another"), ("cores", 99)):
        other = machine.Machine(**{**vars(machine.this_machine()), field: value})
        with monkeypatch.context() as patch:
            patch.setattr(store, "this_machine", lambda _, other=other: other)
            assert spec.file() != file


def test_the_recorder_that_it_depends_on():
    text = store.recorder_text()
    assert b"def look(" in text and b"def end_when_told(" in text


@pytest.mark.parametrize(
    "text",
    [
        "import zmq",
        "import sys, zmq",
        "if 1: import zmq",
        "import os; import zmq",
        "import   zmq.green as z",
        "from zmq import Context",
        "def f():\n    from\\\n  zmq import Context",
        "import importlib; importlib.import_module('zmq')",
        "__import__('zmq')",
        "x = " + "-" * 100_000 + "1; import zmq",
        "exec('import zmq')",
        "is not Python",
    ],
)
def test_a_program_that_may_need_a_package_depends_on_the_lock(spec, text):
    spec.program.write_text(text)
    file = spec.file()
    spec.lock.write_text("package==2\n")
    assert spec.file() != file


@pytest.mark.parametrize(
    "text", [PROGRAM, "'import zmq'", "from os import path  # import zmq"]
)
def test_a_program_that_needs_none_does_not(spec, text):
    spec.program.write_text(text)
    file = spec.file()
    spec.lock.write_text("package==2\n")
    assert spec.file() == file


def with_checksum(data):
    text = json.dumps(data)
    return f"{store.hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode()


def change(data, **changes):
    return with_checksum(data | changes)


DAMAGES = {
    "empty": lambda whole, data: b"",
    "foreign": lambda whole, data: b"{}",
    "no text": lambda whole, data: b"\xff\xfe\n{",
    "half": lambda whole, data: whole[: len(whole) // 2],
    "another output": lambda whole, data: whole.replace(b"1,000", b"2,000"),
    "a number": lambda whole, data: with_checksum(1),
    "a list": lambda whole, data: with_checksum([]),
    "a field more": lambda whole, data: change(data, more=1),
    "a field less": lambda whole, data: with_checksum({"program": "one.py"}),
    "a line that is none": lambda whole, data: change(data, lines=["x"]),
    "a machine that is none": lambda whole, data: change(data, machine=None),
    "a text for a number": lambda whole, data: change(data, wall="1"),
    "samples of three": lambda whole, data: change(
        data, processes=[data["processes"][0] | {"samples": [[1.0, 2.0, 3.0]]}]
    ),
    "too deep": lambda whole, data: with_checksum("x").replace(b'"x"', b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged(spec, damage):
    store.record(spec)
    whole = spec.file().read_bytes()
    data = json.loads(whole.partition(b"\n")[2])
    damaged = DAMAGES[damage](whole, data)
    assert damaged != whole
    spec.file().write_bytes(damaged)
    assert store.load(spec.file()) is None
    assert store.record(spec).output == "Total: 1,000\n"
    assert store.load(spec.file()) is not None


@pytest.mark.parametrize("text", ["[" * 100_000, "1", "[]", "{}", "nothing", '{"a": NaN}'])
def test_what_is_no_recording_is_a_value_error(text):
    with pytest.raises(ValueError):
        Recording.from_json(text)


def loop(file):
    file.symlink_to(file)


BAD_FILES = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a loop": loop,
    "a link to nothing": lambda file: file.symlink_to("nothing"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_is_no_file_in_the_place_of_a_recording(spec, kind, monkeypatch, capsys):
    file = spec.file()
    file.parent.mkdir()
    BAD_FILES[kind](file)
    assert store.load(file) is None
    assert call(monkeypatch, "list", "--store", spec.store) == 0
    assert capsys.readouterr().out.endswith("damaged, will not be used\n")
    assert store.record(spec).output == "Total: 1,000\n"
    assert call(monkeypatch, "forget", "--all", "--store", spec.store) == (kind == "a folder")
    assert file.exists() == (kind == "a folder")


@pytest.mark.parametrize("kind", ["a file", "a link to nothing", "full"])
def test_a_store_that_keeps_nothing_costs_only_the_keeping(spec, kind, monkeypatch, caplog):
    if kind == "a file":
        spec.store.write_text("")
    elif kind == "a link to nothing":
        spec.store.symlink_to("nothing/at all")
    else:
        monkeypatch.setattr(store.os, "replace", full)
    store.warn.cache_clear()
    for _ in range(2):
        assert store.record(spec).output == "Total: 1,000\n"
    assert len(caplog.messages) == 1 and "can't be kept in" in caplog.messages[0]
    assert not spec.store.is_dir() or list(spec.store.iterdir()) == []


def full(*names):
    raise OSError(28, "No space left on device")


def test_written_by_two_at_once(spec):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        recordings = list(pool.map(store.record, [spec] * 8))
    assert store.load(spec.file()) in recordings
    assert [file for file in spec.store.iterdir() if file.suffix != ".json"] == []


def test_other_files_are_no_recordings(spec, monkeypatch, capsys):
    """Not even in a folder that is named by mistake."""
    store.record(spec)
    part = spec.file().with_suffix(".0123abcd.part")
    others = [spec.store / name for name in ("one.py", "one-1.json", "-rf")]
    for file in (part, *others):
        file.write_text("x")
    assert set(store.files_of(spec.store)) == {spec.file(), part}
    assert call(monkeypatch, "forget", "--all", "--store", spec.store) == 0
    assert capsys.readouterr().out == "forgotten: 2\n"
    assert set(spec.store.iterdir()) == set(others)


def test_only_recordings_of_the_program_are_deleted(spec, monkeypatch, capsys):
    other = dataclasses.replace(spec, program=spec.program.with_name("one_more.py"))
    other.program.write_text(PROGRAM)
    store.record(spec), store.record(other)
    assert call(monkeypatch, "forget", "--store", spec.store, "one.py") == 0
    assert capsys.readouterr().out == "forgotten: 1 one.py\n"
    assert list(spec.store.iterdir()) == [other.file()]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["recorder", *map(str, arguments)])
    return command_line.main()


def test_command_line(spec, monkeypatch, capsys):
    assert call(monkeypatch, "run", spec.program, "x") == 0
    assert "exit status 1 after" in capsys.readouterr().out
    file = spec.program.with_suffix(".svg")
    assert call(monkeypatch, "run", "--svg", file, spec.program, "x") == 0
    assert "Timeline of python one.py x" in file.read_text()
    capsys.readouterr()
    assert call(monkeypatch, "run", "--json", spec.program) == 0
    assert json.loads(capsys.readouterr().out)["program"] == "one.py"
    for option in (("--start-method", "spawn"), ("--start-method=spawn",)):
        assert call(monkeypatch, "run", "--json", spec.program, *option) == 0
        assert json.loads(capsys.readouterr().out)["start_method"] == "spawn"
    store.record(spec)
    keep = ("--store", spec.store)
    assert call(monkeypatch, "list", *keep) == 0
    assert "0.0 h" in (out := capsys.readouterr().out) and "python one.py" in out
    assert call(monkeypatch, "forget", *keep, "two.py") == 0
    assert store.files_of(spec.store) == [spec.file()]
    (spec.store / f"one-{'0' * 32}.json").mkdir()
    assert call(monkeypatch, "forget", *keep, "one.py") == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "forgotten: 1 one.py"
    assert captured.err.startswith("not forgotten: ")


def test_hung_and_not_done_are_told_apart(spec, monkeypatch, capsys):
    spec.program.write_text("import threading; threading.Event().wait()")
    assert call(monkeypatch, "run", "--hangs", spec.program) == 0
    assert "hung (" in capsys.readouterr().out
    spec.program.write_text("while True: pass")
    assert call(monkeypatch, "run", "--hangs", "--timeout", "0.3", spec.program) == 1
    out = capsys.readouterr().out
    assert "not done at the timeout" in out and "hung" not in out


def recorder(*arguments, **options):
    command = (sys.executable, "-m", "recorder", *map(str, arguments))
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "missing.py"), "no such program: missing.py"),
        (
            ("run", "--timeout", "0", __file__),
            "argument --timeout: 0.0 is not a number of seconds above 0",
        ),
        (
            ("run", "--timeout", "nan", __file__),
            "argument --timeout: nan is not a number of seconds above 0",
        ),
        (("forget",), "forget takes the names of programs, or --all"),
        (("list", "--store", __file__), f"[Errno 20] Not a directory: '{__file__}'"),
        ((), "the following arguments are required: command"),
    ],
)
def test_bad_command_lines(arguments, message):
    process = recorder(*arguments)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert err.splitlines()[-1].endswith(f"error: {message}")


@pytest.mark.parametrize("command", ["list", "run"])
def test_a_reader_that_wants_no_more(spec, command):
    store.record(spec)
    reader, writer = os.pipe()
    os.close(reader)
    arguments = {"list": ("--store", spec.store), "run": (spec.program,)}[command]
    words = (sys.executable, "-m", "recorder", command, *arguments)
    done = subprocess.run(words, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_closed_output(spec):
    process = recorder("run", spec.program, preexec_fn=lambda: os.close(1))
    assert process.communicate()[1] == "" and process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_full_output(spec, monkeypatch):
    monkeypatch.delenv(
        "PYTHONUNBUFFERED", raising=False
    )  # what it can't write stays in a buffer
    with open("/dev/full", "w") as full:
        words = (sys.executable, "-m", "recorder", "run", spec.program)
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "python -m recorder: error: [Errno 28] No space left on device"
    ]


def test_an_output_that_takes_no_such_letters(spec):
    spec.program.write_text("print('h\\u00e9llo')")
    process = recorder("run", spec.program, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "") and "h\\xe9llo" in out


def test_terminated(spec):
    spec.program.write_text("import time; time.sleep(600)")
    process = recorder("run", spec.program, start_new_session=True)
    try:
        parent = psutil.Process(process.pid)
        wait_until(lambda: len(parent.children(recursive=True)) == 2, "the program runs")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (128 + signal.SIGTERM, "")
    finally:
        process.kill()
